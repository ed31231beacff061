"""Rows of the tables of deduplication, found by what stands in a column: an update reads no others.

Where a table has an index (`row_index.py`) that costs what is found; any other table is looked through.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol

import polars as pl

from curation.deduplication.band_index import sharing_bands
from curation.deduplication.candidates import Fetch

Among = Callable[[str, pl.Series], pl.DataFrame]
"""From a column and values to all rows that hold one of these; for `bands`, to those that share a band with one."""


class Found(Protocol):
    """A table with an index."""

    def among(self, column: str, values: pl.Series) -> pl.DataFrame:
        """The rows, narrow columns only."""
        ...

    def read(self, column: str, values: pl.Series, columns: Sequence[str]) -> Iterable[pl.DataFrame]:
        """The rows, also of wide columns."""
        ...


class Lookups(NamedTuple):
    """How rows are found: in the three tables of the state, in those of the corpus, and in the policy's evidence."""

    duplicates: Among
    survivors: Among
    pairs: Among
    places: Among
    signatures: Among
    evidence: Mapping[str, Among] = MappingProxyType({})


def indexed(found: Mapping[str, Found], evidence: Iterable[str]) -> Lookups:
    """The lookups of tables with indexes: duplicates, survivors, pairs, documents, signatures and the policy's evidence."""
    duplicates, survivors, pairs, documents, signatures = (
        found[name].among for name in ("duplicates", "survivors", "pairs", "documents", "signatures")
    )
    return Lookups(duplicates, survivors, pairs, documents, signatures, {name: found[name].among for name in evidence})


def texts_of(documents: Found) -> Fetch:
    """Fetches texts from the files that hold them, each once."""

    def fetch(digests: pl.Series) -> Iterator[pl.DataFrame]:
        left = digests
        for rows in documents.read("content_digest", digests, ("content_digest", "text")):
            fresh = rows.unique("content_digest").filter(pl.col("content_digest").is_in(left.implode()))
            left = left.filter(~left.is_in(fresh.get_column("content_digest").implode()))
            yield fresh

    return fetch


def scanning(rows: pl.LazyFrame) -> Among:
    """Looks through a table; a filter, so that a file is decoded only where it holds what is asked for."""

    def among(column: str, values: pl.Series) -> pl.DataFrame:
        if column == "bands":
            return sharing_bands(rows, values)
        return rows.filter(pl.col(column).is_in(values.implode())).collect()

    return among
