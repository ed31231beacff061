"""Patterns of whole words in a line, found in one scan in any case, compiled by Numba.

The meaning of the flags stands here, because cached machine code is thrown away only when the file changes that it was
made from; `curation.line_characters` holds the table.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, piece
from curation.utf8 import code_point, last_start

SPACE: Final = 1
BREAK: Final = 2
WORD: Final = 4
UPPER: Final = 8
DIGIT: Final = 16
MARK: Final = 32
PAIRS: Final = 64
FOURS: Final = 128
_AT_START: Final = 0
_AT_END: Final = 1

Bytes = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


class Sought(NamedTuple):
    """What is looked for: folded code points end to end and where each one starts, for patterns with the place in the line
    where each stands; of C4's phrases the bytes, and the kind of each; of counters' nouns the hashes."""

    patterns: Codes
    pattern_starts: Ints
    pattern_places: Ints
    phrases: Bytes
    phrase_starts: Ints
    phrase_kinds: Ints
    nouns: Hashes
    max_uppercase: float
    short_words: int
    short_chars: int


@inlined
def flag_of(flags: Bytes, code: int) -> int:
    """The flags of a code point."""
    return int(flags[code]) if code < len(flags) else 0


@inlined
def fold_of(folds: Codes, code: int) -> int:
    """The small letter of a code point."""
    return int(folds[code]) if code < len(folds) else code


@piece
def match(line: Bytes, size: int, flags: Bytes, folds: Codes, sought: Sought) -> tuple[int, int]:
    """The bytes to cut for the leftmost pattern, of those at one place the first in the settings; none: equal numbers."""
    patterns, starts, places = sought.patterns, sought.pattern_starts, sought.pattern_places
    before, is_first = 0, True
    i = 0
    while i < size:
        code, width = code_point(line, i)
        flag = flag_of(flags, code)
        if flag & WORD:
            if _parted(before, flag):
                small = fold_of(folds, code)
                for k in range(len(places)):
                    if patterns[starts[k]] != small:
                        continue
                    stop = _spelt(line, i, size, flags, folds, patterns, starts[k], starts[k + 1])
                    if stop:
                        if places[k] == _AT_START and is_first:
                            return 0, _skipped(line, stop, size, flags, SPACE)
                        if places[k] == _AT_END and _skipped(line, stop, size, flags, 0) == size:
                            return _before_space(line, i, flags), size
                        if places[k] != _AT_START and places[k] != _AT_END:
                            return i, stop
            is_first = False
        before = flag
        i += width
    return 0, 0


@inlined
def _parted(flag: int, other: int) -> bool:
    """Whether a word ends between two characters."""
    return flag & WORD == 0 or other & WORD == 0 or (flag | other) & (PAIRS | FOURS) != 0


@piece
def _spelt(line: Bytes, i: int, size: int, flags: Bytes, folds: Codes, patterns: Codes, at: int, end: int) -> int:
    """Where patterns[at:end] ends if it stands at byte i as whole words, else 0; a blank of it is any white space."""
    flag = 0
    while at < end:
        if i >= size:
            return 0
        code, width = code_point(line, i)
        flag = flag_of(flags, code)
        if patterns[at] == 0x20:
            if flag & SPACE == 0:
                return 0
            i = _skipped(line, i, size, flags, SPACE)
        elif fold_of(folds, code) == patterns[at]:
            i += width
        else:
            return 0
        at += 1
    if i < size:
        code, _ = code_point(line, i)
        if not _parted(flag, flag_of(flags, code)):
            return 0
    return i


@piece
def _skipped(line: Bytes, i: int, size: int, flags: Bytes, wanted: int) -> int:
    """The first byte from i on that is not of these flags; with none wanted, the first that is of a word."""
    while i < size:
        code, width = code_point(line, i)
        flag = flag_of(flags, code)
        if (wanted and flag & wanted == 0) or (not wanted and flag & WORD):
            break
        i += width
    return i


@piece
def _before_space(line: Bytes, i: int, flags: Bytes) -> int:
    """Where the white space before byte i begins."""
    while i > 0:
        j = last_start(line, 0, i)
        code, _ = code_point(line, j)
        if flag_of(flags, code) & SPACE == 0:
            break
        i = j
    return i
