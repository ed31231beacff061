"""Lines and paragraphs of a text along its bitmaps: how they begin and end, which stood before, and which of them C4 would
keep. Compiled by Numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.bitmaps import Bitmaps, count_set, is_set, last_set, next_set
from curation.compilation import inlined, piece
from curation.deduplication.text_kernels import word_hash
from curation.quality_marks import (
    BREAKS,
    BULLET,
    CLOSER,
    EDGES,
    ENDS,
    FIRSTS,
    INK,
    QUOTE,
    SOUGHT,
    SPACE,
    STARTS,
    TERMINAL,
    WIDE_TERMINAL,
    Bytes,
    Flags,
)
from curation.utf8 import code_point, last_start, lower

LINE_COUNTS = (
    "lines",
    "full_lines",
    "blank_lines",
    "bullet_lines",
    "ellipsis_lines",
    "terminal_lines",
    "short_lines",
    "duplicate_full_lines",
    "duplicate_full_line_chars",
    "duplicate_blank_lines",
    "duplicate_blank_line_chars",
    "paragraphs",
    "duplicate_paragraphs",
    "duplicate_paragraph_chars",
    "clean_lines",
    "sentences",
    "lorem_ipsums",
    "curly_brackets",
)
"""The columns of `count_lines`. `lines` are those of `str.splitlines`; `full_lines` hold more than white space, and
`blank_lines` white space alone (an empty line is neither)."""

_MIN_LINE_WORDS: Final = 3
_MAX_LINE_WORD: Final = 1000
_BASIS: Final = np.uint64(0xCBF29CE484222325)
_PRIME: Final = np.uint64(0x100000001B3)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_DOT: Final = 0x2E
_BRACKET: Final = 0x5D
_CLEAN: Final = TERMINAL | WIDE_TERMINAL | QUOTE
_LOREM_IPSUM: Final = np.frombuffer(b"lorem ipsum", dtype=np.uint8)
_JAVASCRIPT: Final = np.frombuffer(b"javascript", dtype=np.uint8)
_EDIT: Final = np.frombuffer(b"[edit]", dtype=np.uint8)
_CITATION_NEEDED: Final = np.frombuffer(b"[citation needed]", dtype=np.uint8)
_TERMS: Final = np.frombuffer(b"terms of use", dtype=np.uint8)
_PRIVACY: Final = np.frombuffer(b"privacy policy", dtype=np.uint8)
_COOKIE: Final = np.frombuffer(b"cookie policy", dtype=np.uint8)
_USES: Final = np.frombuffer(b"uses cookies", dtype=np.uint8)
_USE_OF: Final = np.frombuffer(b"use of cookies", dtype=np.uint8)
_USE: Final = np.frombuffer(b"use cookies", dtype=np.uint8)
_SCRIPT: Final = 1
_POLICY: Final = 2

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


class Text(NamedTuple):
    """A text is bytes `start` to `end`; its longest word has so many bytes."""

    start: int
    end: int
    is_ascii: bool
    longest_word: int


class Seen(NamedTuple):
    """What stood before: four rows of at least `slots` places, a power of two, twice as many as lines. Places with another
    `stamp` are empty."""

    rows: Hashes
    slots: int
    stamp: np.uint64


def room_for_lines(lines: int) -> Hashes:
    """What `Seen` holds for so many lines."""
    return np.zeros((4, max(16, 4 * lines)), np.uint64)


@piece
def count_lines(
    data: Bytes, text: Text, short_line: int, flags: Flags, marks: Bitmaps, before: Seen, counts: Ints
) -> None:
    """Lines and paragraphs of a text, compared as they stand but for their breaks; empty lines part paragraphs."""
    start, end, is_ascii, longest_word = text
    seen, slots, stamp = before
    key, chars_of_paragraph, is_full = _BASIS, -1, False
    i, size = 0, end - start
    while i < size:
        begin = i
        stop = next_set(marks, BREAKS, begin, size)
        i = min(stop + 1, size)
        if stop < size:
            stop = _before_break(data, start + begin, start + stop) - start
        first = next_set(marks, INK, begin, stop)
        full = first < stop
        counts[0] += 1
        chars = 0
        if stop > begin:
            chars = stop - begin if is_ascii else count_set(marks, FIRSTS, begin, stop)
            line = word_hash(data, start + begin, start + stop, _BASIS, 0)
            again = _seen_before(seen, 0, slots, stamp, line)
            counts[1 if full else 2] += 1
            if again:
                counts[7 if full else 9] += 1
                counts[8 if full else 10] += chars
            key, chars_of_paragraph = (key ^ line) * _PRIME, chars_of_paragraph + chars + 1
            is_full = is_full or full
        if full:
            counts[6] += chars <= short_line
            last = stop if is_set(marks, INK, stop - 1) else last_set(marks, INK, first, stop) + 1
            begins = _first_flag(data, start + first, flags)
            ends = _last_flag(data, start + first, start + last, flags)
            dotted = _ends_in_ellipsis(data, start + first, start + last)
            counts[3] += begins & BULLET != 0
            counts[4] += dotted
            counts[5] += ends & (TERMINAL | WIDE_TERMINAL) != 0
            if data[start + last - 1] == _BRACKET or (ends & _CLEAN != 0 and not dotted):
                _look_at_line(data, start, first, last, longest_word, flags, marks, counts)
        if chars_of_paragraph >= 0 and (stop == begin or i >= size):
            if is_full:
                counts[11] += 1
                if _seen_before(seen, 2, slots, stamp, key):
                    counts[12] += 1
                    counts[13] += chars_of_paragraph
            key, chars_of_paragraph, is_full = _BASIS, -1, False


@inlined
def _before_break(data: Bytes, begin: int, last: int) -> int:
    """Where a line from `begin` ends whose break has its last byte at `last`."""
    byte = int(data[last])
    if byte >= 0x80:
        return last - 1 if byte == 0x85 else last - 2
    return last - 1 if byte == 0x0A and last > begin and data[last - 1] == 0x0D else last


@piece
def _seen_before(tables: Hashes, which: int, slots: int, stamp: np.uint64, key: np.uint64) -> bool:
    """Put a key into an open hash table, which is a row of keys and one of stamps; slots with another stamp are empty, so that
    no text clears the table."""
    mask = np.uint64(slots - 1)
    slot = ((key * _SPREAD) >> np.uint64(32)) & mask
    while tables[which + 1, slot] == stamp:
        if tables[which, slot] == key:
            return True
        slot = (slot + np.uint64(1)) & mask
    tables[which + 1, slot] = stamp
    tables[which, slot] = key
    return False


@piece
def _look_at_line(
    data: Bytes, start: int, first: int, last: int, longest_word: int, flags: Flags, marks: Bitmaps, counts: Ints
) -> None:
    """Whether C4 keeps a line with text, by the order of the code that made C4.

    Without its white space it is bytes `first` to `last` of the text that starts at `start`.
    """
    cut = _before_citations(data, start + first, start + last)
    if cut == start + first or not _last_flag(data, start + first, cut, flags) & _CLEAN:
        return
    if _ends_in_ellipsis(data, start + first, cut) or count_set(marks, STARTS, first, last) < _MIN_LINE_WORDS:
        return
    if (
        longest_word > _MAX_LINE_WORD
        and last - first > _MAX_LINE_WORD
        and _longest(marks, first, last) > _MAX_LINE_WORD
    ):
        return
    found, brackets, lorems = _phrases(data, start, first, last, marks)
    counts[16] += lorems
    if not found & _SCRIPT:
        counts[17] += brackets
        if not found & _POLICY:
            counts[14] += 1
            counts[15] += _sentences(data, start, first, last, flags, marks)


@inlined
def _flag(flags: Flags, code: int) -> int:
    return int(flags[code]) if code < len(flags) else 0


@inlined
def _first_flag(data: Bytes, i: int, flags: Flags) -> int:
    """The flags of the character that starts at byte i."""
    code = int(data[i])
    if code >= 0x80:
        code, _ = code_point(data, i)
    return _flag(flags, code)


@inlined
def _last_flag(data: Bytes, first: int, last: int, flags: Flags) -> int:
    """The flags of the last character of data[first:last], which is not empty."""
    code = int(data[last - 1])
    if code >= 0x80:
        code, _ = code_point(data, last_start(data, first, last))
    return _flag(flags, code)


@piece
def _before_citations(data: Bytes, first: int, last: int) -> int:
    """Where a line ends without the citations at its end: `[12]`, `[]`, `[edit]`, `[citation needed]`."""
    while last - first >= 2 and data[last - 1] == _BRACKET:
        i = last - 2
        while i >= first and 0x30 <= data[i] <= 0x39:
            i -= 1
        if i >= first and data[i] == 0x5B:
            last = i
        elif _is(data, first, last, _EDIT):
            last -= len(_EDIT)
        elif _is(data, first, last, _CITATION_NEEDED):
            last -= len(_CITATION_NEEDED)
        else:
            break
    return last


@piece
def _is(data: Bytes, first: int, last: int, word: Bytes) -> bool:
    """Whether data[first:last] ends with the word as it is written."""
    k = 0
    if last - first >= len(word):
        while k < len(word) and data[last - len(word) + k] == word[k]:
            k += 1
    return k == len(word)


@inlined
def _ends_in_ellipsis(data: Bytes, first: int, last: int) -> bool:
    c = int(data[last - 1])
    if (c != _DOT and c != 0xA6) or last - first < 3:
        return False
    a, b = int(data[last - 3]), int(data[last - 2])
    return (a == b == c) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@piece
def _longest(marks: Bitmaps, first: int, last: int) -> int:
    """The characters of the longest word of a line."""
    longest, p = 0, first
    while p < last:
        stop = next_set(marks, EDGES, p + 1, last)
        if is_set(marks, INK, p):
            longest = max(longest, count_set(marks, FIRSTS, p, stop))
        p = stop
    return longest


@piece
def _sentences(data: Bytes, start: int, first: int, last: int, flags: Flags, marks: Bitmaps) -> int:
    """The sentences of a line.

    One ends with a terminal mark before white space, closing quotes and brackets allowed in between; the full-width
    marks of Chinese and Japanese end one wherever they stand. What is left at the end is one more.
    """
    count, left = 0, first
    p = next_set(marks, ENDS, first, last)
    while p < last:
        code, width = code_point(data, start + p)
        p += width
        if _flag(flags, code) & WIDE_TERMINAL:
            count, left = count + 1, p
        else:
            while p < last:
                code, width = code_point(data, start + p)
                if not _flag(flags, code) & (TERMINAL | CLOSER):
                    break
                p += width
            if p < last and not is_set(marks, INK, p):
                count, left = count + 1, p
        p = next_set(marks, ENDS, p, last)
    while left < last:
        code, width = code_point(data, start + left)
        if not _flag(flags, code) & (SPACE | CLOSER):
            return count + 1
        left += width
    return count


@piece
def _phrases(data: Bytes, start: int, first: int, last: int, marks: Bitmaps) -> tuple[int, int, int]:
    """What a line speaks of (bits of _SCRIPT and _POLICY), its opening curly brackets, and its `lorem ipsum`s."""
    found = brackets = lorems = 0
    end = start + last
    p = next_set(marks, SOUGHT, first, last)
    while p < last:
        i = start + p
        byte = lower(data[i])
        if byte == 0x7B:
            brackets += 1
        elif byte == 0x6A:
            found |= _SCRIPT * _spells(data, i, end, _JAVASCRIPT)
        elif byte == 0x6C:
            lorems += _spells(data, i, end, _LOREM_IPSUM)
        elif byte == 0x74:
            found |= _POLICY * _spells(data, i, end, _TERMS)
        elif byte == 0x70:
            found |= _POLICY * _spells(data, i, end, _PRIVACY)
        elif byte == 0x63:
            found |= _POLICY * _spells(data, i, end, _COOKIE)
        else:
            is_policy = _spells(data, i, end, _USES) or _spells(data, i, end, _USE_OF) or _spells(data, i, end, _USE)
            found |= _POLICY * is_policy
        p = next_set(marks, SOUGHT, p + 1, last)
    return found, brackets, lorems


@piece
def _spells(data: Bytes, i: int, end: int, word: Bytes) -> bool:
    """Whether the word, all in lower case, stands at byte i in any case."""
    if end - i < len(word):
        return False
    k = 0
    while k < len(word) and lower(data[i + k]) == word[k]:
        k += 1
    return k == len(word)
