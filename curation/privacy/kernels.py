"""One pass over UTF-8 bytes that proposes where personal data may stand. Compiled by Numba.

Nearly all of a text is ordinary words, and these are passed over here at hundreds of megabytes a second; what is
proposed, one in some hundred words of prose, is judged in Python by the detector of its sort. So the pass may propose too
much and must not miss: each sort says what any entity of it has in common.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, kernel, piece
from curation.privacy.number_kernel import Hashes, may_be_entity

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

AT, NUMBER, CODE, PREFIX, ASSIGNED, IPV4, IPV6 = range(7)
"""The sorts of proposals. AT: an `@`, or the bracket of an ` [at] `. NUMBER: groups of digits, seven digits or more, from
the first to the last, that their form or a word before them makes worth a look. CODE: a word of letters and digits that may begin an id. PREFIX: where a key of a known service may
begin. ASSIGNED: the `=` or `:` after a word such as `password`. IPV4, IPV6: what is written like an address."""
FEWEST_DIGITS: Final = 7


def _classes() -> Bytes:
    """0 for all else, 1 for letters and `_`, 2 for digits, 3 for signs that may be a proposal."""
    table = np.zeros(256, np.uint8)
    for byte in range(256):
        letter = bytes([byte])
        if letter.isalpha() or letter == b"_":
            table[byte] = 1
        elif letter.isdigit():
            table[byte] = 2
        elif letter in b"@:=([{-":
            table[byte] = 3
    return table


CLASSES: Final = _classes()


@inlined
def _is_hex(byte: int) -> bool:
    return 48 <= byte <= 57 or 97 <= byte | 32 <= 102


@inlined
def _is_letter(byte: int) -> bool:
    return 97 <= byte | 32 <= 122


@piece
def _joins(data: Bytes, first: int, last: int) -> bool:
    """Whether what stands between two groups of digits holds them together: at most a sign with spaces and brackets."""
    gap = last - first
    if gap == 0 or gap > 3:
        return False
    byte = int(data[first])
    if byte == 0xC2:
        return gap == 2 and data[first + 1] == 0xA0
    if byte == 0xE2:  # U+2009 to U+2013: thin space, hyphens, dashes; U+202F
        third = int(data[first + 2]) if gap == 3 else 0
        return gap == 3 and data[first + 1] == 0x80 and (0x89 <= third <= 0x93 or third == 0xAF)
    signs = 0
    for i in range(first, last):
        byte = int(data[i])
        if byte == 45 or byte == 46 or byte == 47:
            signs += 1
        elif byte != 32 and byte != 40 and byte != 41:
            return False
    if gap == 2 and data[first + 1] == 32:
        return int(data[first]) == 41  # ". " ends a sentence, "  " parts columns
    return signs <= 1 and not (gap == 3 and signs == 0)


@piece
def _ipv4_end(data: Bytes, i: int, stop: int) -> int:
    """The end of four groups of up to three digits that dots part, which begin at i; 0 if there are none."""
    for group in range(4):
        first = i
        while i < stop and i - first < 4 and CLASSES[data[i]] == 2:
            i += 1
        if i == first or i - first > 3:
            return 0
        if group < 3:
            if i >= stop or data[i] != 46:
                return 0
            i += 1
    return i


@piece
def _ipv6_end(data: Bytes, i: int, stop: int) -> int:
    """The end of hexadecimal groups that colons part, if they may be an address; 0 if not."""
    colons, is_short, first = 0, False, i
    while i < stop and i - first < 46 and (_is_hex(int(data[i])) or data[i] == 58 or data[i] == 46):
        if data[i] == 58:
            colons += 1
            is_short = is_short or (i > first and data[i - 1] == 58)
        i += 1
    return i if colons >= 6 or (colons >= 2 and is_short) else 0


@piece
def _may_be_code(data: Bytes, i: int, j: int, stop: int) -> bool:
    """Whether the word data[i:j] may begin an IBAN or an id with letters.

    Two letters and a digit (in capitals a space may part them), six letters and a digit, X, Y or Z with digits.
    """
    length = j - i
    if length >= 3 and _is_letter(int(data[i])) and _is_letter(int(data[i + 1])) and CLASSES[data[i + 2]] == 2:
        return True
    if length == 2 and data[i] < 91 and data[i + 1] < 91 and j + 1 < stop:
        return int(data[j]) == 32 and int(CLASSES[data[j + 1]]) == 2
    if length == 16 and CLASSES[data[i + 5]] == 1 and CLASSES[data[i]] == 1:
        return True
    if 88 <= data[i] <= 90:
        return length == 9 or (length == 1 and j + 1 < stop and CLASSES[data[j + 1]] == 2)
    return False


@piece
def _is_named_secret(data: Bytes, begin: int, i: int) -> bool:
    """Whether the word before the sign at i ends as `password`, `token`, `secret`, `key`, `pwd` and their like do."""
    p, skipped = i - 1, 0
    while p > begin and skipped < 4 and CLASSES[data[p]] != 1 and data[p] != 10 and data[p] < 128:
        p, skipped = p - 1, skipped + 1
    if p - 2 < begin or CLASSES[data[p]] != 1:
        return False
    a, b, c = int(data[p - 2]) | 32, int(data[p - 1]) | 32, int(data[p]) | 32
    if c == 100:  # pwd, passwd, password
        return (b == 119 and (a == 112 or a == 115)) or (a == 111 and b == 114)
    if c == 115:  # credentials, and plurals
        return (a == 97 and b == 108) or (a == 101 and (b == 110 or b == 116)) or (a == 114 and b == 100)
    return (
        (a == 107 and b == 101 and c == 121)  # key
        or (a == 107 and c == 110 and b == 101)  # (to)ken
        or (a == 114 and b == 101 and c == 116)  # (sec)ret
        or (a == 97 and b == 115 and c == 101)  # (passphr)ase
        or (a == 105 and b == 97 and c == 108)  # (credent)ial
        or (a == 97 and b == 115 and c == 115)  # pass
    )


@piece
def _is_sign(data: Bytes, begin: int, i: int, stop: int) -> int:
    """The sort of proposal that the sign at i is; -1 for none."""
    byte = int(data[i])
    following = int(data[i + 1]) if i + 1 < stop else 32
    if byte == 64:
        is_open = CLASSES[following] == 1 or CLASSES[following] == 2 or following >= 128 or following == 91
        return AT if i > begin and data[i - 1] > 32 and is_open else -1
    if byte == 61 or byte == 58:
        return ASSIGNED if _is_named_secret(data, begin, i) else -1
    if byte == 45:
        is_key = i + 5 < stop and data[i + 4] == 45 and data[i + 5] == 66
        return PREFIX if is_key and following == 45 and data[i + 3] == 45 else -1
    k = i + 1 + (1 if following == 32 else 0)
    if k + 2 < stop and data[k] | 32 == 97 and data[k + 1] | 32 == 116:
        return AT
    return AT if k + 1 < stop and data[k] == 64 else -1


@piece
def _put(found: Ints, n: int, text: int, sort: int, start: int, end: int) -> int:
    """Write a proposal behind n others; how many there are then."""
    found[n, 0], found[n, 1], found[n, 2], found[n, 3] = text, sort, start, end
    return n + 1


@piece
def _begins_key(data: Bytes, i: int, prefixes: Ints) -> bool:
    """Whether the three bytes from i on are one of the prefixes."""
    three = int(data[i]) << 16 | int(data[i + 1]) << 8 | int(data[i + 2])
    p = 0
    while p < len(prefixes) and prefixes[p] != three:
        p += 1
    return p < len(prefixes)


@inlined
def _sign_at(data: Bytes, begin: int, i: int, stop: int) -> tuple[int, int]:
    """The sort of proposal that begins with the sign at i, -1 for none; and where what it proposes ends."""
    sort = _is_sign(data, begin, i, stop)
    if sort < 0 and data[i] == 58 and i + 2 < stop and data[i + 1] == 58:
        end = _ipv6_end(data, i, stop)
        if end:
            return IPV6, end
    return sort, i + 1


@inlined
def _sort_of_word(data: Bytes, i: int, j: int, stop: int, prefixes: Ints, starts: Bytes) -> int:
    """The sort of proposal that the word data[i:j] is, which has letters; -1 for none."""
    if CLASSES[data[i]] == 2:
        return CODE if j - i == 9 or j - i == 18 or j - i == 10 else -1
    if starts[data[i]] and i + 3 <= stop and _begins_key(data, i, prefixes):
        return PREFIX
    return CODE if _may_be_code(data, i, j, stop) else -1


@inlined
def _digits_at(data: Bytes, i: int, j: int, stop: int) -> tuple[int, int]:
    """The sort of proposal that begins with the digits data[i:j] alone, -1 for none; and where what it proposes ends."""
    if j - i <= 3 and j + 1 < stop and data[j] == 46 and CLASSES[data[j + 1]] == 2:
        end = _ipv4_end(data, i, stop)
        if end:
            return IPV4, end
    return -1, j


@piece
def _propose_in(
    data: Bytes,
    begin: int,
    stop: int,
    prefixes: Ints,
    starts: Bytes,
    names: Hashes,
    groups: Ints,
    t: int,
    found: Ints,
    count: int,
) -> int:
    """Write the proposals of text t behind `count` others; how many there are then, or -1 if they do not fit."""
    first = last = begin - 9  # the groups of digits that hold together, and how many digits they are
    digits, i = 0, begin
    while i < stop:
        if count > len(found) - 8:
            return -1
        kind = CLASSES[data[i]]
        if kind == 0:
            i += 1
            continue
        j = i + 1
        if kind == 3:
            sort, end = _sign_at(data, begin, i, stop)
        else:
            letters = kind == 1
            while j < stop and (CLASSES[data[j]] == 1 or CLASSES[data[j]] == 2):
                letters = letters or CLASSES[data[j]] == 1
                j += 1
            if letters:
                sort, end = _sort_of_word(data, i, j, stop, prefixes, starts), j
            else:
                if not (last > begin and _joins(data, last, i)):
                    if digits >= FEWEST_DIGITS and may_be_entity(data, begin, first, last, stop, names, groups):
                        count = _put(found, count, t, NUMBER, first - begin, last - begin)
                    first, digits = i, 0
                last, digits = j, digits + j - i
                sort, end = _digits_at(data, i, j, stop)
            if j - i <= 4 and j + 1 < stop and data[j] == 58 and (i == begin or data[i - 1] != 58):
                address = _ipv6_end(data, i, stop)
                if address:
                    count = _put(found, count, t, IPV6, i - begin, address - begin)
        if sort >= 0:
            count = _put(found, count, t, sort, i - begin, end - begin)
        i = j
    if digits >= FEWEST_DIGITS and may_be_entity(data, begin, first, last, stop, names, groups):
        count = _put(found, count, t, NUMBER, first - begin, last - begin)
    return count


@kernel
def propose(data: Bytes, offsets: Ints, prefixes: Ints, starts: Bytes, names: Hashes, groups: Ints, found: Ints) -> int:
    """Write proposals (text, sort, start, end; offsets within the text) into `found`; how many, or -1 if they do not fit.

    Text t is data[offsets[t] : offsets[t + 1]]. `prefixes` are three bytes each, the first one highest; `starts` is 1
    for bytes that one begins with. `names` are the words that name numbers, and `groups` is room
    (`curation.privacy.number_kernel`).
    """
    count = 0
    for t in range(len(offsets) - 1):
        begin, stop = int(offsets[t]), int(offsets[t + 1])
        count = _propose_in(data, begin, stop, prefixes, starts, names, groups, t, found, count)
        if count < 0:
            break
    return count
