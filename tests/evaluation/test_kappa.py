"""Kappa against tables in print."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.kappa import cohen_kappa, kappa_of_table

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
