"""What each code point is to decontamination: a letter (and which one), nothing at all, or the end of a word.

Compared is what a reader hears, not how it is set: case is folded, letters are taken apart (NFKD) and their accents
left out, so that composed, decomposed and full-width forms are one. Apostrophes, soft hyphens and joiners are nothing;
all other punctuation parts words. Where a script sets no spaces between words (Han, kana, Thai, Lao, Khmer, Burmese)
each letter is a word of its own. Marks that are vowels (Devanagari) stay, as part of their word.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TABLED = 0x33480
"""Beyond the third plane no code point is a letter."""
ALONE = 1 << 24
"""Bit of a fold: the letter is a word of its own."""
NOTHING = -1
"""The fold of what neither is a letter nor ends a word."""

_APOSTROPHES = "'`\u00b4\u2018\u2019\u201b\u02bc\u02b9\uff07"
_SPACELESS = (
    (0x0E00, 0x0F00),  # Thai, Lao
    (0x1000, 0x10A0),  # Burmese
    (0x1780, 0x1800),  # Khmer
    (0x2E80, 0x3100),  # radicals, kana
    (0x31C0, 0xA4D0),  # strokes, kana, enclosed ideographs, Han, Yi
    (0xF900, 0xFB00),
    (0x1B000, 0x1B170),
    (0x20000, TABLED),
)
_VOWEL_CLASSES = (0, 7, 9)
"""Canonical combining classes of marks that are part of a word: vowel signs, nukta, virama. Others are accents."""
_MOST_PARTS = 3


class CharacterTable(NamedTuple):
    """`folds[c]`: 0 where c ends a word, the folded letter (perhaps with ALONE), or -i for the letters expansions[i].

    `expansions` is padded with zeros; its row 1 has none, for what is nothing at all.
    """

    folds: npt.NDArray[np.int32]
    expansions: npt.NDArray[np.int32]


@cache
def character_table() -> CharacterTable:
    """The table of this Python's Unicode version; it takes some tenths of a second per process."""
    folds = np.zeros(TABLED, np.int32)
    expansions: dict[tuple[int, ...], int] = {(): 1}
    for code in range(TABLED):
        letters = _letters(code)
        if letters is None:
            continue
        alone = ALONE if letters and _is_spaceless(letters[0]) else 0
        if len(letters) == 1:
            folds[code] = letters[0] | alone
        else:
            parts = (letters[0] | alone, *letters[1:]) if letters else ()
            folds[code] = -expansions.setdefault(parts, len(expansions) + 1)
    rows = np.zeros((len(expansions) + 1, _MOST_PARTS), np.int32)
    for parts, row in expansions.items():
        rows[row, : len(parts)] = parts
    return CharacterTable(folds, rows)


def _letters(code: int) -> tuple[int, ...] | None:
    """The letters that a code point stands for, none for what is nothing; None where it ends a word."""
    char = chr(code)
    category = unicodedata.category(char)
    if category == "Cf" or char in _APOSTROPHES or (category[0] == "M" and not _is_vowel(code)):
        return ()
    if category[0] not in "LNM":
        return None
    if code < 0x80:
        return (ord(char.lower()),)
    if _is_ideograph(code):
        return (code,)
    taken_apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", char).casefold())
    letters = tuple(ord(part) for part in taken_apart if _counts(part))
    return letters if 0 < len(letters) <= _MOST_PARTS else (code,)


def _is_ideograph(code: int) -> bool:
    """Whether the code point is one of those many that are as they are."""
    return 0x3400 <= code < 0xA4D0 or 0x20000 <= code < 0x2F800 or code >= 0x30000


def _counts(part: str) -> bool:
    return unicodedata.category(part)[0] in "LN" or (unicodedata.category(part)[0] == "M" and _is_vowel(ord(part)))


def _is_vowel(code: int) -> bool:
    return unicodedata.combining(chr(code)) in _VOWEL_CLASSES and not _is_spaceless(code)


def _is_spaceless(code: int) -> bool:
    return any(first <= code < last for first, last in _SPACELESS)
