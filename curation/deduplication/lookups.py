"""Rows of the tables of deduplication, found by what stands in a column: an update reads no others.

Where a table has an index (`row_index.py`) that costs what is found; any other table is looked through. Digests are asked
for and given as numbers, since a frame of strings for each question would cost more than all answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.deduplication.band_index import sharing_bands
from curation.deduplication.corpus import SIGNATURE, Fetch
from curation.deduplication.forms import band_matrix
from curation.deduplication.numbering import NO_DIGESTS, Digests, digests_of, distinct, names_of, numbered
from curation.deduplication.sketch_kernels import ODD_WORDS
from records import numbers_in, valid_in

Wanted = npt.NDArray[np.uint64] | npt.NDArray[np.uint32]
Among = Callable[[str, pl.Series], pl.DataFrame]
"""From a column and values to all rows that hold one of these."""
Rows = Callable[[str, Wanted, Sequence[str]], pa.Table]
"""From a column and digests (two numbers each) to some columns of all rows that hold one; for `bands`, of all that share a
band with a row of these."""
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

    def read(self, column: str, values: pl.Series, columns: Sequence[str]) -> Iterable[pl.DataFrame]:
        """The rows, also of wide columns."""
        ...


class Lookups(NamedTuple):
    """How rows are found: in the three tables of the state, in those of the corpus, and in the policy's evidence."""

    duplicates: Among
    survivors: Rows
    pairs: Rows
    places: Rows
    signatures: Rows
    evidence: Mapping[str, Rows] = MappingProxyType({})


def indexed(found: Mapping[str, Found], evidence: Iterable[str]) -> Lookups:
    """The lookups of tables with indexes: duplicates, survivors, pairs, documents, signatures and the policy's evidence."""
    survivors, pairs, documents, signatures = (
        found[name].rows for name in ("survivors", "pairs", "documents", "signatures")
    )
    by_key = {name: found[name].rows for name in evidence}
    return Lookups(found["duplicates"].among, survivors, pairs, documents, signatures, by_key)


def texts_of(documents: Found) -> Texts:
    """Fetches texts from the files that hold them, each once."""

    def fetch(wanted: Digests) -> Iterator[tuple[Digests, pa.Array]]:
        left = names_of(wanted)
        for rows in documents.read("content_digest", left, ("content_digest", "text")):
            fresh = rows.unique("content_digest").filter(pl.col("content_digest").is_in(left.implode()))
            left = left.filter(~left.is_in(fresh.get_column("content_digest").implode()))
            yield digests_of(fresh.get_column("content_digest")), fresh.get_column("text").to_arrow()

    return fetch


def fetched(fetch: Fetch) -> Texts:
    """Fetches texts as `candidates.Fetch` gives them."""

    def texts(wanted: Digests) -> Iterator[tuple[Digests, pa.Array]]:
        for rows in fetch(names_of(wanted)) if len(wanted) else ():
            yield digests_of(rows.get_column("content_digest")), rows.get_column("text").to_arrow()

    return texts


def scanning(rows: pl.LazyFrame) -> Rows:
    """Looks through a table; a filter, so that a file is decoded only where it holds what is asked for."""

    def found(column: str, wanted: Wanted, columns: Sequence[str]) -> pa.Table:
        if column == "bands":
            return sharing_bands(rows, wanted.astype(np.uint32, copy=False)).select(columns).to_arrow()
        names = names_of(Digests(*wanted.T.astype(np.uint64, copy=False)))
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


class Signatures(NamedTuple):
    """Contents, the digest of the normalised text of each (its own where there is none), its characters and shingles, its
    bands, and its odd sketch."""

    contents: Digests
    forms: Digests
    is_form: npt.NDArray[np.bool_]
    n_characters: npt.NDArray[np.int64]
    n_shingles: npt.NDArray[np.int64]
    bands: npt.NDArray[np.uint32]
    has_bands: npt.NDArray[np.bool_]
    odd: npt.NDArray[np.uint64]

    def at(self, where: npt.NDArray[Any]) -> Signatures:
        """Some of them, by number or by flag."""
        names = self.contents.at(where), self.forms.at(where), self.is_form[where]
        sizes = self.n_characters[where], self.n_shingles[where]
        return Signatures(*names, *sizes, self.bands[where], self.has_bands[where], self.odd[where])


def no_signatures(n: int, bands: int) -> Signatures:
    """Of `n` contents without a signature, all but their digests."""
    numbers, flags = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    sketches = np.zeros((n, bands), np.uint32), np.zeros(n, np.bool_), np.zeros((n, ODD_WORDS), np.uint64)
    return Signatures(NO_DIGESTS, NO_DIGESTS, flags, numbers, numbers.copy(), *sketches)


def asked(digests: Digests) -> Wanted:
    """Distinct digests as `Rows` are asked for them."""
    return np.stack(digests, axis=1)


def fates(rows: Rows, column: str, wanted: Digests) -> Fates:
    """The rows of `survivors` by either content."""
    table = rows(column, asked(wanted), ("content_digest", "kept_digest", "kind", "jaccard"))
    exact = pl.Series(table["kind"]).eq("exact").to_numpy()
    return Fates(*_named(table), exact, numbers_of(table["jaccard"], np.float64))


def pairs(rows: Rows, column: str, wanted: Digests) -> Pairs:
    """The rows of `pairs` by either content."""
    table = rows(column, asked(wanted), ("content_digest", "kept_digest", "jaccard"))
    return Pairs(*_named(table), numbers_of(table["jaccard"], np.float64))


def _named(table: pa.Table) -> tuple[Digests, Digests]:
    return digests_in(table["content_digest"]), digests_in(table["kept_digest"])


def signatures(rows: Rows, column: str, wanted: Wanted, bands: int) -> Signatures:
    """The rows of `signatures` by content, by normalised text, or by bands."""
    table = rows(column, wanted, tuple(SIGNATURE))
    contents, normal = digests_in(table["content_digest"]), table["normal_digest"]
    is_form = _there(normal)
    forms = Digests(contents.high.copy(), contents.low.copy())
    forms.high[is_form], forms.low[is_form] = _where_there(normal, is_form)
    n_characters, n_shingles = (_counts_in(table[name]) for name in ("n_characters", "n_shingles"))
    odd, _ = _hashes_in(table["odd_sketch"], 2 * ODD_WORDS)
    return Signatures(
        contents, forms, is_form, n_characters, n_shingles, *_hashes_in(table["bands"], bands), odd.view(np.uint64)
    )


def _counts_in(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.where(_there(column), numbers_of(column, np.int64), 0)


def _hashes_in(column: pa.ChunkedArray, bands: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """The band hashes of each row, and whether it has any; as they lie in memory where all have."""
    array = column.combine_chunks()
    if len(array) and not array.null_count and pa.types.is_large_binary(array.type):
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        if (np.diff(bounds) == 4 * bands).all():
            flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].view("<u4")
            return flat.reshape(-1, bands), np.ones(len(array), np.bool_)
    return band_matrix(pl.Series(array), bands)


def _where_there(column: pa.ChunkedArray, there: npt.NDArray[np.bool_]) -> Digests:
    if pa.types.is_fixed_size_binary(column.type):
        return digests_in(column).at(there)
    return digests_of(pl.Series(column).drop_nulls())


def digests_in(column: pa.Array | pa.ChunkedArray) -> Digests:
    """Digests without nulls, from strings or from an index."""
    if not len(column):
        return NO_DIGESTS
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_fixed_size_binary(array.type):
        return digests_of(pl.Series(array))
    return Digests(*np.ascontiguousarray(numbers_in(array).T))


def numbers_of(column: pa.ChunkedArray, dtype: type[Any]) -> npt.NDArray[Any]:
    """Numbers as they lie in memory; anything where a value is not there. PyArrow's own way would import pandas."""
    if not len(column):
        return np.empty(0, dtype)
    array = column.combine_chunks()
    return np.frombuffer(array.buffers()[1], dtype)[array.offset : array.offset + len(array)]


def _there(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    valid = valid_in(column.combine_chunks()) if column.null_count else None
    return np.ones(len(column), np.bool_) if valid is None else valid


def without(digests: Digests, known: Digests) -> Digests:
    """Those that are not known."""
    return digests.at(numbered(known).places_of(digests) < 0)


def together(*parts: Digests) -> Digests:
    """All of some digests, each once, in order."""
    return distinct(Digests(*(np.concatenate(halves) for halves in zip(*parts, strict=True))))
