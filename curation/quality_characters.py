"""What each character is to the quality signals: a word of flags for each code point.

Letters, digits, white space and line ends are Unicode's, as `str.isalpha`, `str.isalnum`, `str.split` and
`str.splitlines` see them. A mark that ends sentences is one of Unicode's property Sentence_Terminal (UAX 44): white space
must follow it, but for the full-width marks of Chinese and Japanese, which stand close to the next sentence.

Some scripts put no spaces between words. Where words are counted, such text is cut into pieces of a fixed number of
characters, near the mean length of a word: two in Chinese and Japanese, four in Thai, Lao, Burmese and Khmer. That is no
dictionary's segmentation; it makes counts and repetition comparable, and rules on the words themselves do not look at it.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np

from curation.quality_marks import (
    ALNUM,
    ALPHA,
    BREAK,
    BULLET,
    CLOSER,
    FOURS,
    PAIRS,
    QUOTE,
    SPACE,
    TERMINAL,
    WIDE_TERMINAL,
    Flags,
)

_FLAGGED = 0x33480
"""Beyond the third plane no code point is a letter, white space or a mark."""

LINE_BREAKS = "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029"
QUOTES = "\"'\u2019\u201d\u00bb\u300d\u300f"
CLOSERS = ")]}" + QUOTES
WIDE_TERMINALS = "\u3002\uff01\uff0e\uff1f\uff61"
_SENTENCE_TERMINAL = """
21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 1803 1809 1944-1945
1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F 203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F
A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57
10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9
1144B-1144C 115C2-115C3 115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8
16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88
"""
_PAIRS = "3005-3007 3021-3029 3040-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9F 20000-323AF"
_FOURS = "E00-EFF 1000-109F 1780-17FF A9E0-A9FF AA60-AA7F"
_WORD_CATEGORIES = "LMN"


def code_points(ranges: str) -> list[int]:
    """The code points of `21 61D-61F`, in hexadecimal."""
    ends = [part.partition("-") for part in ranges.split()]
    return [code for first, _, last in ends for code in range(int(first, 16), int(last or first, 16) + 1)]


TERMINALS = "".join(char for char in map(chr, code_points(_SENTENCE_TERMINAL)) if char not in WIDE_TERMINALS)
"""Unicode 14's Sentence_Terminal, without the full-width ones."""


def piece_length(char: str) -> int:
    """How many such characters make a word; 0 where white space parts words."""
    code = ord(char)
    if code < _FIRST_UNSPACED or unicodedata.category(char)[0] not in _WORD_CATEGORIES:
        return 0
    return 2 if code in _IN_PAIRS else 4 if code in _IN_FOURS else 0


@lru_cache(maxsize=8)
def flags_of(bullets: tuple[str, ...]) -> Flags:
    """The table, with these characters as bullets; what lies beyond its end has no flags."""
    chars = [chr(code) for code in range(_FLAGGED)]
    pieces = {0: 0, 2: PAIRS, 4: FOURS}
    flags = np.fromiter(
        (
            char.isspace() * SPACE | char.isalpha() * ALPHA | char.isalnum() * ALNUM | pieces[piece_length(char)]
            for char in chars
        ),
        np.uint16,
        _FLAGGED,
    )
    marks = ((LINE_BREAKS, BREAK), (TERMINALS, TERMINAL), (WIDE_TERMINALS, WIDE_TERMINAL), (QUOTES, QUOTE))
    for group, flag in (*marks, (CLOSERS, CLOSER), ("".join(bullets), BULLET)):
        flags[[ord(char) for char in group]] |= flag
    return flags


_IN_PAIRS = frozenset(code_points(_PAIRS))
_IN_FOURS = frozenset(code_points(_FOURS))
_FIRST_UNSPACED = 0xE00
