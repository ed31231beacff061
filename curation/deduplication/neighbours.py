"""Who may be near to whom: the contents that share a band with some, and of which sketches do not say that they are not.

Four in five that share a band are not near, and the odd sketches of both tell of most of these. Where `signatures` has an
index, its sorted bands are walked through beside those that are asked for, and both sketches are compared where they lie:
what is not near is never taken from there. Any other table is looked through a piece at a time, for those that share a
band.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.deduplication import neighbour_kernels, pair_kernels
from curation.deduplication.corpus import SIGNATURE
from curation.deduplication.digest_index import slots_for
from curation.deduplication.forms import band_matrix
from curation.deduplication.numbering import NO_DIGESTS, Digests, numbered
from curation.deduplication.signature_rows import (
    Signatures,
    digests_in,
    joined_signatures,
    no_signatures,
    signatures_in,
)
from curation.kernel_arguments import fixed
from curation.sorted_keys import SortedKeys, joined, sorted_by_hash
from records import large_binary, numbers_in

Flags = npt.NDArray[np.bool_]
Near = Callable[[Signatures, float], tuple[Signatures, Flags]]
"""From some contents and a threshold to the others that share a band with one of them and may be that near to it; and which
of the contents may be near to any, of them or of the others. Those without bands are near to none."""
CHUNK = 1 << 16
"""Signatures that are decoded at a time."""


class IndexedRows(Protocol):
    """Rows of `signatures` that are found by their bands."""

    @property
    def pieces(self) -> SortedKeys:
        """The hashes of the rows that have any, band by band."""
        ...

    def column(self, name: str) -> pa.Array:
        """A column as it lies there."""
        ...

    def take(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        """Some columns of some rows."""
        ...


def near_among(files: Sequence[IndexedRows]) -> Near:
    """Finds them in the indexes of some files."""

    def near(own: Signatures, threshold: float) -> tuple[Signatures, Flags]:
        flags, known, bands = np.zeros(len(own.contents), np.bool_), numbered(own.contents), own.bands.shape[1]
        asked = _keys(own.bands, own.has_bands)
        parts = [no_signatures(NO_DIGESTS, bands)]
        for file in files:
            rows = _near_rows(file, asked, own, threshold, flags)
            rows = rows[known.places_of(Digests(*_numbers(file)[rows].T)) < 0]
            if len(rows):
                parts.append(signatures_in(pa.Table.from_batches([file.take(rows, tuple(SIGNATURE))]), bands))
        return joined_signatures(*parts), flags

    return near


def _near_rows(
    file: IndexedRows, asked: SortedKeys, own: Signatures, threshold: float, near: Flags
) -> npt.NDArray[np.int64]:
    """The rows that may be near to one of the contents, which are marked."""
    n_shingles, odd = file.column("n_shingles"), file.column("odd_sketch")
    _, starts, sketches = odd.buffers()
    contents = fixed(np.stack(own.contents, axis=1)), fixed(own.odd), fixed(own.n_shingles)
    numbers, offsets = np.frombuffer(n_shingles.buffers()[1] or b"", np.int64), np.frombuffer(starts, np.int64)
    rows = fixed(_numbers(file)), np.frombuffer(sketches or b"", np.uint64), offsets[odd.offset :]
    marked = np.zeros(len(odd), np.bool_)
    neighbour_kernels.mark_near(
        file.pieces, asked, *contents, *rows, numbers[n_shingles.offset :], threshold, near, marked
    )
    return np.flatnonzero(marked)


def _numbers(file: IndexedRows) -> npt.NDArray[np.uint64]:
    """The digests of all rows as two numbers each."""
    column = file.column("content_digest")
    return numbers_in(column) if pa.types.is_fixed_size_binary(column.type) else np.stack(digests_in(column), axis=1)


def _keys(bands: npt.NDArray[np.uint32], has_bands: Flags) -> SortedKeys:
    """The hashes of those that have any, band by band."""
    rows = np.flatnonzero(has_bands).astype(np.uint32)
    return joined(sorted_by_hash(band, rows) for band in np.ascontiguousarray(bands[has_bands].T))


def near_in(signatures: pl.LazyFrame) -> Near:
    """Finds them in any table, all of which is looked through."""

    def near(own: Signatures, threshold: float) -> tuple[Signatures, Flags]:
        rows = _sharing(signatures, own.bands[own.has_bands])
        keys = _keys(*band_matrix(rows.get_column("bands"), own.bands.shape[1]))
        return near_among([_Held(rows, keys)])(own, threshold)

    return near


class _Held(NamedTuple):
    """Rows in memory."""

    rows: pl.DataFrame
    pieces: SortedKeys

    def column(self, name: str) -> pa.Array:
        values = self.rows.get_column(name)
        return large_binary(values) if values.dtype == pl.Binary else values.to_arrow(compat_level=OLDEST)

    def take(self, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> pa.RecordBatch:
        return self.rows.select(columns)[rows].to_arrow().combine_chunks().to_batches()[0]


OLDEST = pl.CompatLevel.oldest()


def _sharing(signatures: pl.LazyFrame, bands: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """The rows that share a band with a row of these."""
    parts = [signatures.head(0).collect()]
    if not len(bands):
        return parts[0]
    asked, table = np.ascontiguousarray(bands), np.zeros(slots_for(bands.size), np.uint64)
    for start in range(0, signatures.select(pl.len()).collect().item(), CHUNK):
        rows = signatures.slice(start, CHUNK).collect()
        sharing = np.zeros(len(rows), np.bool_)
        pair_kernels.mark_sharing(asked, *band_matrix(rows.get_column("bands"), bands.shape[1]), sharing, table)
        parts.append(rows.filter(pl.Series(sharing)))
    return pl.concat(parts)
