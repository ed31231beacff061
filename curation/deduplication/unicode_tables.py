"""What each code point is to deduplication, as flat tables that a compiled loop can look up.

A word is a run of Unicode letters, digits and underscore, case-folded: exactly what `re.findall(r"\\w+", text)` finds,
each by `str.casefold`. Planes 0 to 3 are tabled; beyond them no code point is a letter. The tables come from Python's
own Unicode data and take some 50 ms per process.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

TABLED = 0x40000
SPACE = 1
"""Bit of `classes`: white space, as `str.isspace` has it."""
COMPOSES = 2
"""Bit of `classes`: a text with this code point may not be in NFC."""
_CASED = 0x20000
_NEVER_COMPOSE = ((0x3400, 0xA000), (0xAC00, 0xF900))
_HANGUL_VOWELS_AND_TAILS = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


class UnicodeTables(NamedTuple):
    """`folds[c]`: 0 where c is part of no word, the case-folded code point, or -i for the code points expansions[i].

    `classes[c]`: bits SPACE and COMPOSES. `expansions` is padded with zeros.
    """

    folds: npt.NDArray[np.int32]
    classes: npt.NDArray[np.uint8]
    expansions: npt.NDArray[np.int32]


@cache
def unicode_tables() -> UnicodeTables:
    """The tables of this Python's Unicode version."""
    every = "".join(map(chr, range(TABLED)))
    folds, expansions = _folds(every)
    classes = np.zeros(TABLED, np.uint8)
    for space in re.finditer(r"\s", every):
        classes[space.start()] |= SPACE
    classes[_composing()] |= COMPOSES
    return UnicodeTables(folds, classes, expansions)


def _folds(every: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    folds = np.zeros(TABLED, np.int32)
    for run in re.finditer(r"\w+", every):
        folds[run.start() : run.end()] = np.arange(run.start(), run.end())
    expansions = [(0, 0, 0)]
    for point in np.flatnonzero(folds[:_CASED]).tolist():
        folded = chr(point).casefold()
        if len(folded) == 1:
            folds[point] = ord(folded)
        else:
            folds[point] = -len(expansions)
            first, second, third = (*map(ord, folded), 0, 0)[:3]
            expansions.append((first, second, third))
    return folds, np.array(expansions, np.int32)


def _composing() -> list[int]:
    """Code points that NFC may change, or join to the one before: a superset of NFC_Quick_Check = No or Maybe."""
    composing = set(_HANGUL_VOWELS_AND_TAILS)
    for point in range(0x300, TABLED):
        if any(first <= point < last for first, last in _NEVER_COMPOSE) or 0x20000 <= point < 0x2F800:
            continue
        character = chr(point)
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            composing.add(point)
    for point in range(0xA0, _CASED):
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            composing.add(int(parts[1], 16))
    return sorted(composing)
