"""Spans: places within a content's text, as evidence beside it.

Offsets count bytes of the text in UTF-8, because that is what kernels see and what Arrow stores; a span holds the bytes
from `start` up to, not including, `end`. Spans of one row are sorted. A content in which nothing was found has an empty
list, one that could not be measured a null beside its `error`.
"""

from __future__ import annotations

from typing import TypeAlias

import polars as pl

SPANS = pl.List(pl.Struct({"start": pl.UInt32, "end": pl.UInt32, "kind": pl.String}))
"""The column type of spans."""

Span: TypeAlias = tuple[int, int, str]
"""One span in Python: start, end, kind."""


def spans_by_content(evidence: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    """One row per span of a table with `content_digest` and `spans`: content_digest, start, end, kind."""
    rows = evidence.lazy().select("content_digest", pl.col("spans").cast(SPANS))
    return rows.filter(pl.col("spans").list.len() > 0).explode("spans").unnest("spans")
