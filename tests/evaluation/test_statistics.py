"""Intervals hold what they promise, tests are honest under the null, and known answers come out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from evaluation.statistics import (
    BootstrapSettings,
    mean_interval,
    paired_difference,
    smallest_effect,
)

QUICK = BootstrapSettings(resamples=1000, permutations=1000)
SIMULATIONS = 1000
finite = st.floats(-100, 100, allow_nan=False, width=32)


def coverage(draw, truth, transform=lambda x: x, settings=QUICK, clusters=None, simulations=SIMULATIONS):
    """Share of simulated sets whose interval holds the truth."""
    rng = np.random.default_rng(20)
    held = 0
    for _ in range(simulations):
        values, weights = draw(rng)
        found = mean_interval(values, weights, clusters, transform=transform, settings=settings)
        held += found.low <= truth <= found.high
    return held / simulations


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_intervals_of_a_mean_hold_it_95_times_in_100(method):
    def draw(rng):
        return rng.normal(3.0, 2.0, 80), None

    assert coverage(draw, 3.0, settings=BootstrapSettings(resamples=1000, method=method)) == pytest.approx(
        0.95, abs=0.02
    )


def test_intervals_of_a_skewed_mean_hold_it_too():
    def draw(rng):
        return rng.exponential(5.0, 100), None

    assert coverage(draw, 5.0) == pytest.approx(0.95, abs=0.02)


def test_intervals_of_a_perplexity_resample_samples_and_not_tokens():
    """NLL shared within a sample: intervals over tokens would be far too narrow."""

    def draw(rng):
        return rng.normal(3.0, 0.5, 100), rng.integers(3, 30, 100).astype(float)

    assert coverage(draw, math.exp(3.0), transform=np.exp) == pytest.approx(0.95, abs=0.02)


def test_samples_that_come_in_groups_need_their_groups():
    groups = np.repeat(np.arange(40), 5)

    def draw(rng):
        return np.repeat(rng.normal(0.0, 1.0, 40), 5) + rng.normal(0.0, 0.1, 200), None

    assert coverage(draw, 0.0, clusters=groups) == pytest.approx(0.94, abs=0.025)
    assert coverage(draw, 0.0, simulations=200) < 0.75


def test_a_difference_of_nothing_is_found_one_time_in_twenty():
    rng, found = np.random.default_rng(5), 0
    for _ in range(SIMULATIONS):
        a, b = rng.normal(size=(2, 40))
        found += paired_difference(a, b, settings=BootstrapSettings(resamples=100, permutations=400)).p_value < 0.05
    assert found / SIMULATIONS == pytest.approx(0.05, abs=0.02)


def test_the_detectable_difference_is_found_four_times_in_five():
    rng = np.random.default_rng(6)
    true = smallest_effect(math.sqrt(2 / 60))
    small = BootstrapSettings(resamples=100, permutations=400)
    found = sum(
        paired_difference(rng.normal(size=60), rng.normal(true, 1, 60), settings=small).p_value < 0.05
        for _ in range(500)
    )
    assert found / 500 == pytest.approx(0.8, abs=0.05)
    told = paired_difference(rng.normal(size=60), rng.normal(true, 1, 60), settings=QUICK).detectable
    assert told == pytest.approx(true, rel=0.3)


def test_pairing_sees_what_two_intervals_cannot():
    rng = np.random.default_rng(7)
    hard = rng.normal(50, 20, 100)
    found = paired_difference(hard, hard + rng.normal(1.0, 1.0, 100), settings=QUICK)
    assert found.p_value < 0.01
    assert found.low > 0
    assert found.difference == pytest.approx(1.0, abs=0.3)


def test_known_answers():
    found = mean_interval(np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0]), settings=QUICK)
    assert found.value == pytest.approx(15 / 4)
    assert found.n == 3
    perplexity = mean_interval(np.log([2.0, 8.0]), np.array([1.0, 1.0]), transform=np.exp, settings=QUICK)
    assert perplexity.value == pytest.approx(4.0)


def test_a_swap_test_of_few_pairs_agrees_with_counting_all_swaps():
    """Six pairs, all one way: 2 of the 64 swaps are as extreme."""
    a = np.arange(6.0)
    found = paired_difference(a, a + np.array([1.0, 2, 3, 4, 5, 6]), settings=BootstrapSettings(permutations=20_000))
    assert found.p_value == pytest.approx(2 / 64, abs=0.005)


def test_smallest_effect_against_the_textbook():
    """Two-sided 5%, power 80%: 2.80 standard errors."""
    assert smallest_effect(1.0) == pytest.approx(2.8016, abs=1e-3)


def test_none_and_one_sample_have_no_spread():
    nothing, one = mean_interval(np.array([])), mean_interval(np.array([4.0]))
    assert (nothing.value, nothing.low, nothing.n) == (None, None, 0)
    assert (one.value, one.low, one.high, one.n) == (4.0, None, None, 1)
    assert paired_difference(np.array([]), np.array([])).difference is None
    assert paired_difference(np.array([1.0]), np.array([3.0])).p_value is None


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, st.integers(2, 30), elements=finite))
def test_laws_of_an_interval(values):
    found = mean_interval(values, settings=QUICK)
    assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9
    assert found == mean_interval(values, settings=QUICK)
    shifted = mean_interval(values + 1000, settings=QUICK)
    assert shifted.value == pytest.approx(found.value + 1000)


@settings(deadline=None, max_examples=40)
@given(arrays(np.float64, st.tuples(st.just(2), st.integers(2, 30)), elements=finite))
def test_laws_of_a_comparison(pair):
    a, b = pair
    found, back = paired_difference(a, b, settings=QUICK), paired_difference(b, a, settings=QUICK)
    assert found.difference == pytest.approx(-back.difference)
    assert found.p_value == back.p_value
    assert 0 < found.p_value <= 1
    assert paired_difference(a, a, settings=QUICK).p_value == 1


def test_another_seed_draws_otherwise_and_a_large_set_is_drawn_in_parts():
    values = np.random.default_rng(1).normal(size=9000)
    first = mean_interval(values, settings=BootstrapSettings(resamples=1000))
    other = mean_interval(values, settings=BootstrapSettings(resamples=1000, seed=1))
    assert first != other
    assert first.low == pytest.approx(values.mean() - 1.96 * values.std() / math.sqrt(9000), abs=0.002)


@pytest.mark.parametrize(
    ("values", "weights", "told"),
    [([1.0, math.nan], None, "finite"), ([1.0, 2.0], [1.0, 0.0], "above zero"), ([1.0, 2.0], [1.0], "as many")],
)
def test_numbers_that_mean_nothing_are_refused(values, weights, told):
    with pytest.raises(ValueError, match=told):
        mean_interval(np.array(values), None if weights is None else np.array(weights))


def test_unpaired_sets_and_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="same samples"):
        paired_difference(np.array([1.0]), np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        BootstrapSettings(confidence=95)
    with pytest.raises(ValueError, match="at least 100"):
        BootstrapSettings(resamples=10)


@pytest.mark.parametrize("kind", ["normal", "skewed", "paired"])
def test_intervals_hold_the_truth_in_95_of_100(kind):
    """Simulated: 2,500 sets of 120 samples; the error of such a share is 0.44 points."""
    rng, settings, held = np.random.default_rng(7), BootstrapSettings(resamples=1000, permutations=100), 0
    for _ in range(2500):
        if kind == "paired":
            easy = rng.normal(50, 20, 120)
            found = paired_difference(easy + rng.normal(0, 5, 120), easy + 2 + rng.normal(0, 8, 120), settings=settings)
            truth = 2.0
        else:
            values = rng.normal(3, 1, 120) if kind == "normal" else rng.beta(2, 6, 120)
            found, truth = mean_interval(values, settings=settings), 3.0 if kind == "normal" else 0.25
        held += found.low <= truth <= found.high
    assert abs(held / 2500 - 0.95) <= 0.015
