"""Contents by number: digests as pairs of integers, looked up in a table, and written out again only where rows come out.

A digest of 128 bits is 16 bytes so, where its 32 hexadecimal digits as a string take 48; and the order of the numbers is the
order of the digests, so what is sorted by digest is sorted by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.deduplication import digest_index
from curation.kernel_arguments import fixed
from records import large_binary, series

Indices = npt.NDArray[np.int32]
_HEXADECIMAL = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)


class Digests(NamedTuple):
    """Digests of 128 bits: the first half of each, and the second."""

    high: npt.NDArray[np.uint64]
    low: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return len(self.high)

    def at(self, where: npt.NDArray[np.generic]) -> Digests:
        """Some of them, by number or by flag."""
        return Digests(self.high[where], self.low[where])


NO_DIGESTS = Digests(np.empty(0, np.uint64), np.empty(0, np.uint64))


def digests_of(names: pl.Series) -> Digests:
    """The numbers of digests without nulls. Raises ValueError for what is not 32 hexadecimal digits, as digests are."""
    return digests_in(large_binary(names.cast(pl.Binary)), names.name or "content_digest")


def digests_in(names: pa.Array, column: str = "content_digest") -> Digests:
    """The same, of an array of strings or bytes from the column that an error names."""
    array = names if names.type in _OFFSETS else names.cast(pa.large_string())
    if not len(array):
        return NO_DIGESTS
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, _OFFSETS[array.type])[array.offset : array.offset + len(array) + 1]
    uneven = np.flatnonzero(np.diff(bounds) != 32)
    if len(uneven):
        raise _no_digest(column, array[int(uneven[0])].as_py())
    digests = Digests(np.empty(len(array), np.uint64), np.empty(len(array), np.uint64))
    digits = fixed(np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]])
    if (wrong := digest_index.read_hexadecimal(digits, *digests)) >= 0:
        raise _no_digest(column, array[wrong].as_py())
    return digests


_OFFSETS = {pa.string(): np.int32, pa.binary(): np.int32, pa.large_string(): np.int64, pa.large_binary(): np.int64}


def _no_digest(column: str, name: str | bytes) -> ValueError:
    name = name.decode(errors="replace") if isinstance(name, bytes) else name
    return ValueError(f"{column}: {name!r} is no digest; give 32 hexadecimal digits, as records.digest makes them")


def names_of(digests: Digests, valid: npt.NDArray[np.bool_] | None = None) -> pl.Series:
    """The digests in hexadecimal; null where they are not valid."""
    data = hexadecimal(np.stack(digests, axis=1))
    offsets = np.arange(0, 32 * len(digests) + 1, 32, dtype=np.int64)
    there = None if valid is None or valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    array = pa.Array.from_buffers(pa.large_string(), len(digests), [there, pa.py_buffer(offsets), pa.py_buffer(data)])
    return series(array).cast(pl.String)


class Views(NamedTuple):
    """Digests in hexadecimal, written out once, and as Arrow has views: where in that text each stands."""

    texts: list[pa.Buffer]
    views: npt.NDArray[np.uint32]

    def at(self, where: Indices) -> pl.Series:
        """A column of some of them, 16 bytes each beside the text that all columns share."""
        buffers = [None, pa.py_buffer(self.views[where]), *self.texts]
        return series(pa.Array.from_buffers(pa.string_view(), len(where), buffers)).cast(pl.String)


TOGETHER = 1 << 25
"""Digests in one text, at most: a view counts its bytes in 31 bits."""


def views_of(digests: Digests) -> Views:
    """The digests, ready to be written to columns."""
    text, numbers = hexadecimal(np.stack(digests, axis=1)), np.arange(len(digests))
    views = np.empty((len(digests), 4), np.uint32)
    views[:, 0], views[:, 1] = 32, text.view(np.uint32)[::8]
    views[:, 2], views[:, 3] = numbers // TOGETHER, numbers % TOGETHER * 32
    return Views([pa.py_buffer(text[at : at + 16 * TOGETHER]) for at in range(0, len(text), 16 * TOGETHER)], views)


def hexadecimal(halves: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint16]:
    """The digits of digests, given as rows of their two halves; two digits an item."""
    return _HEXADECIMAL[halves.astype(">u8").view(np.uint8).ravel()]


def joined(parts: Sequence[Digests]) -> Digests:
    """All digests of some parts, one behind the other."""
    return Digests(*(np.concatenate(column) for column in zip(NO_DIGESTS, *parts, strict=True)))


def ordered(digests: Digests) -> npt.NDArray[np.int64]:
    """The numbers of digests in their order; that of the first halves where this is all of it, which is found sooner."""
    order: npt.NDArray[np.int64] = np.argsort(digests.high)
    high, low = digests.at(order)
    if ((high[1:] == high[:-1]) & (low[1:] != low[:-1])).any():
        order = np.lexsort((digests.low, digests.high))
    return order


def distinct(digests: Digests) -> Digests:
    """Each digest once, in order."""
    high, low = digests.at(ordered(digests))
    same = high[1:] == high[:-1]
    fresh = np.concatenate([[True], ~same | (low[1:] != low[:-1])])[: len(high)]
    return Digests(high[fresh], low[fresh])


class Numbered(NamedTuple):
    """Digests that are all different, and the table by which they are found."""

    digests: Digests
    table: Indices

    def places_of(self, wanted: Digests) -> Indices:
        """Where each wanted digest stands; -1 where it does not."""
        at = np.empty(len(wanted), np.int32)
        digest_index.look_up(self.table, *self.digests, *wanted, at)
        return at


def numbered(digests: Digests) -> Numbered:
    """The digests, ready to be looked up."""
    table = np.full(digest_index.slots_for(len(digests)), -1, np.int32)
    digest_index.fill_index(digests.high, table)
    return Numbered(digests, table)
