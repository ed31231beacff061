"""Rows of `signatures` as arrays, as they lie in an index or in a frame: what an update computes with."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication.forms import band_matrix
from curation.deduplication.numbering import NO_DIGESTS, Digests, digests_of, joined
from curation.deduplication.sketch_kernels import ODD_WORDS
from records import numbers_in, series, valid_in


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


def no_signatures(contents: Digests, bands: int) -> Signatures:
    """Of contents without a signature, all but their digests."""
    n = len(contents)
    numbers, flags = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    sketches = np.zeros((n, bands), np.uint32), np.zeros(n, np.bool_), np.zeros((n, ODD_WORDS), np.uint64)
    return Signatures(contents, contents, flags, numbers, numbers, *sketches)


def signatures_in(table: pa.Table, bands: int) -> Signatures:
    """The rows of a table, whose bands are so many each."""
    contents, normal = digests_in(table["content_digest"]), table["normal_digest"]
    is_form = _there(normal)
    forms = Digests(contents.high.copy(), contents.low.copy())
    forms.high[is_form], forms.low[is_form] = _where_there(normal, is_form)
    n_characters, n_shingles = (_counts_in(table[name]) for name in ("n_characters", "n_shingles"))
    odd, _ = _hashes_in(table["odd_sketch"], 2 * ODD_WORDS)
    return Signatures(
        contents, forms, is_form, n_characters, n_shingles, *_hashes_in(table["bands"], bands), odd.view(np.uint64)
    )


def joined_signatures(*parts: Signatures) -> Signatures:
    """All rows of some parts, one behind the other."""
    filled = [part for part in parts if len(part.contents)] or parts[:1]
    return Signatures(*joined_columns(*filled))


def joined_columns(*parts: tuple[Any, ...]) -> list[Any]:
    """Columns of several parts, one behind the other."""
    if len(parts) == 1:
        return list(parts[0])
    return [
        joined(columns) if isinstance(columns[0], Digests) else np.concatenate(columns)
        for columns in zip(*parts, strict=True)
    ]


def _counts_in(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Numbers, 0 where none is."""
    numbers: npt.NDArray[np.int64] = numbers_of(column, np.int64)
    return np.where(_there(column), numbers, 0) if column.null_count else numbers


def _hashes_in(column: pa.ChunkedArray, bands: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """The hashes of each row, so many of 32 bits, and whether it has any; as they lie in memory where all have."""
    array = column.combine_chunks()
    if len(array) and not array.null_count and pa.types.is_large_binary(array.type):
        _, offsets, data = array.buffers()
        bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
        if (np.diff(bounds) == 4 * bands).all():
            flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].view("<u4")
            return flat.reshape(-1, bands), np.ones(len(array), np.bool_)
    return band_matrix(series(array), bands)


def _where_there(column: pa.ChunkedArray, there: npt.NDArray[np.bool_]) -> Digests:
    if pa.types.is_fixed_size_binary(column.type):
        return digests_in(column).at(there)
    return digests_of(series(column).drop_nulls())


def digests_in(column: pa.Array | pa.ChunkedArray) -> Digests:
    """Digests without nulls, from strings or from an index."""
    if not len(column):
        return NO_DIGESTS
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_fixed_size_binary(array.type):
        return digests_of(series(array))
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
