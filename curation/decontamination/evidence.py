"""The evidence of contamination: which evaluation items stand in a content, how much of each, and where.

Nothing is decided here. `share` is the largest part that stands there of any one item's words, `longest_run` the longest
run of words shared with one; the spans lead from the first word of a match to its last, replaced words among them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.decontamination.characters import character_table
from curation.decontamination.index import ItemIndex, build_index, text_buffers
from curation.decontamination.settings import MatchSettings
from curation.spans import SPANS

MATCHES = pl.List(
    pl.Struct({"set": pl.String, "item": pl.String, "words": pl.Int64, "share": pl.Float64, "run": pl.Int64})
)
"""The items found in a content: the set and the item, how many of its words are there and which share of them, and the
longest run of them."""

CONTAMINATION = pl.Schema(
    {
        "content_digest": pl.String(),
        "share": pl.Float64(),
        "longest_run": pl.Int64(),
        "matches": MATCHES,
        "spans": SPANS,
    }
)
"""One row per content. `kind` of a span is the set's name."""

GAP = 26
"""Words that may lie between two matches of one item which count together: twice GPT-3's 13."""

_STRING = re.compile(rb'"((?:[^"\\]|\\.)*)"(?=(:?))', re.DOTALL)

_ROLE = b'"role":'


def contamination(contents: pa.RecordBatch, evaluation_items: pl.DataFrame, matches: MatchSettings) -> pa.RecordBatch:
    """A row of `CONTAMINATION` for each row of `contents` (content_digest, text), in the same order.

    `evaluation_items` has the columns set, item and words of `curation.decontamination.evaluation_sets.ITEMS`. Raises ValueError when
    a text is null.
    """
    index = _index(evaluation_items, matches)
    found = find_items(contents, evaluation_items, index, matches).to_arrow().combine_chunks()
    return found.to_batches()[0] if found.num_rows else pa.RecordBatch.from_pylist([], schema=found.schema)


_kept: list[tuple[pl.DataFrame, MatchSettings, ItemIndex]] = []


def _index(items: pl.DataFrame, settings: MatchSettings) -> ItemIndex:
    """The index of the items; the last one is kept, for a worker measures many batches against the same table."""
    if not _kept or _kept[0][0] is not items or _kept[0][1] != settings:
        _kept[:] = [(items, settings, build_index(items, settings))]
    return _kept[0][2]


def find_items(
    contents: pa.RecordBatch, items: pl.DataFrame, index: ItemIndex, settings: MatchSettings
) -> pl.DataFrame:
    """A row of `CONTAMINATION` for each row of `contents` (content_digest, text), in the same order.

    `items` names the sets of each item (columns set, item). Raises ValueError when a text is null.
    """
    from curation.decontamination import kernels
    from curation.decontamination.word_kernel import Characters

    texts = contents.column("text").cast(pa.large_string())
    if texts.null_count:
        raise ValueError(f"{texts.null_count} contents have no text; a content is its text")
    data, offsets = text_buffers(texts)
    characters, counts = Characters(*character_table()), np.zeros(len(texts), np.int64)
    found, places = kernels.found_in(
        kernels.Texts(data, offsets),
        characters,
        kernels.Index(*index.kernel),
        kernels.Chaining(GAP, settings.min_words),
        counts,
    )
    sets = items.select("set", "item").unique().sort("set", "item")
    matches = _matches(found, index, settings)
    kept = matches.select("row", "number")
    spans = pl.DataFrame(places, schema=["row", "number", "start", "end"], orient="row")
    spans = spans.join(kept, on=["row", "number"], how="semi").join(_numbered(index), on="number")
    named = spans.join(sets, on="item").select("row", "start", "end", kind="set")
    return _assembled(contents, matches.join(sets, on="item"), _merged(named, contents, data, offsets))


def _numbered(index: ItemIndex) -> pl.DataFrame:
    return pl.DataFrame({"item": index.names}).with_row_index("number").cast({"number": pl.Int64})


def _matches(found: npt.NDArray[np.int64], index: ItemIndex, settings: MatchSettings) -> pl.DataFrame:
    """The matches that are written down: row, number, item, words, share, run."""
    frame = pl.DataFrame(found, schema=["row", "number", "words", "run"], orient="row")
    totals = pl.Series(index.totals, dtype=pl.Int64)
    frame = frame.with_columns(share=frame["words"] / totals.gather(frame["number"]))
    worth = (pl.col("share") >= settings.floor) | (pl.col("run") >= settings.ngram)
    return frame.filter(worth).join(_numbered(index), on="number")


def _merged(
    named: pl.DataFrame, contents: pa.RecordBatch, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]
) -> pl.DataFrame:
    """The spans of each row and kind, those that overlap or touch as one, with offsets into the text."""
    bases = pl.Series(offsets[:-1], dtype=pl.Int64).gather(named["row"])
    rows = named.with_columns(pl.col("start", "end") - bases).sort("row", "kind", "start", "end")
    reached = pl.col("end").cum_max().shift().over("row", "kind")
    rows = rows.with_columns(piece=(pl.col("start") > reached).fill_null(value=True).cum_sum())
    merged = rows.group_by("row", "kind", "piece").agg(pl.col("start").min(), pl.col("end").max())
    return _within_strings(merged, data, offsets).select("row", "start", "end", "kind")


def _within_strings(spans: pl.DataFrame, data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Spans of records and chats in JSON, cut to the values of their strings: without them the text is still JSON."""
    pieces: list[tuple[int, int, int, str]] = []
    for (row,), own in spans.group_by("row"):
        text = data[offsets[row] : offsets[row + 1]].tobytes()
        strings = list(_values(text)) if text[:2] in (b'{"', b"[{") else [(0, len(text))]
        for start, end, kind in own.select("start", "end", "kind").iter_rows():
            inner = ((max(start, first), min(end, last)) for first, last in strings)
            pieces += [(row, first, last, kind) for first, last in inner if first < last]
    return pl.DataFrame(
        pieces, schema={"row": pl.Int64, "start": pl.Int64, "end": pl.Int64, "kind": pl.String}, orient="row"
    )


def _values(text: bytes) -> Iterator[tuple[int, int]]:
    """Where the strings of a JSON text begin and end, keys left out; all of a text that only looks like JSON."""
    try:
        json.loads(text)
    except ValueError:
        yield 0, len(text)
        return
    for string in _STRING.finditer(text):
        if not string[2] and text[max(0, string.start() - len(_ROLE)) : string.start()] != _ROLE:
            yield string.span(1)


def _assembled(contents: pa.RecordBatch, matches: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    rows = pl.DataFrame({"content_digest": pl.from_arrow(contents.column("content_digest").cast(pa.large_string()))})
    rows = rows.with_row_index("row").cast({"row": pl.Int64})
    found = matches.sort("row", "set", "item").group_by("row", maintain_order=True)
    of_items = found.agg(
        pl.col("share").max(),
        longest_run=pl.col("run").max(),
        matches=pl.struct("set", "item", "words", "share", "run"),
    )
    of_spans = spans.sort("row", "start", "end", "kind").group_by("row", maintain_order=True)
    marked = of_spans.agg(spans=pl.struct(pl.col("start", "end").cast(pl.UInt32), "kind"))
    joined = rows.join(of_items, on="row", how="left", maintain_order="left")
    joined = joined.join(marked, on="row", how="left", maintain_order="left")
    empty = [pl.col(name).fill_null(pl.lit([], dtype=kind)) for name, kind in (("matches", MATCHES), ("spans", SPANS))]
    return (
        joined.with_columns(pl.col("share", "longest_run").fill_null(0), *empty)
        .select(CONTAMINATION.names())
        .cast(CONTAMINATION)
    )
