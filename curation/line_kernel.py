"""The pass over UTF-8 bytes that finds lines and parts of lines to cut, compiled by Numba.

Every line is counted once; only a short one is copied, looked through for patterns, and counted again when one was cut
from it. `curation.line_patterns` finds the patterns, and says what the flags mean.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.copying import copy
from curation.line_patterns import (
    BREAK,
    DIGIT,
    FOURS,
    MARK,
    PAIRS,
    SPACE,
    UPPER,
    WORD,
    Bytes,
    Codes,
    Hashes,
    Ints,
    Sought,
    flag_of,
    fold_of,
    match,
)
from curation.utf8 import code_point, lower

KINDS = (
    "",
    "refinedweb.uppercase",
    "refinedweb.numbers",
    "refinedweb.counter",
    "refinedweb.one_word",
    "refinedweb.pattern",
    "c4.javascript",
    "c4.policy",
)
"""The kinds of spans, by their number; 0 is none."""

_UPPERCASE: Final = 1
_NUMBERS: Final = 2
_COUNTER: Final = 3
_ONE_WORD: Final = 4
_PATTERN: Final = 5
_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)

Flags = npt.NDArray[np.bool_]


class LineRoom(NamedTuple):
    """What a short line is edited in: its bytes, where each stood, and which are gone; and by which bytes phrases begin."""

    line: Bytes
    origin: Ints
    gone: Flags
    first_bytes: Flags


def line_room(sought: Sought) -> LineRoom:
    """Room for the longest of short lines."""
    size, first_bytes = 4 * sought.short_chars, np.zeros(256, np.bool_)
    first_bytes[sought.phrases[sought.phrase_starts[:-1]]] = True
    return LineRoom(np.empty(size, np.uint8), np.empty(size, np.int64), np.empty(size, np.bool_), first_bytes)


class _Counts(NamedTuple):
    """Words of a line, those with a letter or digit; characters in all, and which are not white space, capitals, digits,
    marks of numbers."""

    words: int
    plain: int
    chars: int
    solid: int
    upper: int
    digits: int
    marks: int


def hash_of(word: Codes) -> np.uint64:
    """The hash by which the noun of a counter is known."""
    value = int(_FNV_BASIS)
    for code in word:
        value = (value ^ int(code)) * int(_FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return np.uint64(value)


def all_lines(
    data: Bytes, offsets: Ints, prose: Flags, flags: Bytes, folds: Codes, sought: Sought, counts: Ints
) -> Ints:
    """The spans to cut: row, first byte and last+1 within the text, kind; a row of `counts` (n, 3) gets the words of a
    text, and how many stand in lines that RefinedWeb corrects, and that C4 cuts.

    Text i is data[offsets[i] : offsets[i + 1]], valid UTF-8; where `prose` is not set, nothing is looked for in it.
    """
    spans: Ints = np.empty((256 + len(data) // 256, 4), np.int64)
    room, row, n = line_room(sought), 0, 0
    while True:
        row, n = find_lines(data, offsets, row, prose, flags, folds, sought, room, counts, spans, n)
        if row == len(counts):
            return spans[:n]
        spans = np.concatenate([spans, np.empty((3 * len(spans), 4), np.int64)])


@kernel
def find_lines(
    data: Bytes,
    offsets: Ints,
    row: int,
    prose: Flags,
    flags: Bytes,
    folds: Codes,
    sought: Sought,
    room: LineRoom,
    counts: Ints,
    spans: Ints,
    n: int,
) -> tuple[int, int]:
    """Write the spans of texts from `row` on behind n others; the row after the last, or the one for whose spans there must be
    more room, and how many spans there are before it."""
    line, origin, gone, first_bytes = room
    while row < len(counts):
        before, base, end = n, offsets[row], offsets[row + 1]
        for column in range(3):
            counts[row, column] = 0
        i = base
        while i < end:
            begin = i
            i, first, last = _next_line(data, i, end, flags)
            if first == last:
                continue
            found = _counted(data, first, last, flags)
            counts[row, 0] += found.words
            if not prose[row]:
                continue
            phrase = _phrase(data, first, last, first_bytes, sought)
            kind = _discarded(found, sought.max_uppercase)
            n_gone = 0
            if kind == 0 and found.words <= sought.short_words and found.chars <= sought.short_chars:
                kind, n_gone = _edited(data, first, last, flags, folds, sought, line, origin, gone)
            counts[row, 1] += found.words * (kind > 0 or n_gone > 0)
            counts[row, 2] += found.words * (phrase > 0)
            if n + n_gone + 2 > len(spans):
                return row, before
            if kind > 0:
                n = _put(spans, n, row, begin - base, i - base, kind)
            elif n_gone > 0:
                n = _runs(gone, last - first, first - base, row, spans, n)
            if phrase > 0:
                n = _put(spans, n, row, begin - base, i - base, phrase)
        row += 1
    return row, n


@piece
def _put(spans: Ints, n: int, row: int, first: int, end: int, kind: int) -> int:
    """Write a span behind n others; how many there are then."""
    spans[n, 0], spans[n, 1], spans[n, 2], spans[n, 3] = row, first, end, kind
    return n + 1


@piece
def _runs(gone: Flags, size: int, start: int, row: int, spans: Ints, n: int) -> int:
    """The bytes of a line that are gone, as spans; returns how many spans there are then."""
    i = 0
    while i < size:
        j = i
        while j < size and gone[j]:
            j += 1
        if j > i:
            n = _put(spans, n, row, start + i, start + j, _PATTERN)
        i = j + 1
    return n


@piece
def _next_line(data: Bytes, start: int, end: int, flags: Bytes) -> tuple[int, int, int]:
    """A line from byte `start`: where the next one starts; first and last+1 byte of its stripped text."""
    first = last = start
    i = start
    while i < end:
        code, width = code_point(data, i)
        flag = flag_of(flags, code)
        is_pair = code == 0x0D and i + 1 < end and data[i + 1] == 0x0A
        i += width
        if flag & BREAK and not is_pair:
            break
        if flag & SPACE == 0:
            if first == last:
                first = i - width
            last = i
    return i, first, last


@piece
def _counted(data: Bytes, start: int, end: int, flags: Bytes) -> _Counts:
    """White space parts words; in scripts without spaces, the length of a piece does."""
    words = plain = chars = solid = upper = digits = marks = 0
    inside, size, kind, seen = False, 0, 0, 0
    i = start
    while i < end:
        code, width = code_point(data, i)
        flag = flag_of(flags, code)
        i += width
        chars += 1
        piece = 2 if flag & PAIRS else 4 if flag & FOURS else 0
        if inside and (flag & SPACE or piece != kind or (kind and size == kind)):
            inside = False
            plain += seen & WORD != 0
        if flag & SPACE == 0:
            if not inside:
                inside, size, kind, seen = True, 0, piece, 0
                words += 1
            size += 1
            seen |= flag
            solid += 1
            upper += flag & UPPER != 0
            digits += flag & DIGIT != 0
            marks += flag & MARK != 0
    plain += inside and seen & WORD != 0
    return _Counts(words, plain, chars, solid, upper, digits, marks)


@piece
def _discarded(found: _Counts, max_uppercase: float) -> int:
    """The kind of a line that goes whole for what it is made of, 0 for others."""
    if found.upper > max_uppercase * found.solid:
        return _UPPERCASE
    if found.digits and found.digits + found.marks == found.solid:
        return _NUMBERS
    return _ONE_WORD if found.plain == 1 else 0


@piece
def _phrase(data: Bytes, first: int, last: int, first_bytes: Flags, sought: Sought) -> int:
    """The kind of C4's phrases that stand in a line, in any case; of several the first one."""
    phrases, starts, kinds = sought.phrases, sought.phrase_starts, sought.phrase_kinds
    for i in range(first, last):
        byte = lower(data[i])
        if first_bytes[byte]:
            for k in range(len(kinds)):
                j, stop = starts[k], starts[k + 1]
                if phrases[j] == byte and i + stop - j <= last:
                    at = i
                    while j < stop and lower(data[at]) == phrases[j]:
                        j += 1
                        at += 1
                    if j == stop:
                        return int(kinds[k])
    return 0


@piece
def _edited(
    data: Bytes,
    first: int,
    last: int,
    flags: Bytes,
    folds: Codes,
    sought: Sought,
    line: Bytes,
    origin: Ints,
    gone: Flags,
) -> tuple[int, int]:
    """The kind of a short line that goes whole, or how many parts at most of it are `gone`, none for one that stays."""
    size = last - first
    copy(data, first, last, line, 0)
    for i in range(size):
        origin[i], gone[i] = i, False
    parts = 0
    while True:
        if _is_counter(line, size, flags, folds, sought.nouns):
            return _COUNTER, 0
        start, stop = match(line, size, flags, folds, sought)
        if start == stop:
            return 0, parts
        parts += 1
        for i in range(start, stop):
            gone[origin[i]] = True
        for i in range(stop, size):
            line[i - stop + start], origin[i - stop + start] = line[i], origin[i]
        size -= stop - start
        _, begins, ends = _next_line(line, 0, size, flags)
        found = _counted(line, begins, ends, flags)
        if found.plain == 0:
            return _PATTERN, 0
        kind = _discarded(found, sought.max_uppercase)
        if kind:
            return kind, 0


@piece
def _is_counter(line: Bytes, size: int, flags: Bytes, folds: Codes, nouns: Hashes) -> bool:
    """Whether a line's words are numbers and nouns of counters, at least one of each."""
    numbers = names = 0
    i = 0
    while i < size:
        code, width = code_point(line, i)
        flag = flag_of(flags, code)
        if flag & WORD == 0:
            i += width
            continue
        is_number, key, digits, others = flag & DIGIT != 0, _FNV_BASIS, 0, 0
        while i < size:
            code, width = code_point(line, i)
            flag = flag_of(flags, code)
            if flag & WORD == 0 and not (is_number and flag & MARK and flag & SPACE == 0):
                break
            key = (key ^ np.uint64(fold_of(folds, code))) * _FNV_PRIME
            digits += flag & DIGIT != 0
            others += flag & DIGIT == 0 and flag & MARK == 0
            last = fold_of(folds, code)
            i += width
        if is_number and (others == 0 or (others == 1 and (last == 0x6B or last == 0x6D))):
            numbers += 1
        else:
            at = 0
            while at < len(nouns) and nouns[at] != key:
                at += 1
            if at == len(nouns):
                return False
            names += 1
    return numbers > 0 and names > 0
