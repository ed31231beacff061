"""The passes over UTF-8 bytes that count what the quality signals are made of, compiled by Numba.

Python's own string methods would need a second for each 5 MB of text. Three short passes over a document that lies in
the cache (words, lines, phrases) give about 150 MB/s a core together, and each can be read by itself. Letters, white
space and line ends are Unicode's: `curation.quality_characters` holds the table. The meaning of its bits stands here,
because cached machine code is thrown away only when this file changes.

The compiled code is cached on disk beside this module; only the first use on a machine pays for compiling.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from curation.deduplication.compilation import compiled

SPACE: Final = 1
ALPHA: Final = 2
BREAK: Final = 4
TERMINAL: Final = 8
CLOSER: Final = 16
WIDE_TERMINAL: Final = 32
BULLET: Final = 64
QUOTE: Final = 128

COUNTS = (
    "chars",
    "words",
    "word_chars",
    "alpha_words",
    "hashes",
    "ellipses",
    "stop_words",
    "lines",
    "bullet_lines",
    "ellipsis_lines",
    "full_lines",
    "duplicate_lines",
    "duplicate_line_chars",
    "paragraphs",
    "duplicate_paragraphs",
    "duplicate_paragraph_chars",
    "clean_lines",
    "sentences",
    "curly_brackets",
    "lorem_ipsums",
)
"""The columns of `count`'s answer. `lines` are those of `str.splitlines`, `full_lines` those that are not blank."""

_COLUMNS: Final = len(COUNTS)
_MIN_LINE_WORDS: Final = 3
_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_DOT: Final = 0x2E
_ELLIPSIS: Final = 0x2026
_JAVASCRIPT: Final = np.frombuffer(b"javascript", dtype=np.uint8)
_LOREM_IPSUM: Final = np.frombuffer(b"lorem ipsum", dtype=np.uint8)

P = ParamSpec("P")
R = TypeVar("R")
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def _inlined(function: Callable[P, R]) -> Callable[P, R]:
    """Put the function's code where it is called: as a call, decoding takes five times as long."""
    return cast(Callable[P, R], numba.njit(inline="always")(function))


def hash_words(words: tuple[str, ...]) -> Hashes:
    """The hashes that `count` knows its stop words by."""
    return np.array([_hash(np.frombuffer(word.encode(), np.uint8), 0, len(word.encode())) for word in words], np.uint64)


@compiled
def count(data: Bytes, offsets: Ints, flags: Bytes, stop_words: Hashes, longest_stop_word: int) -> Ints:
    """What `COUNTS` names, a row per text: text i is data[offsets[i] : offsets[i + 1]], valid UTF-8."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COLUMNS), np.int64)
    slots = 16
    while slots < 2 * _most_lines(data, offsets):
        slots *= 2
    seen = np.zeros((4, slots), np.uint64)
    for row in range(rows):
        start, end = offsets[row], offsets[row + 1]
        _count_words(data, start, end, flags, stop_words, longest_stop_word, counts[row])
        _count_lines(data, start, end, flags, seen, np.uint64(row + 1), counts[row])
        _count_phrases(data, start, end, counts[row])
    return counts


@_inlined
def _code_point(data: Bytes, i: int) -> tuple[int, int]:
    """The code point that starts at byte i, and how many bytes it takes."""
    first = int(data[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | int(data[i + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (int(data[i + 1]) & 0x3F) << 6 | int(data[i + 2]) & 0x3F, 3
    high = (first & 0x07) << 18 | (int(data[i + 1]) & 0x3F) << 12
    return high | (int(data[i + 2]) & 0x3F) << 6 | int(data[i + 3]) & 0x3F, 4


@_inlined
def _flag(flags: Bytes, code: int) -> int:
    return int(flags[code]) if code < len(flags) else 0


@compiled
def _most_lines(data: Bytes, offsets: Ints) -> int:
    """At least as many as the lines of the text that has most: each byte that a line break can end with counts."""
    most = 0
    for row in range(len(offsets) - 1):
        lines = 1
        for i in range(offsets[row], offsets[row + 1]):
            byte = data[i]
            lines += byte <= 0x1E or byte == 0x85 or byte == 0xA8 or byte == 0xA9
        most = max(most, lines)
    return most


@compiled
def _lower(byte: int) -> int:
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte


@compiled
def _hash(data: Bytes, start: int, end: int) -> np.uint64:
    """FNV-1a of the bytes, with A to Z as a to z."""
    value = _FNV_BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(_lower(data[i]))) * _FNV_PRIME
    return value


@compiled
def _spells(data: Bytes, i: int, end: int, word: Bytes) -> bool:
    """Whether the word, all in lower case, stands at byte i in any case."""
    if end - i < len(word):
        return False
    k = 0
    while k < len(word) and _lower(data[i + k]) == word[k]:
        k += 1
    return k == len(word)


@compiled
def _stop_word(data: Bytes, start: int, end: int, stop_words: Hashes) -> int:
    """The bit of the stop word that these bytes spell, 0 if they spell none."""
    value = _hash(data, start, end)
    for k in range(len(stop_words)):
        if stop_words[k] == value:
            return 1 << k
    return 0


@compiled
def _bits(mask: int) -> int:
    total = 0
    while mask:
        mask &= mask - 1
        total += 1
    return total


@compiled
def _count_words(
    data: Bytes, start: int, end: int, flags: Bytes, stop_words: Hashes, longest_stop_word: int, counts: Ints
) -> None:
    """Words are what white space parts; chars, words, word_chars, alpha_words, hashes, ellipses, stop_words."""
    chars = words = word_chars = alpha_words = hashes = ellipses = found = 0
    word_start, letters, dots = -1, 0, 0
    i = start
    while i < end:
        code, width = _code_point(data, i)
        flag = _flag(flags, code)
        chars += 1
        if flag & SPACE:
            if word_start >= 0:
                alpha_words += letters != 0
                if i - word_start <= longest_stop_word:
                    found |= _stop_word(data, word_start, i, stop_words)
                word_start = -1
            dots = 0
        else:
            if word_start < 0:
                word_start, letters = i, 0
                words += 1
            word_chars += 1
            letters |= flag & ALPHA
            hashes += code == 0x23
            dots = dots + 1 if code == _DOT else 0
            if dots == 3 or code == _ELLIPSIS:
                ellipses += 1
                dots = 0
        i += width
    if word_start >= 0:
        alpha_words += letters != 0
        if end - word_start <= longest_stop_word:
            found |= _stop_word(data, word_start, end, stop_words)
    counts[0], counts[1], counts[2], counts[3] = chars, words, word_chars, alpha_words
    counts[4], counts[5], counts[6] = hashes, ellipses, _bits(found)


@_inlined
def _breaks(data: Bytes, i: int, end: int, flag: int) -> bool:
    """Whether a line ends with the character at byte i; of a carriage return and a line feed it is the second."""
    return flag & BREAK != 0 and not (data[i] == 0x0D and i + 1 < end and data[i + 1] == 0x0A)


@compiled
def _next_line(data: Bytes, start: int, end: int, flags: Bytes) -> tuple[int, int, int, int]:
    """A line from byte `start`: where the next one starts; first and last+1 byte of its stripped text; its characters."""
    first, last, chars, upto = -1, start, 0, 0
    i = start
    while i < end:
        code, width = _code_point(data, i)
        flag = _flag(flags, code)
        if flag & SPACE == 0:
            if first < 0:
                first, chars = i, 0
            last, upto = i + width, chars + 1
        chars += 1
        stop = _breaks(data, i, end, flag)
        i += width
        if stop:
            break
    return i, (start if first < 0 else first), last, upto


@compiled
def _seen_before(keys: Hashes, stamps: Hashes, stamp: np.uint64, key: np.uint64) -> bool:
    """Put a key into an open hash table; slots with another stamp are empty, so that no text clears the table."""
    mask = np.uint64(len(keys) - 1)
    slot = ((key * _SPREAD) >> np.uint64(32)) & mask
    while stamps[slot] == stamp:
        if keys[slot] == key:
            return True
        slot = (slot + np.uint64(1)) & mask
    stamps[slot] = stamp
    keys[slot] = key
    return False


@compiled
def _count_lines(data: Bytes, start: int, end: int, flags: Bytes, seen: Hashes, stamp: np.uint64, counts: Ints) -> None:
    """Lines and paragraphs, from `lines` to `sentences` in COUNTS. Lines count as stripped; blank lines part paragraphs."""
    key, size = _FNV_BASIS, 0
    i = start
    while i < end:
        i, first, last, chars = _next_line(data, i, end, flags)
        counts[7] += 1
        if chars:
            counts[10] += 1
            code, _ = _code_point(data, first)
            counts[8] += _flag(flags, code) & BULLET != 0
            counts[9] += _ends_in_ellipsis(data, first, last)
            line = _hash_exact(data, first, last)
            if _seen_before(seen[0], seen[1], stamp, line):
                counts[11] += 1
                counts[12] += chars
            key, size = (key ^ line) * _FNV_PRIME, size + chars
            if _ends_a_sentence(data, first, last, flags) and not _mentions(data, first, last, _JAVASCRIPT):
                words, ends = _sentence_ends(data, first, last, flags)
                counts[16] += words >= _MIN_LINE_WORDS
                counts[17] += ends if words >= _MIN_LINE_WORDS else 0
        if size and (not chars or i >= end):
            counts[13] += 1
            if _seen_before(seen[2], seen[3], stamp, key):
                counts[14] += 1
                counts[15] += size
            key, size = _FNV_BASIS, 0


@compiled
def _hash_exact(data: Bytes, start: int, end: int) -> np.uint64:
    """FNV-1a of the bytes as they are."""
    value = _FNV_BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(data[i])) * _FNV_PRIME
    return value


@compiled
def _ends_in_ellipsis(data: Bytes, first: int, last: int) -> bool:
    if last - first < 3:
        return False
    a, b, c = int(data[last - 3]), int(data[last - 2]), int(data[last - 1])
    return (a == b == c == _DOT) or (a == 0xE2 and b == 0x80 and c == 0xA6)


@compiled
def _ends_a_sentence(data: Bytes, first: int, last: int, flags: Bytes) -> bool:
    """Whether a line's last character is a terminal mark or a quotation mark, or closes a bracket after such a mark."""
    flag = CLOSER
    i = last
    while i > first and flag & CLOSER and not flag & QUOTE:
        i -= 1
        while data[i] & 0xC0 == 0x80:
            i -= 1
        code, _ = _code_point(data, i)
        flag = _flag(flags, code)
    return flag & (TERMINAL | WIDE_TERMINAL | QUOTE) != 0


@compiled
def _sentence_ends(data: Bytes, first: int, last: int, flags: Bytes) -> tuple[int, int]:
    """The words of a line, and how many sentences end in it.

    A sentence ends with a terminal mark before white space or the line's end, closing quotes and brackets allowed in
    between; the full-width marks of Chinese and Japanese end one wherever they stand.
    """
    words = ends = 0
    inside = terminal = False
    i = first
    while i < last:
        code, width = _code_point(data, i)
        flag = _flag(flags, code)
        if flag & SPACE:
            ends += terminal
            inside = terminal = False
        else:
            words += not inside
            inside = True
            ends += flag & WIDE_TERMINAL != 0
            terminal = flag & TERMINAL != 0 or (flag & CLOSER != 0 and terminal)
        i += width
    return words, ends + terminal


@compiled
def _mentions(data: Bytes, first: int, last: int, word: Bytes) -> bool:
    i = first
    while i < last and not _spells(data, i, last, word):
        i += 1
    return i < last


@compiled
def _count_phrases(data: Bytes, start: int, end: int, counts: Ints) -> None:
    """What C4 takes for code and for filler: curly_brackets and lorem_ipsums."""
    for i in range(start, end):
        byte = data[i]
        if byte == 0x7B:
            counts[18] += 1
        elif byte | 0x20 == 0x6C and _spells(data, i, end, _LOREM_IPSUM):
            counts[19] += 1
