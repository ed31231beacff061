"""The inner loops over digests: hexadecimal digits to numbers, and where each number stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int32]


@compiled
def read_hexadecimal(data: npt.NDArray[np.uint8], high: Hashes, low: Hashes) -> int:
    """Read digests of 32 digits, one behind the other, as two numbers each: the first that is none, or -1."""
    for i in range(len(high)):
        wrong = False
        for half in range(2):
            number = np.uint64(0)
            for j in range(32 * i + 16 * half, 32 * i + 16 * half + 16):
                digit = data[j]
                is_letter = 97 <= digit <= 102
                wrong |= not (is_letter or 48 <= digit <= 57)
                number = number << np.uint64(4) | np.uint64(digit - 87 if is_letter else digit - 48)
            if half == 0:
                high[i] = number
            else:
                low[i] = number
        if wrong:
            return i
    return -1


@compiled
def filled_index(high: Hashes) -> Indices:
    """A table in which the number of each digest stands in the slot that its lowest bits name, or behind it; -1 elsewhere."""
    size = 16
    while size < 2 * len(high):
        size *= 2
    table = np.full(size, -1, np.int32)
    for i in range(len(high)):
        slot = np.int64(high[i] & np.uint64(size - 1))
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = i
    return table


@compiled
def look_up(table: Indices, high: Hashes, low: Hashes, wanted_high: Hashes, wanted_low: Hashes, at: Indices) -> None:
    """Where each wanted digest stands among those of the table; -1 where it does not."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(at)):
        slot = np.int64(wanted_high[i] & mask)
        found = table[slot]
        while found >= 0 and (high[found] != wanted_high[i] or low[found] != wanted_low[i]):
            slot = np.int64(np.uint64(slot + 1) & mask)
            found = table[slot]
        at[i] = found
