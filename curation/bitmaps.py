"""Bitmaps over the bytes of a text, each a row of an array: bit p stands for byte p, 64 in a number, the lowest first.

Where something stands is then found 64 bytes at a time, by one instruction a block. A bitmap has one block more than its
text needs, so that 64 bits can be read from any place on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, piece
from curation.deduplication.lanes import count_bits, first_bits, highest_bit, lowest_bit

Bitmaps = npt.NDArray[np.uint64]

_ONE, _LAST = np.uint64(1), np.uint64(63)


@inlined
def is_set(bits: Bitmaps, row: int, p: int) -> bool:
    """Whether bit p is set."""
    return bool(bits[row, p >> 6] >> np.uint64(p & 63) & _ONE)


@inlined
def window(bits: Bitmaps, row: int, p: int) -> np.uint64:
    """The 64 bits from bit p on."""
    shift = np.uint64(p & 63)
    return np.uint64(bits[row, p >> 6] >> shift | (bits[row, (p >> 6) + 1] << _ONE) << (_LAST - shift))


@piece
def any_set(bits: Bitmaps, row: int, p: int, stop: int) -> bool:
    """Whether any bit from p up to `stop` is set."""
    while stop - p > 64:
        if window(bits, row, p) != 0:
            return True
        p += 64
    return bool(window(bits, row, p) & first_bits(stop - p) != 0)


@piece
def count_set(bits: Bitmaps, row: int, p: int, stop: int) -> int:
    """How many bits from p up to `stop` are set."""
    count = 0
    while stop - p > 64:
        count += count_bits(window(bits, row, p))
        p += 64
    return int(count + count_bits(window(bits, row, p) & first_bits(stop - p)))


@piece
def next_set(bits: Bitmaps, row: int, p: int, stop: int) -> int:
    """The first bit from p on that is set; `stop` where there is none before."""
    if p >= stop:
        return stop
    block = p >> 6
    found = bits[row, block] >> np.uint64(p & 63)
    if found != 0:
        return int(min(p + lowest_bit(found), stop))
    block += 1
    while block << 6 < stop:
        if bits[row, block] != 0:
            return int(min((block << 6) + lowest_bit(bits[row, block]), stop))
        block += 1
    return stop


@piece
def last_set(bits: Bitmaps, row: int, first: int, stop: int) -> int:
    """The last bit below `stop` that is set; first - 1 where there is none from `first` on."""
    if stop <= first:
        return first - 1
    block = (stop - 1) >> 6
    found = bits[row, block] & first_bits(stop - (block << 6))
    while found == 0:
        block -= 1
        if (block << 6) + 63 < first:
            return first - 1
        found = bits[row, block]
    return int(max((block << 6) + highest_bit(found), first - 1))
