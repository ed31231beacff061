"""What each code point is to deduplication, as flat tables that a compiled loop can look up.

A word is a run of Unicode letters, digits and underscore, case-folded: exactly what `re.findall(r"\\w+", text)` finds,
each by `str.casefold`. Planes 0 to 3 are tabled; beyond them no code point is a letter. The tables come from Python's
own Unicode data and take some tens of milliseconds per process.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication.text_kernels import COMPOSES, EXPANDS, SPACE

TABLED = 0x40000
_CASED = 0x20000
_STRETCH = 64
_MAY_COMPOSE = (
    (0x300, 0x3400),
    (0xA000, 0xAC00),
    (0xF900, 0xFB50),
    (0xFE00, 0x12000),
    (0x16000, 0x17000),
    (0x1B000, 0x20000),
    (0x2F800, 0x2FA20),
)
"""Ranges that hold all code points that NFC may change or join: the rest are ideographs and what else has no accents."""
_HANGUL_VOWELS_AND_TAILS = (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))


class UnicodeTables(NamedTuple):
    """`kinds[c]`: what the bits in `text_kernels` say of code point c. `expansions`: rows of three code points, padded with zeros."""

    kinds: npt.NDArray[np.int32]
    expansions: npt.NDArray[np.int32]


@cache
def unicode_tables() -> UnicodeTables:
    """The tables of this Python's Unicode version."""
    every = np.arange(TABLED, dtype="<u4").tobytes().decode("utf-32-le", "surrogatepass")
    kinds, expansions = _folds(every)
    for space in re.finditer(r"\s", every):
        kinds[space.start()] |= SPACE
    kinds[_composing(every)] |= COMPOSES
    return UnicodeTables(kinds, expansions)


def _folds(every: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    kinds = np.zeros(TABLED, np.int32)
    for run in re.finditer(r"\w+", every):
        kinds[run.start() : run.end()] = np.arange(run.start(), run.end())
    expansions = [(0, 0, 0)]
    for point in _points(every, 0, _CASED, lambda text: text.casefold() != text):
        text = every[point].casefold()
        if text == every[point] or not kinds[point]:
            continue
        if len(text) == 1:
            kinds[point] = ord(text)
        else:
            kinds[point] = EXPANDS | len(expansions)
            first, second, third = (*map(ord, text), 0, 0)[:3]
            expansions.append((first, second, third))
    return kinds, np.array(expansions, np.int32)


def _changes(text: str) -> bool:
    return not unicodedata.is_normalized("NFC", text)


def _points(every: str, first: int, last: int, has_any: Callable[[str], bool]) -> Iterator[int]:
    """The code points of the stretches that have any of a kind; most have none."""
    for begin in range(first, last, _STRETCH):
        text = every[begin : min(begin + _STRETCH, last)]
        if has_any(text):
            yield from range(begin, begin + len(text))


def _composing(every: str) -> list[int]:
    """Code points that NFC may change, or join to the one before: a superset of NFC_Quick_Check = No or Maybe."""
    composing = set(_HANGUL_VOWELS_AND_TAILS)
    for first, last in _MAY_COMPOSE:
        composing.update(first + i for i, joins in enumerate(map(unicodedata.combining, every[first:last])) if joins)
        composing.update(point for point in _points(every, first, last, _changes) if _changes(every[point]))
    accented = every[0xA0:0x300] + "".join(every[first:last] for first, last in _MAY_COMPOSE)
    for decomposition in filter(None, map(unicodedata.decomposition, accented)):
        parts = decomposition.split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            composing.add(int(parts[1], 16))
    return sorted(composing)
