"""Which groups of digits a detector should look at: few of them may be anything. Compiled by Numba.

A table of numbers has one for every ten bytes, and a detector in Python takes twenty microseconds for each. A number is
an id, a card or a telephone number either by its own form (a plus, four groups of four digits, three, two and four with
hyphens) or because a word before it says so. So the form is looked at first, and the words before it, and only what has
one of both goes on. Nothing that a detector would find is left out; what it would not find may be let through.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, kernel, piece
from curation.privacy.context import WINDOW
from curation.utf8 import lower

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

SLOTS: Final = 1024
GROUPS: Final = 5
_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
_WINDOW: Final = WINDOW


def names_table(phrases: frozenset[str]) -> Hashes:
    """The last words of the phrases, as an open hash table; what is not ASCII is let through without it."""
    table = np.zeros(SLOTS, np.uint64)
    for word in sorted({phrase.split()[-1] for phrase in phrases if phrase.isascii()}):
        value = _hash_of(word.encode())
        slot = value % SLOTS
        while table[slot]:
            slot = (slot + 1) % SLOTS
        table[slot] = value
    return table


def _hash_of(word: bytes) -> int:
    """What `_hash` gives for a word in small letters."""
    value = int(_FNV_BASIS)
    for byte in word:
        value = (value ^ byte) * int(_FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return value


@piece
def _hash(data: Bytes, start: int, end: int) -> np.uint64:
    value = _FNV_BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(lower(data[i]))) * _FNV_PRIME
    return value


@inlined
def _is_letter(byte: int) -> bool:
    return 97 <= byte | 32 <= 122 or byte >= 0x80


@inlined
def _is_digit(byte: int) -> bool:
    return 48 <= byte <= 57


@kernel
def may_be_entity(data: Bytes, begin: int, first: int, last: int, stop: int, names: Hashes, groups: Ints) -> bool:
    """Whether the groups of digits data[first:last], in a text from `begin` to `stop`, may hold an id, a card or a number.

    `groups` is room for the starts and sizes of `GROUPS` groups.
    """
    before = int(data[first - 1]) if first > begin else 32
    if before == 43 or (before == 40 and first - 1 > begin and data[first - 2] == 43):  # + and +(
        return True
    after = int(data[last]) if last < stop else 32
    then = int(data[last + 1]) if last + 1 < stop else 32
    if after == 58 and 8 <= last - first <= 10:  # a bot's token
        return True
    if 65 <= after <= 90 or ((after == 32 or after == 45) and 65 <= then <= 90):  # the letter of a DNI
        return True
    if data[first] == 48 and first + 2 < last:  # dialled within a country, or abroad
        place = first + 2 if data[first + 1] == 48 else first + 1
        if 49 <= data[place] <= 57:
            return True
    return _has_form(data, first, last, groups) or _is_named(data, begin, first, names)


@piece
def _has_form(data: Bytes, first: int, last: int, groups: Ints) -> bool:
    """Whether some of the groups have the form of what stands by itself."""
    starts, sizes = groups[0], groups[1]
    for k in range(GROUPS):
        starts[k], sizes[k] = 0, 0
    i = first
    while i < last:
        j = i
        while j < last and _is_digit(data[j]):
            j += 1
        for k in range(GROUPS - 1):
            starts[k], sizes[k] = starts[k + 1], sizes[k + 1]
        starts[GROUPS - 1], sizes[GROUPS - 1] = i, j - i
        if _is_long(data, i, j - i) or _ends_a_form(data, starts, sizes) or _is_nir(data, i, last):
            return True
        i = j + 1
        while i < last and not _is_digit(data[i]):
            i += 1
    return False


@inlined
def _is_long(data: Bytes, i: int, size: int) -> bool:
    """Whether digits in one piece may be an id or a card, by how many they are and how they begin."""
    if size < 11 or size > 19 or size == 12:
        return False
    lead = int(data[i])
    if size == 13:
        return lead == 52 or lead == 55  # Visa's 4, Switzerland's 7
    return not (size == 14 and lead != 51)


@piece
def _ends_a_form(data: Bytes, starts: Ints, sizes: Ints) -> bool:
    """Whether the last groups are parted as a number of a country is, or a card."""
    a, b, c, d, e = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
    sign = data[starts[3] + d] if d else 0
    if e == 4 and sign == 45 and (d == 6 or d == 8 or (c == 3 and d == 2)):  # personnummer, SSN
        return True
    if e == 4 and c == 3 and d == 3:  # North America
        return bool(data[starts[2] + c] != 32 and data[starts[2]] > 49 and data[starts[3]] > 49)
    if e == 2 and c == 3 and d == 3 and b == 3:  # CPF
        return bool(sign == 45)
    if e == 2 and d == 3 and c == 2 and b == 2 and a == 2:  # Belgium
        return True
    if e == 3 and d == 3 and c == 3 and b == 2:  # Germany
        return bool(sign == 32)
    if e == 2 and d == 4 and c == 4 and b == 3:  # Switzerland
        return bool(data[starts[1]] == 55)
    if c == 4 and d == 6 and (e == 4 or e == 5):
        return True
    if b == 4 and c == 4 and d == 4 and e == 4:
        lead, second = int(data[starts[1]]), int(data[starts[1] + 1])
        return lead > 49 and not (lead == 50 and second < 50) and _adds_up(data, starts)
    return False


@piece
def _adds_up(data: Bytes, starts: Ints) -> bool:
    """Luhn's check over the last four groups, of four digits each."""
    total = 0
    for group in range(1, GROUPS):
        for k in range(4):
            digit = int(data[starts[group] + k]) - 48
            if k % 2 == 0:
                digit = 2 * digit - 9 if digit > 4 else 2 * digit
            total += digit
    return total % 10 == 0


@piece
def _is_nir(data: Bytes, i: int, last: int) -> bool:
    """Whether groups from i on end where those of a French NIR may: after 1, 3, 5, 7, 10, 13 and 15 digits."""
    if data[i] != 49 and data[i] != 50:
        return False
    count = 0
    while i < last and count < 15:
        j = i
        while j < last and _is_digit(data[j]):
            j += 1
        count += j - i
        if not (count == 1 or count == 3 or count == 5 or count == 7 or count == 10 or count == 13 or count == 15):
            return False
        i = j + 1
        if i < last and not _is_digit(data[i]):
            return count == 15
    return count == 15


@piece
def _is_named(data: Bytes, begin: int, first: int, names: Hashes) -> bool:
    """Whether a word before says what the number is; words beyond ASCII are taken for such."""
    low = max(begin, first - _WINDOW)
    end = first
    while end > low:
        byte = int(data[end - 1])
        if byte < 0x80 and not _is_letter(byte):
            end -= 1
            continue
        start = end
        while start > low and _is_letter(data[start - 1]):
            if data[start - 1] >= 0xC3 and not (data[start - 1] == 0xE2 and data[start] == 0x80):
                return True
            start -= 1
        if _has_name(data, start, end, names):
            return True
        end = start
    return False


@piece
def _has_name(data: Bytes, start: int, end: int, names: Hashes) -> bool:
    """Whether a piece of letters, which signs beyond ASCII may part, is one of the names or ends with one."""
    first = start
    for i in range(start, end + 1):
        if i == end or data[i] >= 0x80:
            if i > first and _is_among(_hash(data, first, i), names):
                return True
            first = i + 1
    return False


@inlined
def _is_among(value: np.uint64, names: Hashes) -> bool:
    slot = value & np.uint64(SLOTS - 1)
    while names[slot] != 0 and names[slot] != value:
        slot = (slot + np.uint64(1)) & np.uint64(SLOTS - 1)
    return bool(names[slot] == value)
