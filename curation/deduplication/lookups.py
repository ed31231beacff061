"""Rows of the tables of deduplication, found by what stands in a column: an update reads no others.

Where a table has an index (`row_index.py`) that costs what is found; any other table is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from curation.deduplication.band_index import sharing_bands

Among = Callable[[str, pl.Series], pl.DataFrame]
"""From a column and values to all rows that hold one of these; for `bands`, to those that share a band with one."""


class Lookups(NamedTuple):
    """How rows are found: in the three tables of the state, in those of the corpus, and in the policy's evidence."""

    duplicates: Among
    survivors: Among
    pairs: Among
    places: Among
    signatures: Among
    evidence: Mapping[str, Among] = MappingProxyType({})


def scanning(rows: pl.LazyFrame) -> Among:
    """Looks through a table; a filter, so that a file is decoded only where it holds what is asked for."""

    def among(column: str, values: pl.Series) -> pl.DataFrame:
        if column == "bands":
            return sharing_bands(rows, values)
        return rows.filter(pl.col(column).is_in(values.implode())).collect()

    return among
