"""Rows of the tables of deduplication, found by what stands in a column: an update reads no others.

Where a table has an index (`curation/row_index.py`) that costs what is found; any other table is looked through. Digests
are asked for and given as numbers, since a frame of strings for each question would cost more than all answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.deduplication.corpus import SIGNATURE, Fetch
from curation.deduplication.neighbours import IndexedRows, Near, near_among
from curation.deduplication.numbering import Digests, digests_of, distinct, joined, names_of, numbered
from curation.deduplication.signature_rows import Signatures, digests_in, numbers_of, signatures_in
from records import series, taken

Wanted = npt.NDArray[np.uint64]
"""Digests, two numbers each."""
Among = Callable[[str, pl.Series], pl.DataFrame]
"""From a column and values to all rows that hold one of these."""
Rows = Callable[[str, Wanted, Sequence[str]], pa.Table]
"""From a column and digests to some columns of all rows that hold one."""
Texts = Callable[[Digests], Iterable[tuple[Digests, pa.Array]]]
"""From digests of contents to their texts, in any order and in parts; none twice."""


class Found(Protocol):
    """A table with an index."""

    def among(self, column: str, values: pl.Series) -> pl.DataFrame:
        """The rows, narrow columns only."""
        ...

    def rows(self, column: str, wanted: Wanted, columns: Sequence[str]) -> pa.Table:
        """Some narrow columns of the rows, digests as numbers."""
        ...

    @property
    def files(self) -> Sequence[IndexedRows]:
        """The files of the table."""
        ...

    def texts(self, column: str, wanted: Wanted, name: str) -> Iterable[tuple[Wanted, pa.Array]]:
        """A column of texts (large strings) of the rows, in parts, and the digest of each row."""
        ...


class Lookups(NamedTuple):
    """How rows are found: in the three tables of the state, in those of the corpus (signatures also by what is near), and in
    the policy's evidence."""

    duplicates: Among
    survivors: Rows
    pairs: Rows
    places: Rows
    signatures: Rows
    near: Near
    evidence: Mapping[str, Rows] = MappingProxyType({})


def indexed(found: Mapping[str, Found], evidence: Iterable[str]) -> Lookups:
    """The lookups of tables with indexes: duplicates, survivors, pairs, documents, signatures and the policy's evidence."""
    survivors, pairs, documents, signatures = (
        found[name].rows for name in ("survivors", "pairs", "documents", "signatures")
    )
    by_key = {name: found[name].rows for name in evidence}
    near = near_among(found["signatures"].files)
    return Lookups(found["duplicates"].among, survivors, pairs, documents, signatures, near, by_key)


def texts_of(documents: Found) -> Texts:
    """Fetches texts from the files that hold them, each once; those of small files together."""

    def fetch(wanted: Digests) -> Iterator[tuple[Digests, pa.Array]]:
        index, is_there = numbered(wanted), np.zeros(len(wanted), np.bool_)
        for digests, texts in _gathered(documents.texts("content_digest", asked(wanted), "text")):
            places = index.places_of(Digests(*digests.T))
            at, first = np.unique(places, return_index=True)
            rows = np.sort(first[~is_there[at]])
            is_there[at] = True
            yield wanted.at(places[rows]), texts if len(rows) == len(texts) else taken(texts, rows)

    return fetch


def _gathered(parts: Iterable[tuple[Wanted, pa.Array]]) -> Iterator[tuple[Wanted, pa.Array]]:
    """The rows in parts of at least `TOGETHER`, but for the last."""
    held: list[tuple[Wanted, pa.Array]] = []
    for part in parts:
        held.append(part)
        if sum(len(digests) for digests, _ in held) >= TOGETHER:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(parts: Sequence[tuple[Wanted, pa.Array]]) -> tuple[Wanted, pa.Array]:
    digests, texts = zip(*parts, strict=True)
    return np.concatenate(digests), pa.concat_arrays(texts)


TOGETHER = 512
"""Texts that are worth a step of their own."""


def fetched(fetch: Fetch) -> Texts:
    """Fetches texts as `corpus.Fetch` gives them."""

    def texts(wanted: Digests) -> Iterator[tuple[Digests, pa.Array]]:
        for rows in fetch(names_of(wanted)) if len(wanted) else ():
            yield digests_of(rows.get_column("content_digest")), rows.get_column("text").to_arrow()

    return texts


def scanning(rows: pl.LazyFrame) -> Rows:
    """Looks through a table; a filter, so that a file is decoded only where it holds what is asked for."""

    def found(column: str, wanted: Wanted, columns: Sequence[str]) -> pa.Table:
        names = names_of(Digests(*wanted.T))
        return rows.filter(pl.col(column).is_in(names.implode())).select(columns).collect().to_arrow()

    return found


class Fates(NamedTuple):
    """Contents that are dropped, the one that stays in the stead of each, whether both are of one normalised text, and how
    similar they are."""

    contents: Digests
    kept: Digests
    exact: npt.NDArray[np.bool_]
    jaccard: npt.NDArray[np.float64]

    def at(self, where: npt.NDArray[Any]) -> Fates:
        """Some of them, by number or by flag."""
        return Fates(self.contents.at(where), self.kept.at(where), self.exact[where], self.jaccard[where])


class Pairs(NamedTuple):
    """Contents, a kept one before each, and how similar they are."""

    contents: Digests
    kept: Digests
    jaccard: npt.NDArray[np.float64]

    def at(self, where: npt.NDArray[Any]) -> Pairs:
        """Some of them, by number or by flag."""
        return Pairs(self.contents.at(where), self.kept.at(where), self.jaccard[where])


def asked(digests: Digests) -> Wanted:
    """Distinct digests as `Rows` are asked for them."""
    return np.stack(digests, axis=1)


def fates(rows: Rows, column: str, wanted: Digests) -> Fates:
    """The rows of `survivors` by either content."""
    table = rows(column, asked(wanted), ("content_digest", "kept_digest", "kind", "jaccard"))
    exact = series(table["kind"]).eq("exact").to_numpy()
    return Fates(*_named(table), exact, numbers_of(table["jaccard"], np.float64))


def pairs(rows: Rows, column: str, wanted: Digests) -> Pairs:
    """The rows of `pairs` by either content."""
    table = rows(column, asked(wanted), ("content_digest", "kept_digest", "jaccard"))
    return Pairs(*_named(table), numbers_of(table["jaccard"], np.float64))


def _named(table: pa.Table) -> tuple[Digests, Digests]:
    return digests_in(table["content_digest"]), digests_in(table["kept_digest"])


def signatures(rows: Rows, column: str, wanted: Digests, bands: int) -> Signatures:
    """The rows of `signatures` by content or by normalised text."""
    return signatures_in(rows(column, asked(wanted), tuple(SIGNATURE)), bands)


def without(digests: Digests, known: Digests) -> Digests:
    """Those that are not known."""
    return digests.at(numbered(known).places_of(digests) < 0)


def together(*parts: Digests) -> Digests:
    """All of some digests, each once, in order."""
    return distinct(joined(parts))
