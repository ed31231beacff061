"""The corpus: each kept content once, with the first place where it stands.

Copies of a content come and go without changing the corpus: which place a row points to follows the order of the
sources in `headwater.yaml`, then the locator, among all the places of the content, also those whose documents were
dropped as copies. So adding a copy may move a row's `doc_id`, but never its content.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from records import Outcome

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
    documents: pl.DataFrame | pl.LazyFrame, verdicts: pl.DataFrame | pl.LazyFrame, source_order: Sequence[str]
) -> Outcome:
    """The kept contents as `CORPUS`; in documents, in = kept + dropped + failed.

    `documents` has the columns of `curation.reading.DOCUMENTS`, `verdicts` those of `curation.verdicts.VERDICTS`.
    `source_order` names the sources, the preferred one first. Raises ValueError when the documents and the verdicts are
    not about the same documents.
    """
    verdict = verdicts.lazy().select("doc_id", "verdict")
    places = documents.lazy().select("doc_id", "source", "locator", "content_digest")
    judged = places.join(verdict, on="doc_id", how="full", coalesce=True, validate="1:1").collect()
    _check_same(judged)
    first = _first_places(judged, source_order)
    names = first.select("doc_id", "content_digest").lazy()
    chosen = documents.lazy().join(names, on=["doc_id", "content_digest"], how="semi")
    table = chosen.select(CORPUS.names()).sort("content_digest").collect()
    of_kind = dict(judged.group_by("verdict").len().iter_rows())
    copies = of_kind.get("kept", 0) - table.height
    dropped = {"dropped by verdict": of_kind.get("dropped", 0), "copy of a kept content": copies}
    failed = {"failed by verdict": of_kind.get("failed", 0)}
    return Outcome(
        table,
        kept=table.height,
        dropped={reason: count for reason, count in dropped.items() if count},
        failed={reason: count for reason, count in failed.items() if count},
        notes={"contents by media type": _by_media_type(table), "characters": _characters(table)},
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


def _by_media_type(table: pl.DataFrame) -> dict[str, int]:
    counted = table.group_by("media_type").len().sort("len", "media_type", descending=[True, False])
    return dict(counted.iter_rows())


def _characters(table: pl.DataFrame) -> int:
    return int(table["text"].str.len_chars().sum())
