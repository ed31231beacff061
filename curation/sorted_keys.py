"""Keys that rows are found by: hashes of 32 bits in order, and beside them the numbers of their rows; in memory or in a file.

A search reads hashes alone, so these stand by themselves: half as much memory is read as if each had its row beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation import index_kernels
from curation.kernel_arguments import fixed

Hashes = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
OfOneKind = tuple[Hashes, Rows]
"""Hashes, and the row of each."""


class SortedKeys(NamedTuple):
    """Keys of several kinds, one behind the other: those of kind i are hashes[bounds[i] : bounds[i + 1]], in order, and as many
    rows. Nobody writes to them."""

    hashes: Hashes
    rows: Rows
    bounds: Ints

    def kind(self, number: int) -> OfOneKind:
        """The keys of one kind."""
        own = slice(int(self.bounds[number]), int(self.bounds[number + 1]))
        return self.hashes[own], self.rows[own]


def sorted_by_hash(hashes: Hashes, rows: Rows) -> OfOneKind:
    """Hashes in order, and their rows; those of one hash stay in theirs."""
    ordered, their_rows = np.empty((2, len(hashes)), np.uint32)
    room, their_room = np.empty((2, len(hashes)), np.uint32)
    places = np.zeros((3, index_kernels.DIGITS + 1), np.int64)
    index_kernels.sort_by_hash(fixed(hashes), fixed(rows), ordered, their_rows, room, their_room, places)
    return ordered, their_rows


def joined(kinds: Iterable[OfOneKind]) -> SortedKeys:
    """Kinds that are in order, one behind the other."""
    hashes, rows = zip((_NONE, _NONE), *kinds, strict=True)
    return SortedKeys(*map(fixed, (np.concatenate(hashes), np.concatenate(rows), _bounds(hashes[1:]))))


def write_keys(place: Path, kinds: Sequence[OfOneKind]) -> None:
    """Write kinds that are in order: how many there are and where each ends, all hashes, all rows."""
    hashes, rows = zip((_NONE, _NONE), *kinds, strict=True)
    with place.open("wb") as file:
        bounds = _bounds(hashes[1:])
        bounds[0] = len(kinds)
        for part in (bounds, *hashes, *rows):
            file.write(part.data)


def mapped_keys(place: Path) -> SortedKeys:
    """The keys in a file, of which a search reads what it comes upon."""
    held = np.memmap(place, np.uint32, "r").view(np.ndarray)
    n_kinds = int(held[:2].view(np.int64)[0])
    first = 2 * (n_kinds + 1)
    bounds = held[:first].view(np.int64).copy()
    bounds[0] = 0
    hashes, rows = held[first:].reshape(2, -1)
    return SortedKeys(*map(fixed, (hashes, rows, bounds)))


_NONE = np.empty(0, np.uint32)


def _bounds(parts: Sequence[Hashes]) -> Ints:
    return np.cumsum([0, *map(len, parts)])
