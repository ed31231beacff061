"""Kappa against tables in print."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.kappa import cohen_kappa, kappa_of_table, weighted_kappa

PUBLISHED = {
    "Fleiss, Levin and Paik 2003, table 18.1: diagnoses": ([[75, 1, 4], [5, 4, 1], [0, 0, 10]], 0.68, 0.51, 0.85),
    "grants: yes and no": ([[20, 5], [10, 15]], 0.40, None, None),
    "equal agreement, other margins: first": ([[45, 15], [25, 15]], 0.1304, None, None),
    "equal agreement, other margins: second": ([[25, 35], [5, 35]], 0.2593, None, None),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_in_print(name):
    table, kappa, low, high = PUBLISHED[name]
    found = kappa_of_table(np.array(table, dtype=float))
    digits = 0.005 if low is not None else 0.00005
    assert found.value == pytest.approx(kappa, abs=digits) and found.n == np.sum(table)
    if low is not None:
        assert (found.low, found.high) == (pytest.approx(low, abs=0.006), pytest.approx(high, abs=0.006))


def test_a_weighted_table_in_print():
    """Agresti 1990, section 10.5: ratings of husbands and wives; kappa, weighted by distance, with its error, as R's vcd has it."""
    table = np.array([[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]], dtype=float)
    plain, weighted = kappa_of_table(table), kappa_of_table(table, weights="linear")
    assert plain.value == pytest.approx(0.1293, abs=0.00005) and weighted.value == pytest.approx(0.2374, abs=0.00005)
    assert (weighted.high - weighted.low) / 2 / 1.959964 == pytest.approx(0.07832, abs=0.00001)
    assert (plain.high - plain.low) / 2 / 1.959964 == pytest.approx(0.06860, abs=0.00001)


levels = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=40)


@given(levels)
def test_kappa_of_ratings_is_the_concordance_correlation(pairs):
    """Fleiss and Cohen 1973: weighted by squared distance, kappa is Lin's concordance, 2 cov / (var + var + (difference of means)²)."""
    a, b = np.array(pairs, dtype=float).T
    apart = a.var() + b.var() + (a.mean() - b.mean()) ** 2
    found = weighted_kappa(*zip(*pairs, strict=True))
    wanted = (
        None if apart == 0 else pytest.approx(2 * float(((a - a.mean()) * (b - b.mean())).mean()) / apart, abs=1e-9)
    )
    assert found.value == wanted and found.n == len(pairs)


labels = st.lists(st.tuples(st.sampled_from("abt"), st.sampled_from("abt")), min_size=1, max_size=40)


@given(labels)
def test_kappa_is_symmetric_and_one_for_a_judge_against_himself(pairs):
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    one, other = cohen_kappa(first, second), cohen_kappa(second, first)
    assert one.value == (None if other.value is None else pytest.approx(other.value))
    assert cohen_kappa(first, first).value in (None, pytest.approx(1.0))


def test_nothing_and_one_label_throughout_say_nothing():
    assert cohen_kappa([], []).value is None and cohen_kappa(["a"] * 9, ["a"] * 9).value is None
    with pytest.raises(ValueError, match="9 and 1"):
        cohen_kappa(["a"] * 9, ["a"])


def test_the_interval_holds_the_truth_as_often_as_it_says():
    rng, truth, held = np.random.default_rng(0), 0.6, 0
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    for _ in range(1000):
        found = kappa_of_table(rng.multinomial(150, joint.ravel()).reshape(2, 2).astype(float))
        held += found.low <= truth <= found.high
    assert abs(held / 1000 - 0.95) < 0.025
