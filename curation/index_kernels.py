"""The inner loops over the sorted keys of an index: how they are sorted, and a walk beside what is asked for, in strides.

Of many keys each stride costs a miss of the processor's cache, and of few that are asked for each is far from the next: the
stride is an eighth of that distance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece

Hashes = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]
_32 = np.uint64(32)
DIGITS = 1 << 11
"""Eleven bits at a time: a hash has three of these, and their counts stay in the processor's cache."""
_DIGIT, _LAST = np.uint32(11), np.uint32(DIGITS - 1)


@piece
def first_in(keys: Hashes, key: np.uint32, low: int, high: int) -> int:
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
def next_from(keys: Hashes, key: np.uint32, at: int, step: int) -> int:
    """The place of the first of the sorted keys[at:] that is no less."""
    while at + step < len(keys) and keys[at + step] < key:
        at += step
    return int(first_in(keys, key, at, min(at + step, len(keys))))


@piece
def end_of_bucket(keys: Hashes, start: int, key: np.uint32) -> int:
    """Where the sorted keys from `start` on are no longer this one."""
    while start < len(keys) and keys[start] == key:
        start += 1
    return start


@piece
def count_digits(hashes: Hashes, places: Ints) -> None:
    """Of each of three digits k, how many hashes have a lower one there: places[k, digit]; zeros before."""
    for value in hashes:
        for k in range(3):
            places[k, 1 + (value >> np.uint32(k) * _DIGIT & _LAST)] += 1
    for k in range(3):
        for digit in range(DIGITS):
            places[k, digit + 1] += places[k, digit]


@piece
def spread(hashes: Hashes, rows: Rows, k: int, places: Ints, to: Hashes, to_rows: Rows) -> None:
    """Put each hash, and its row, behind those of which digit k is lower, or the same and they came before it."""
    for i in range(len(hashes)):
        digit = hashes[i] >> np.uint32(k) * _DIGIT & _LAST
        place = places[k, digit]
        to[place], to_rows[place] = hashes[i], rows[i]
        places[k, digit] = place + 1


@kernel
def sort_by_hash(
    hashes: Hashes, rows: Rows, by_hash: Hashes, rows_by_hash: Rows, room: Hashes, rows_room: Rows, places: Ints
) -> None:
    """Hashes in order, and the row of each; those of one hash as they came (a radix sort: Knuth, The Art of Computer
    Programming 3, 5.2.5). `room` and `rows_room` are for as many, and `places` are 3 x (DIGITS + 1) zeros."""
    count_digits(hashes, places)
    spread(hashes, rows, 0, places, by_hash, rows_by_hash)
    spread(by_hash, rows_by_hash, 1, places, room, rows_room)
    spread(room, rows_room, 2, places, by_hash, rows_by_hash)


@kernel
def list_matching(hashes: Hashes, rows: Rows, wanted: Numbers, held: Numbers, found: Ints) -> int:
    """List the rows whose hash, which are sorted, is the upper half of one of the numbers wanted[:, 0], sorted; and which hold
    just that pair of numbers, unless `held` is empty. How many there are, with those that there was no room for."""
    at, total, step = 0, 0, stride(hashes, len(wanted))
    for i in range(len(wanted)):
        key = np.uint32(wanted[i, 0] >> _32)
        at = next_from(hashes, key, at, step)
        for place in range(at, end_of_bucket(hashes, at, key)):
            row = np.int64(rows[place])
            if len(held) == 0 or (held[row, 0] == wanted[i, 0] and held[row, 1] == wanted[i, 1]):
                if total < len(found):
                    found[total] = row
                total += 1
    return total
