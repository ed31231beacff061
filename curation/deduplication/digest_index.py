"""The inner loops over digests: hexadecimal digits to numbers, and where each number stands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.lanes import eight_bytes

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int32]
_GOLDEN, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)
_EACH, _NUMBER, _BEYOND = (np.uint64(byte * 0x0101010101010101) for byte in (0x01, 0x0F, 0xF0))


@piece
def eight_digits(digits: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The number that eight hexadecimal digits are, given as they stand in memory; and whether any is none: 0 if not.

    All are looked at together, a byte each: the fourth bit from the top tells letters, and a digit that is one is again
    what it was when its number is written out.
    """
    number = (digits & _NUMBER) + (digits >> np.uint64(6) & _EACH) * np.uint64(9)
    letters = number + _EACH * np.uint64(6) >> np.uint64(4) & _EACH
    wrong = (number & _BEYOND) | (number + _EACH * np.uint64(48) + letters * np.uint64(39) ^ digits)
    number = (number << np.uint64(4) | number >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    number = (number << np.uint64(8) | number >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    return (number << np.uint64(16) | number >> np.uint64(32)) & np.uint64(0xFFFFFFFF), wrong


@piece
def sixteen_digits(data: npt.NDArray[np.uint8], at: int) -> tuple[np.uint64, np.uint64]:
    """The number that the hexadecimal digits data[at : at + 16] are; and whether any is none: 0 if not."""
    first, wrong = eight_digits(eight_bytes(data, at))
    second, wrong_too = eight_digits(eight_bytes(data, at + 8))
    return first << np.uint64(32) | second, wrong | wrong_too


@kernel
def read_hexadecimal(data: npt.NDArray[np.uint8], high: Hashes, low: Hashes) -> int:
    """Read digests of 32 digits, one behind the other, as two numbers each: the first that is none, or -1."""
    for i in range(len(high)):
        high[i], wrong = sixteen_digits(data, 32 * i)
        low[i], wrong_too = sixteen_digits(data, 32 * i + 16)
        if wrong | wrong_too != 0:
            return i
    return -1


def slots_for(n: int) -> int:
    """The slots of a table for n numbers: a power of two, at least half of them free."""
    return max(16, 1 << (2 * n - 1).bit_length())


@piece
def slot_of(key: np.uint64, size: int) -> int:
    """Where a key goes in a table of that size, a power of two, or behind it: its lower half counts whole in the middle bits of
    its product with the golden ratio (Knuth, TAOCP 3, 6.4)."""
    return int(np.int64(key * _GOLDEN >> _32)) & (size - 1)


@kernel
def fill_index(high: Hashes, table: Indices) -> None:
    """Put the number of each digest into the slot of the table that its lowest bits name, or behind it; -1 stands elsewhere."""
    mask = np.uint64(len(table) - 1)
    for i in range(len(high)):
        slot = np.int64(high[i] & mask)
        while table[slot] >= 0:
            slot = np.int64(np.uint64(slot + 1) & mask)
        table[slot] = i


@kernel
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
