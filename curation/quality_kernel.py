"""The passes over UTF-8 bytes that count what the quality signals are made of, compiled by Numba.

Python's own string methods would need a second for each 5 MB of text. Two short passes over a document that lies in the
cache (words, then lines) can each be read by themselves. Letters, white space, sentence ends and line ends are Unicode's:
`curation.quality_characters` holds the table. The meaning of its bits stands here, because cached machine code is thrown
away only when this file changes. The first pass leaves a hash of each word for `curation.repetition_kernel`.

The compiled code is cached on disk beside this module; only the first use on a machine pays for compiling.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, inlined

SPACE: Final = 1
ALPHA: Final = 2
BREAK: Final = 4
TERMINAL: Final = 8
CLOSER: Final = 16
WIDE_TERMINAL: Final = 32
BULLET: Final = 64
QUOTE: Final = 128
ALNUM: Final = 256
PAIRS: Final = 512
FOURS: Final = 1024

WORD_COUNTS = (
    "chars",
    "breaks",
    "words",
    "pieces",
    "plain_words",
    "plain_word_chars",
    "alpha_words",
    "hashes",
    "ellipses",
    "stop_words",
)
"""The columns of `count_words`. `pieces` are words cut from scripts without spaces, `plain_words` hold a letter or digit."""

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
_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_DOT: Final = 0x2E
_ELLIPSIS: Final = 0x2026
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

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.uint16]
Ints = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


def hash_words(words: tuple[str, ...]) -> Hashes:
    """The hashes that `count_words` knows its stop words by."""
    return np.array([_hash(np.frombuffer(word.encode(), np.uint8), 0, len(word.encode())) for word in words], np.uint64)


@compiled
def count_words(
    data: Bytes, offsets: Ints, flags: Flags, stop_words: Hashes, longest_stop_word: int
) -> tuple[Ints, Ints, Hashes, Lengths]:
    """What `WORD_COUNTS` names, a row per text; where each text's words begin, and each word's hash and characters.

    Text i is data[offsets[i] : offsets[i + 1]], valid UTF-8.
    """
    rows = len(offsets) - 1
    counts = np.zeros((rows, len(WORD_COUNTS)), np.int64)
    starts = np.zeros(rows + 1, np.int64)
    most = (offsets[rows] - offsets[0]) // 2 + rows + 1
    hashes, lengths = np.empty(most, np.uint64), np.empty(most, np.int32)
    for row in range(rows):
        first = starts[row]
        words = _count_words(
            data,
            offsets[row],
            offsets[row + 1],
            flags,
            stop_words,
            longest_stop_word,
            counts[row],
            hashes,
            lengths,
            first,
        )
        starts[row + 1] = first + words
    return counts, starts, hashes, lengths


@compiled
def count_lines(data: Bytes, offsets: Ints, flags: Flags, short_line: int) -> Ints:
    """What `LINE_COUNTS` names, a row per text."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, len(LINE_COUNTS)), np.int64)
    slots = 16
    while slots < 2 * _most_lines(data, offsets):
        slots *= 2
    seen = np.zeros((4, slots), np.uint64)
    for row in range(rows):
        _count_lines(data, offsets[row], offsets[row + 1], flags, short_line, seen, np.uint64(row + 1), counts[row])
    return counts


@inlined
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


@inlined
def _flag(flags: Flags, code: int) -> int:
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


@inlined
def _piece(flag: int) -> int:
    """How many such characters make a word; 0 where white space parts words."""
    return 2 if flag & PAIRS else 4 if flag & FOURS else 0


@compiled
def _count_words(
    data: Bytes,
    start: int,
    end: int,
    flags: Flags,
    stop_words: Hashes,
    longest_stop_word: int,
    counts: Ints,
    hashes: Hashes,
    lengths: Lengths,
    at: int,
) -> int:
    """The words of one text, which white space parts, or the length of a piece; returns how many they are."""
    chars = breaks = words = pieces = plain = plain_chars = alpha = signs = ellipses = found = dots = 0
    inside, size, kind, seen, first, key = False, 0, 0, 0, start, _FNV_BASIS
    i = start
    while i <= end:
        code, width, flag = 0x20, 1, SPACE
        if i < end:
            code, width = _code_point(data, i)
            flag = _flag(flags, code)
            chars += 1
            breaks += code == 0x0A
        piece = _piece(flag)
        if inside and (flag & SPACE or piece != kind or (kind and size == kind)):
            hashes[at + words], lengths[at + words] = key, size
            words += 1
            pieces += kind != 0
            alpha += seen & ALPHA != 0
            if seen & ALNUM:
                plain += 1
                plain_chars += size
            if i - first <= longest_stop_word:
                found |= _stop_word(data, first, i, stop_words)
            inside = False
        if flag & SPACE:
            dots = 0
        else:
            if not inside:
                inside, size, kind, seen, first, key = True, 0, piece, 0, i, _FNV_BASIS
            size += 1
            seen |= flag
            key = (key ^ np.uint64(code)) * _FNV_PRIME
            signs += code == 0x23
            dots = dots + 1 if code == _DOT else 0
            if dots == 3 or code == _ELLIPSIS:
                ellipses += 1
                dots = 0
        i += width
    for column, count in enumerate(
        (chars, breaks, words, pieces, plain, plain_chars, alpha, signs, ellipses, _bits(found))
    ):
        counts[column] = count
    return words


@inlined
def _breaks(data: Bytes, i: int, end: int, flag: int) -> bool:
    """Whether a line ends with the character at byte i; of a carriage return and a line feed it is the second."""
    return flag & BREAK != 0 and not (data[i] == 0x0D and i + 1 < end and data[i + 1] == 0x0A)


@compiled
def _next_line(data: Bytes, start: int, end: int, flags: Flags) -> tuple[int, int, int, int, int]:
    """A line from byte `start`: where the next one starts; where this one ends, without its break; first and last+1 byte
    of its stripped text (equal when there is none); the characters of the line."""
    first, last, chars, size = start, start, 0, 0
    i = start
    while i < end:
        code, width = _code_point(data, i)
        flag = _flag(flags, code)
        if _breaks(data, i, end, flag):
            ends_twice = code == 0x0A and i > start and data[i - 1] == 0x0D
            return i + width, i - ends_twice, first, last, chars - ends_twice
        chars += 1
        i += width
        if flag & SPACE == 0:
            if last == start and size == 0:
                first, size = i - width, 1
            last = i
    return i, i, first, last, chars


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
def _count_lines(
    data: Bytes, start: int, end: int, flags: Flags, short_line: int, seen: Hashes, stamp: np.uint64, counts: Ints
) -> None:
    """Lines and paragraphs, compared as they stand but for their breaks; empty lines part paragraphs."""
    key, size, is_full = _FNV_BASIS, -1, False
    i = start
    while i < end:
        begin = i
        i, stop, first, last, chars = _next_line(data, i, end, flags)
        full = last > first
        counts[0] += 1
        if stop > begin:
            line = _hash_exact(data, begin, stop)
            again = _seen_before(seen[0], seen[1], stamp, line)
            counts[1 if full else 2] += 1
            if again:
                counts[7 if full else 9] += 1
                counts[8 if full else 10] += chars
            key, size, is_full = (key ^ line) * _FNV_PRIME, size + chars + 1, is_full or full
        if full:
            counts[6] += chars <= short_line
            _look_at_line(data, first, last, flags, counts)
        if size >= 0 and (stop == begin or i >= end):
            if is_full:
                counts[11] += 1
                if _seen_before(seen[2], seen[3], stamp, key):
                    counts[12] += 1
                    counts[13] += size
            key, size, is_full = _FNV_BASIS, -1, False


@compiled
def _look_at_line(data: Bytes, first: int, last: int, flags: Flags, counts: Ints) -> None:
    """How a line with text begins and ends, and whether C4 keeps it, by the order of the code that made C4."""
    code, _ = _code_point(data, first)
    counts[3] += _flag(flags, code) & BULLET != 0
    counts[4] += _ends_in_ellipsis(data, first, last)
    counts[5] += _last_flag(data, first, last, flags) & (TERMINAL | WIDE_TERMINAL) != 0
    cut = _before_citations(data, first, last)
    if cut == first or not _last_flag(data, first, cut, flags) & (TERMINAL | WIDE_TERMINAL | QUOTE):
        return
    if _ends_in_ellipsis(data, first, cut):
        return
    words, longest, sentences = _sentences(data, first, last, flags)
    if words < _MIN_LINE_WORDS or longest > _MAX_LINE_WORD:
        return
    found, brackets, lorems = _phrases(data, first, last)
    counts[16] += lorems
    if not found & _SCRIPT:
        counts[17] += brackets
        if not found & _POLICY:
            counts[14] += 1
            counts[15] += sentences


@compiled
def _last_flag(data: Bytes, first: int, last: int, flags: Flags) -> int:
    """The flags of the last character of data[first:last], which is not empty."""
    i = last - 1
    while i > first and data[i] & 0xC0 == 0x80:
        i -= 1
    code, _ = _code_point(data, i)
    return _flag(flags, code)


@compiled
def _before_citations(data: Bytes, first: int, last: int) -> int:
    """Where a line ends without the citations at its end: `[12]`, `[]`, `[edit]`, `[citation needed]`."""
    while last - first >= 2 and data[last - 1] == 0x5D:
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


@compiled
def _is(data: Bytes, first: int, last: int, word: Bytes) -> bool:
    """Whether data[first:last] ends with the word as it is written."""
    k = 0
    if last - first >= len(word):
        while k < len(word) and data[last - len(word) + k] == word[k]:
            k += 1
    return k == len(word)


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
def _sentences(data: Bytes, first: int, last: int, flags: Flags) -> tuple[int, int, int]:
    """The words of a line, the characters of the longest, and its sentences.

    A sentence ends with a terminal mark before white space, closing quotes and brackets allowed in between; the
    full-width marks of Chinese and Japanese end one wherever they stand. What is left at the end is one more.
    """
    words = longest = size = kind = ends = 0
    inside = terminal = open_ = False
    i = first
    while i < last:
        code, width = _code_point(data, i)
        flag = _flag(flags, code)
        if flag & SPACE:
            if terminal:
                ends += 1
                open_ = False
            inside = terminal = False
        else:
            piece = _piece(flag)
            if not inside or piece != kind or (kind and size == kind):
                words += 1
                size, kind = 0, piece
            size += 1
            longest = max(longest, size)
            inside = True
            if flag & WIDE_TERMINAL:
                ends += 1
                open_ = terminal = False
            else:
                terminal = flag & TERMINAL != 0 or (flag & CLOSER != 0 and terminal)
                open_ = open_ or flag & CLOSER == 0
        i += width
    return words, longest, ends + open_


@compiled
def _phrases(data: Bytes, first: int, last: int) -> tuple[int, int, int]:
    """What a line speaks of (bits of _SCRIPT and _POLICY), its opening curly brackets, and its `lorem ipsum`s."""
    found = brackets = lorems = 0
    for i in range(first, last):
        byte = _lower(data[i])
        if byte == 0x7B:
            brackets += 1
        elif byte == 0x6A:
            found |= _SCRIPT * _spells(data, i, last, _JAVASCRIPT)
        elif byte == 0x6C:
            lorems += _spells(data, i, last, _LOREM_IPSUM)
        elif byte == 0x74:
            found |= _POLICY * _spells(data, i, last, _TERMS)
        elif byte == 0x70:
            found |= _POLICY * _spells(data, i, last, _PRIVACY)
        elif byte == 0x63:
            found |= _POLICY * _spells(data, i, last, _COOKIE)
        elif byte == 0x75:
            is_policy = _spells(data, i, last, _USES) or _spells(data, i, last, _USE_OF) or _spells(data, i, last, _USE)
            found |= _POLICY * is_policy
    return found, brackets, lorems
