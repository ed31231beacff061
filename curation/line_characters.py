"""What each character is to the line rules: a byte of flags for each code point, and the letter it folds to.

White space, line ends, digits and capitals are Unicode's, as `str.isspace`, `str.splitlines`, `str.isdecimal` and
`str.isupper` see them. Letters, digits and the marks on them make words; where a script puts no spaces between words,
a word is a piece of a fixed length (`curation.quality_characters`).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from curation.line_patterns import BREAK, DIGIT, FOURS, MARK, PAIRS, SPACE, UPPER, WORD
from curation.quality_characters import LINE_BREAKS, piece_length

TABLED = 0x33480
"""Beyond the third plane no code point is a letter, white space or a mark."""
NUMBER_MARKS = ".,:/-+%"
"""What stands in numbers, dates and times beside their digits."""
_PIECES = {0: 0, 2: PAIRS, 4: FOURS}


def flags_of(char: str) -> int:
    """The flags of one character."""
    is_word = char.isalnum() or unicodedata.category(char)[0] == "M"
    return (
        char.isspace() * SPACE
        | (char in LINE_BREAKS) * BREAK
        | is_word * WORD
        | char.isupper() * UPPER
        | char.isdecimal() * DIGIT
        | (char in NUMBER_MARKS) * MARK
        | _PIECES[piece_length(char)]
    )


def folded(char: str) -> str:
    """The small letter of a character, where that is one character."""
    small = char.lower()
    return small if len(small) == 1 else char


@cache
def line_tables() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """The flags and the folded code point of each code point below `TABLED`."""
    chars = [chr(code) for code in range(TABLED)]
    flags = np.fromiter(map(flags_of, chars), np.uint8, TABLED)
    folds = np.fromiter((ord(folded(char)) for char in chars), np.int32, TABLED)
    for table in (flags, folds):
        table.flags.writeable = False
    return flags, folds
