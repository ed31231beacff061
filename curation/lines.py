"""Lines of the page around a text, as spans to cut: what is cut can be read where it stood, and why it was cut.

RefinedWeb's corrections (`curation.refinedweb`), and the lines that C4 removes for what they speak of, JavaScript and
policies (`curation.c4`). Both are measured at once; which of them are cut is a setting of the corpus, so that it changes
without measuring again. A record or a chat in JSON has no lines of a page, and no spans.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.c4 import LINE_PHRASES
from curation.refinedweb import LONGEST_SHORT_LINE, RefinedWebLines
from curation.spans import SPANS

if TYPE_CHECKING:
    from curation.line_patterns import Sought

LINES = pl.Schema(
    {
        "content_digest": pl.String(),
        "n_words": pl.Int64(),
        "refinedweb_share": pl.Float64(),
        "c4_share": pl.Float64(),
        "spans": SPANS,
    }
)
"""One row per content: its words, which share of them stands in lines that RefinedWeb corrects and that C4 removes, and
what would be cut. `kind` of a span is the paper and the rule."""


@dataclass(frozen=True)
class LineSettings:
    """What becomes of lines that belong to the page around a text."""

    # Whose lines are cut from what is kept: "refinedweb", "c4".
    cut: tuple[Literal["refinedweb", "c4"], ...] = ()
    # What RefinedWeb's lines look like.
    refinedweb: RefinedWebLines = field(default_factory=RefinedWebLines)


def lines(contents: pa.RecordBatch, settings: RefinedWebLines) -> pa.RecordBatch:
    """A row of `LINES` for each row of `contents` (content_digest, text), in the same order.

    Raises ValueError when a text is null.
    """
    from curation.line_characters import line_tables
    from curation.line_kernel import KINDS, all_lines

    texts = contents.column("text").cast(pa.large_string())
    if texts.null_count:
        raise ValueError(f"{texts.null_count} contents have no text; a content is its text")
    _, starts, buffer = texts.buffers()
    offsets = np.frombuffer(starts or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
    data = np.frombuffer(buffer or b"", np.uint8)
    offsets.flags.writeable = data.flags.writeable = False  # whatever owns them: so the loop is compiled once
    prose = np.array([not _is_json(data, *bounds) for bounds in pairwise(offsets)], np.bool_)
    counts = np.zeros((len(texts), 3), np.int64)
    found = all_lines(data, offsets, prose, *line_tables(), _sought(settings), counts)
    bounds = np.searchsorted(found[:, 0], np.arange(len(texts) + 1)).astype(np.int64)
    kinds = pa.DictionaryArray.from_arrays(pa.array(found[:, 3]), pa.array(KINDS)).cast(pa.large_string())
    places = [pa.array(found[:, column].astype(np.uint32)) for column in (1, 2)]
    spans = pa.StructArray.from_arrays([*places, kinds], names=["start", "end", "kind"])
    shares = [counts[:, column] / np.maximum(counts[:, 0], 1) for column in (1, 2)]
    digests = contents.column("content_digest").cast(pa.large_string())
    columns = [digests, *map(pa.array, (counts[:, 0], *shares)), pa.LargeListArray.from_arrays(bounds, spans)]
    return pa.RecordBatch.from_arrays(columns, names=LINES.names())


def _is_json(data: npt.NDArray[np.uint8], start: int, end: int) -> bool:
    """Whether a text is a record or a chat as `curation.reading` writes them."""
    if data[start : start + 2].tobytes() not in (b'{"', b"[{"):
        return False
    try:
        json.loads(data[start:end].tobytes())
    except ValueError:
        return False
    return True


def _sought(settings: RefinedWebLines) -> Sought:
    from curation.line_characters import folded
    from curation.line_kernel import hash_of
    from curation.line_patterns import Sought

    def codes(said: str) -> list[int]:
        return [ord(folded(char)) for char in " ".join(said.split())]

    places = (settings.starts, settings.ends, settings.anywhere)
    patterns = [(codes(said), place) for place, group in enumerate(places) for said in group]
    phrases = [(said.encode(), 6 + kind) for kind, group in enumerate(LINE_PHRASES.values()) for said in group]
    nouns = [hash_of(np.array(codes(noun), np.int32)) for noun in settings.counters]
    return Sought(
        np.array([code for said, _ in patterns for code in said], np.int32),
        _starts([said for said, _ in patterns]),
        np.array([place for _, place in patterns], np.int64),
        np.frombuffer(bytearray(b"".join(said for said, _ in phrases)), np.uint8),
        _starts([said for said, _ in phrases]),
        np.array([kind for _, kind in phrases], np.int64),
        np.array(nouns, np.uint64),
        settings.max_uppercase,
        settings.short_line_words,
        LONGEST_SHORT_LINE,
    )


def _starts(parts: Sequence[Sequence[int]]) -> npt.NDArray[np.int64]:
    return np.array([0, *accumulate(map(len, parts))], np.int64)


def line_cuts(evidence: pl.LazyFrame, settings: LineSettings) -> pl.LazyFrame:
    """The evidence with the spans of those papers whose lines are cut.

    What could not be measured keeps its null.
    """
    paper = pl.element().struct.field("kind").str.split(".").list.first()
    return evidence.with_columns(pl.col("spans").list.eval(pl.element().filter(paper.is_in(settings.cut))))
