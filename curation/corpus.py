"""The corpus: each kept content once, with the first place where it stands.

Copies of a content come and go without changing the corpus: which place a row points to follows the order of the
sources in `headwater.yaml`, then the locator, among all the places of the content, also those whose documents were
dropped as copies. So adding a copy may move a row's `doc_id`, but never its content.

Here, and only here, text changes: spans that evidence marks are cut, or replaced by placeholders. `content_digest` names
the text as it then stands, so that what is below measures it anew; `doc_id` still leads to the document as it was read.
A title stands beside the text, where nothing is measured: with redaction it is kept only if it stands in the text too, as
that then is.
A content whose spans could not be measured is failed, never let through as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import polars as pl

from curation.redaction import rewritten
from curation.spans import spans_by_content
from records import Outcome

_UNMEASURED, _NOTHING_LEFT = "spans not measured", "nothing left after cutting"
_EQUAL = "equal to another content after cutting and redaction"

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

CORPUS = pl.Schema(
    {
        "doc_id": pl.String,
        "source": pl.String,
        "locator": pl.String,
        "media_type": pl.String,
        "title": pl.String,
        "text": pl.String,
        "content_digest": pl.String,
    }
)
"""One row per kept content, in the order of their digests."""


def build_corpus(
    documents: Frame,
    verdicts: Frame,
    source_order: Sequence[str],
    cuts: Sequence[Frame] = (),
    personal_data: Frame | None = None,
) -> Outcome:
    """The kept contents as `CORPUS`; in documents, in = kept + dropped + failed.

    `documents` has the columns of `curation.reading.DOCUMENTS`, `verdicts` those of `curation.verdicts.VERDICTS`.
    `source_order` names the sources, the preferred one first. `cuts` and `personal_data` have content_digest, `spans`
    and `error`: what the spans of the first mark is removed, of the second replaced by placeholders
    (`curation.redaction`). Contents that are equal then are one, at the first of their places. Raises ValueError when
    the documents and the verdicts are not about the same documents.
    """
    verdict = verdicts.lazy().select("doc_id", "verdict")
    places = documents.lazy().select("doc_id", "source", "locator", "content_digest")
    judged = places.join(verdict, on="doc_id", how="full", coalesce=True, validate="1:1").collect()
    _check_same(judged)
    first = _first_places(judged, source_order)
    names = first.select("doc_id", "content_digest").with_row_index("place").lazy()
    chosen = documents.lazy().join(names, on=["doc_id", "content_digest"]).select(*CORPUS.names(), "place").collect()
    marked = [*cuts, *([] if personal_data is None else [personal_data])]
    measured = _measured(chosen, marked)
    left = _written_anew(measured, cuts, personal_data)
    table = left.filter("left").sort("place").unique("content_digest", keep="first").select(CORPUS.names())
    of_kind = dict(judged.group_by("verdict").len().iter_rows())
    nothing = left.height - left["left"].sum()
    dropped = {
        "dropped by verdict": of_kind.get("dropped", 0),
        "copy of a kept content": of_kind.get("kept", 0) - chosen.height,
        _NOTHING_LEFT: nothing,
        _EQUAL: left.height - nothing - table.height,
    }
    failed = {"failed by verdict": of_kind.get("failed", 0), _UNMEASURED: chosen.height - measured.height}
    return Outcome(
        table.sort("content_digest"),
        kept=table.height,
        dropped={reason: count for reason, count in dropped.items() if count},
        failed={reason: count for reason, count in failed.items() if count},
        notes=_notes(table, left) | _redacted(measured, personal_data),
    )


def _check_same(judged: pl.DataFrame) -> None:
    """A document without a verdict, or a verdict without a document, would be lost in silence."""
    strangers = judged.filter(pl.col("verdict").is_null() | pl.col("source").is_null())
    if strangers.height:
        raise ValueError(
            f"{strangers.height} documents and verdicts do not belong together, the first {strangers['doc_id'][0]}; "
            "run `verdicts` on these documents first"
        )


def _first_places(judged: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """Of each content that some document was kept for, its first place."""
    rank = pl.col("source").replace_strict(
        {source: number for number, source in enumerate(source_order)},
        default=len(source_order),
        return_dtype=pl.Int64,
    )
    kept = judged.filter(pl.col("verdict") == "kept").select("content_digest")
    standing = judged.join(kept, on="content_digest", how="semi").with_columns(rank=rank)
    ordered = standing.sort("rank", "source", "locator", "doc_id")
    return ordered.unique("content_digest", keep="first", maintain_order=True)


def _measured(contents: pl.DataFrame, marked: Sequence[Frame]) -> pl.DataFrame:
    """The contents of which every table of spans has a row with spans."""
    for table in marked:
        known = table.lazy().filter(pl.col("spans").is_not_null()).select("content_digest").collect()
        contents = contents.join(known, on="content_digest", how="semi", maintain_order="left")
    return contents


def _written_anew(contents: pl.DataFrame, cuts: Sequence[Frame], personal_data: Frame | None) -> pl.DataFrame:
    """The contents as they stand after cutting and redaction, with `changed`, and `left` where any text is left."""
    new = rewritten(contents, cuts, personal_data)
    changed = pl.col("new_digest").is_not_null()
    title = pl.col("title")
    if personal_data is not None:
        title = pl.when(pl.col("text").str.contains(title, literal=True)).then(title)
    return (
        contents.join(new, on="content_digest", how="left", maintain_order="left")
        .with_columns(changed=changed, left=~changed | pl.col("new_text").str.contains(r"\S"))
        .with_columns(text=pl.coalesce("new_text", "text"), content_digest=pl.coalesce("new_digest", "content_digest"))
        .with_columns(title=title)
    )


def _notes(table: pl.DataFrame, left: pl.DataFrame) -> dict[str, object]:
    changed = left["changed"].sum()
    notes: dict[str, object] = {"contents by media type": _by_media_type(table), "characters": _characters(table)}
    return notes | ({"contents changed by cutting and redaction": changed} if changed else {})


def _redacted(contents: pl.DataFrame, personal_data: Frame | None) -> dict[str, object]:
    """How many places of each kind were marked in the contents."""
    if personal_data is None:
        return {}
    marked = spans_by_content(personal_data).join(contents.lazy().select("content_digest"), on="content_digest")
    kinds = marked.group_by("kind").len().sort("len", "kind", descending=[True, False]).collect()
    return {"redacted by kind": dict(kinds.iter_rows())}


def _by_media_type(table: pl.DataFrame) -> dict[str, int]:
    counted = table.group_by("media_type").len().sort("len", "media_type", descending=[True, False])
    return dict(counted.iter_rows())


def _characters(table: pl.DataFrame) -> int:
    return int(table["text"].str.len_chars().sum())
