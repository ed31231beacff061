"""ROUGE against the package rouge-score (0.1.2, without stemming), and against the longest common subsequence spelt out."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.rouge import longest_common_subsequence, rouge_l

PUBLISHED = [
    (
        "Return the number of rows in the table.",
        "Return the row count of the given table.",
        62.5,
    ),
    (
        "the cat sat on the mat",
        "the cat was found under the bed",
        46.15384615384615,
    ),
    ("police killed the gunman", "the gunman killed police", 50.0),
    ("It's 3.14, roughly; see PEP-8!", "PEP 8 says it is 3 14", 40.0),
    ("", "nothing here", 0),
    ("a a a b", "a b a c a", 66.66666666666666),
]


@pytest.mark.parametrize("row", range(len(PUBLISHED)))
def test_the_figures_of_the_package(row):
    output, reference, longest = PUBLISHED[row]
    assert rouge_l(output, reference) == pytest.approx(longest, abs=1e-9)


def test_words_of_other_scripts_count():
    assert rouge_l("возвращает число строк", "возвращает число столбцов") == pytest.approx(200 / 3)


words = st.lists(st.sampled_from("abc"), max_size=7)


@given(words, words)
def test_the_longest_common_subsequence_is_the_longest(first, second):
    spelt = {taken for size in range(len(first) + 1) for taken in combinations(first, size)}
    common = max(
        len(taken) for taken in spelt if taken in {t for n in range(len(second) + 1) for t in combinations(second, n)}
    )
    assert longest_common_subsequence(first, second) == common
