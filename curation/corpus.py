"""The corpus: each kept content once, with the first place where it stands.

Copies of a content come and go without changing the corpus: which place a row points to follows the order of the
sources in `headwater.yaml`, then the locator, among all the places of the content, also those whose documents were
dropped as copies. So adding a copy may move a row's `doc_id`, but never its content.

Here, and only here, text changes: spans that evidence marks are cut, or replaced by placeholders. `content_digest` names
the text as it then stands, so that what is below measures it anew; `doc_id` still leads to the document as it was read.
A title stands beside the text, where nothing is measured: with redaction it is kept only if it stands in the text too, as
that then is.
A content whose spans could not be measured is failed, never let through as it is.

Texts are never all held. Which documents stand for their contents is told without texts, a block of contents at a time;
then the documents are read once, from their first to their last, and what stays waits on disk to be put in order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import polars as pl

from curation.blocks import BLOCK_ROWS, MOST_BLOCKS, Parted, blocks, gathered, height_of, ordered, parts_of, scratch
from curation.redaction import rewritten
from curation.spans import SPANS, spans_by_content
from records import Outcome

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

TEXTS = 2_000
"""Documents whose texts are read at a time."""
TEXT_BYTES = 16 << 20
"""Bytes of chosen documents that are cut and redacted at a time."""
_PERSONAL = "personal data"
_PLACE = ("rank", "source", "locator", "doc_id")
_JUDGED = ("row", "doc_id", "source", "locator", "content_digest")


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
    books = _Books()
    tables = _contents(documents.lazy(), verdicts.lazy(), source_order, _marks(cuts, personal_data), books)
    return books.outcome(pl.concat([CORPUS.to_frame(), *tables]))


def corpus_in_parts(
    documents: Frame,
    verdicts: Frame,
    source_order: Sequence[str],
    cuts: Sequence[Frame] = (),
    personal_data: Frame | None = None,
) -> Generator[pl.DataFrame, None, Outcome]:
    """What `build_corpus` gives, some contents at a time, in the same order: memory does not grow with the texts.

    What it returns in the end has the books, and a table without rows.
    """
    books = _Books()
    yield from _contents(documents.lazy(), verdicts.lazy(), source_order, _marks(cuts, personal_data), books)
    return books.outcome(CORPUS.to_frame())


@dataclass
class _Books:
    """What became of the documents, counted as they come by."""

    verdicts: Counter[str] = field(default_factory=Counter)
    chosen: int = 0
    unmeasured: int = 0
    left: int = 0
    nothing: int = 0
    changed: int = 0
    kept: int = 0
    characters: int = 0
    media_types: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] | None = None
    """Of personal data; None where nobody looked for it."""

    def outcome(self, table: pl.DataFrame) -> Outcome:
        """The table with all that was counted."""
        dropped = {
            "dropped by verdict": self.verdicts["dropped"],
            "copy of a kept content": self.verdicts["kept"] - self.chosen,
            "nothing left after cutting": self.nothing,
            "equal to another content after cutting and redaction": self.left - self.nothing - self.kept,
        }
        failed = {"failed by verdict": self.verdicts["failed"], "spans not measured": self.unmeasured}
        notes = {"contents by media type": _frequent_first(self.media_types), "characters": self.characters}
        changed = {"contents changed by cutting and redaction": self.changed} if self.changed else {}
        kinds = {} if self.kinds is None else {"redacted by kind": _frequent_first(self.kinds)}
        return Outcome(
            table,
            kept=self.kept,
            dropped={reason: count for reason, count in dropped.items() if count},
            failed={reason: count for reason, count in failed.items() if count},
            notes=notes | changed | kinds,
        )


def _frequent_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0] or "")))


def _marks(cuts: Sequence[Frame], personal_data: Frame | None) -> dict[str, pl.LazyFrame]:
    """The tables of spans by the names of the columns that theirs become."""
    tables = {f"cut {number}": table for number, table in enumerate(cuts)}
    tables |= {} if personal_data is None else {_PERSONAL: personal_data}
    spans = pl.col("spans").cast(SPANS)
    return {name: table.lazy().select("content_digest", spans.alias(name)) for name, table in tables.items()}


def _contents(
    documents: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    source_order: Sequence[str],
    marks: Mapping[str, pl.LazyFrame],
    books: _Books,
) -> Iterator[pl.DataFrame]:
    """`CORPUS`, some contents at a time."""
    height = height_of(documents)
    rows = max(BLOCK_ROWS, -(-height // MOST_BLOCKS))
    with scratch() as file:
        firsts = _firsts(documents, height, verdicts, source_order, marks, books)
        chosen = Parted(firsts, pl.col("row") // rows, height // rows + 1, file)
        texts = gathered(_with_texts(documents, chosen, rows), TEXT_BYTES)
        written = (_written_anew(some, marks, books) for some in texts)
        for some in ordered(written, "content_digest"):
            table = _each_once(some).sort("content_digest").select(CORPUS.names())
            books.kept += table.height
            books.characters += int(table["text"].str.len_chars().sum())
            books.media_types.update(_counts(table["media_type"]))
            yield table


def _firsts(
    documents: pl.LazyFrame,
    height: int,
    verdicts: pl.LazyFrame,
    source_order: Sequence[str],
    marks: Mapping[str, pl.LazyFrame],
    books: _Books,
) -> Iterator[pl.DataFrame]:
    """The first place of each content that some document was kept for, with its spans: `row`, `rank`, and the marks.

    `row` is the place of the document in its table. Contents of which not every table of spans has a row with spans are
    left out, and counted.
    """
    places = parts_of(documents.with_row_index("row").select(_JUDGED), BLOCK_ROWS)
    beside = {"verdicts": verdicts.select("doc_id", "content_digest", "verdict"), **marks}
    for pieces, tables in blocks(places, height, beside, "content_digest", BLOCK_ROWS):
        judged = _judged(pl.concat([*pieces(), *_nothing(documents)]), tables["verdicts"])
        books.verdicts.update(_counts(judged["verdict"]))
        first = _first_places(judged, source_order)
        for name in marks:
            first = first.join(tables[name], on="content_digest", how="left", maintain_order="left")
        measured = first.filter(pl.all_horizontal(pl.col(name).is_not_null() for name in marks)) if marks else first
        books.chosen += first.height
        books.unmeasured += first.height - measured.height
        yield measured.select("row", "rank", *marks)


def _nothing(documents: pl.LazyFrame) -> list[pl.DataFrame]:
    return [documents.with_row_index("row").select(_JUDGED).head(0).collect()]


def _judged(places: pl.DataFrame, verdicts: pl.DataFrame) -> pl.DataFrame:
    """The documents with their verdicts. A document without one, or the other way round, would be lost in silence."""
    keys = ["doc_id", "content_digest"]
    judged = places.join(verdicts, on=keys, how="full", coalesce=True, validate="1:1")
    strangers = judged.filter(pl.col("verdict").is_null() | pl.col("source").is_null())
    if strangers.height:
        raise ValueError(
            f"{strangers.height} documents and verdicts do not belong together, the first {strangers['doc_id'].sort()[0]}; "
            "run `verdicts` on these documents first"
        )
    return judged


def _first_places(judged: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """Of each content that some document was kept for, its first place."""
    rank = pl.col("source").replace_strict(
        {source: number for number, source in enumerate(source_order)},
        default=len(source_order),
        return_dtype=pl.Int64,
    )
    kept = judged.filter(pl.col("verdict") == "kept").select("content_digest")
    standing = judged.join(kept, on="content_digest", how="semi").with_columns(rank=rank)
    return standing.sort(_PLACE).unique("content_digest", keep="first", maintain_order=True)


def _with_texts(documents: pl.LazyFrame, chosen: Parted, rows: int) -> Iterator[pl.DataFrame]:
    """The documents that were chosen, read in the order of their table, beside what is known of each."""
    at = following = 0
    held = pl.DataFrame(schema={"row": pl.UInt32})
    for piece in parts_of(documents.select(CORPUS.names()), TEXTS):
        end = at + piece.height
        while following * rows < end:
            more = list(chosen.block(following, rows))
            held = pl.concat([held, *more] if held.height else more).sort("row") if more else held
            following += 1
        n_here = held["row"].search_sorted(end)
        if n_here:
            yield piece.with_row_index("row", at).join(held.head(n_here), on="row", maintain_order="left")
        at, held = end, held.slice(n_here)


def _written_anew(contents: pl.DataFrame, marks: Collection[str], books: _Books) -> pl.DataFrame:
    """The contents as they stand after cutting and redaction, where any text is left."""
    if not marks:
        books.left += contents.height
        return contents.select(*CORPUS.names(), "rank")
    spans = {name: contents.select("content_digest", spans=name) for name in marks}
    personal = spans.pop(_PERSONAL, None)
    new = rewritten(contents, list(spans.values()), personal)
    changed = pl.col("new_digest").is_not_null()
    title = pl.col("title")
    if personal is not None:
        title = pl.when(pl.col("text").str.contains(title, literal=True)).then(title)
        books.kinds = (books.kinds or Counter()) + Counter(spans_by_content(personal).collect()["kind"].to_list())
    whole = (
        contents.join(new, on="content_digest", how="left", maintain_order="left")
        .with_columns(left=~changed | pl.col("new_text").str.contains(r"\S"), changed=changed)
        .with_columns(text=pl.coalesce("new_text", "text"), content_digest=pl.coalesce("new_digest", "content_digest"))
        .with_columns(title=title)
    )
    left = whole.filter("left")
    books.left += whole.height
    books.nothing += whole.height - left.height
    books.changed += int(whole["changed"].sum())
    return left.select(*CORPUS.names(), "rank")


def _each_once(contents: pl.DataFrame) -> pl.DataFrame:
    """Of contents that are equal now the one at the first place."""
    if contents["content_digest"].n_unique() == contents.height:
        return contents
    return contents.sort(_PLACE).unique("content_digest", keep="first", maintain_order=True)


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(values.value_counts().iter_rows())
