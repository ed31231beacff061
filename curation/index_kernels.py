"""The inner loops over the sorted keys of an index: a walk beside what is asked for, in strides.

Of many keys each stride costs a miss of the processor's cache, and of few that are asked for each is far from the next: the
stride is an eighth of that distance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece

Hashes = npt.NDArray[np.uint64]
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@piece
def first_in(keys: Hashes, key: np.uint64, low: int, high: int) -> int:
    """The place of the first of the sorted keys[low:high] that is no less; NumPy's own search costs a process SciPy's
    import."""
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@piece
def stride(keys: Hashes, n_asked: int) -> int:
    """How far to look ahead at a time, where so many are asked for."""
    return max(1, len(keys) // (8 * max(1, n_asked)))


@piece
def next_from(keys: Hashes, key: np.uint64, at: int, step: int) -> int:
    """The place of the first of the sorted keys[at:] that is no less."""
    while at + step < len(keys) and keys[at + step] < key:
        at += step
    return int(first_in(keys, key, at, min(at + step, len(keys))))


@kernel
def list_matching(keys: Hashes, wanted: Hashes, held: Hashes, rows: npt.NDArray[np.int64]) -> int:
    """List the rows that have the upper 32 bits of one of the numbers wanted[:, 0], sorted, in their key (hash << 32 | row);
    and which hold just that pair of numbers, unless `held` is empty. How many there are, with those that there was no room
    for."""
    at, total, step = 0, 0, stride(keys, len(wanted))
    for i in range(len(wanted)):
        key = wanted[i, 0] >> _32 << _32
        at = next_from(keys, key, at, step)
        place = at
        while place < len(keys) and keys[place] >> _32 << _32 == key:
            row = np.int64(keys[place] & _LOW)
            place += 1
            if len(held) == 0 or (held[row, 0] == wanted[i, 0] and held[row, 1] == wanted[i, 1]):
                if total < len(rows):
                    rows[total] = row
                total += 1
    return total
