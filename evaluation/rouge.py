"""ROUGE-L (Lin 2004): how many words in the same order an answer shares with its reference.

Written here, because the package rouge-score brings nltk, absl-py and six for a stemmer that nobody asked for and some
fifty lines. Words are as there: small letters, split at whatever is no letter or digit; letters of all scripts count, where
the package knows a to z alone. On English text the figures are the package's to the last digit (a test holds them).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+")


def rouge_l(output: str, reference: str) -> float:
    """F1 over the longest common subsequence of words (section 3.1, beta 1), 0 to 100."""
    given, wanted = _words(output), _words(reference)
    return _f1(longest_common_subsequence(given, wanted), len(given), len(wanted))


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """The length of the longest common subsequence: a row of the table as bits of one number (Hyyro 2004, "Bit-parallel LCS")."""
    places: dict[str, int] = {}
    for place, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << place
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matched = row & places.get(word, 0)
        row = (row + matched | row - matched) & full
    return len(first) - row.bit_count()


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _f1(common: int, given: int, wanted: int) -> float:
    return 200 * common / (given + wanted) if common else 0.0
