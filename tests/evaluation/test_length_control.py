"""A planted love of length is found, and taken out."""

import numpy as np
import pytest

from evaluation.length_control import length_controlled
from evaluation.statistics import BootstrapSettings

QUICK = BootstrapSettings(resamples=400, permutations=100)


def judged(quality, love, longer, n=1500, seed=2):
    """What a judge says who is drawn to `quality` (in logits) and, by `love`, to length; b writes `longer` characters more."""
    rng = np.random.default_rng(seed)
    rival, own = rng.normal(200, 40, n), rng.normal(200 + longer, 40, n)
    difference = own - rival
    chance = 1 / (1 + np.exp(-(quality + love * np.tanh(difference / difference.std()))))
    return (rng.random(n) < chance).astype(float), own, rival


def test_a_planted_bias_is_recovered():
    """Equal answers, one of them longer, and a judge who loves length: raw says better, controlled says equal."""
    found = length_controlled(*judged(quality=0.0, love=1.5, longer=50), QUICK)
    assert found.raw.low > 0.6
    assert found.controlled.low < 0.5 < found.controlled.high and abs(found.controlled.value - 0.5) < 0.06
    assert found.length_effect.low < 1.5 < found.length_effect.high


def test_what_is_better_at_equal_length_stays_better():
    found = length_controlled(*judged(quality=1.0, love=1.5, longer=-50), QUICK)
    assert found.controlled.low < 1 / (1 + np.exp(-1)) < found.controlled.high
    assert found.controlled.value > found.raw.value


def test_a_judge_without_the_bias_is_left_as_he_is():
    found = length_controlled(*judged(quality=0.4, love=0.0, longer=50), QUICK)
    assert found.length_effect.low < 0 < found.length_effect.high
    assert found.controlled.value == pytest.approx(found.raw.value, abs=0.04)


def test_equal_lengths_and_nothing_at_all():
    wins, same = np.array([1.0, 0.5, 0.0, 1.0]), np.full(4, 100.0)
    assert length_controlled(wins, same, same, QUICK).controlled.value == pytest.approx(wins.mean(), abs=0.01)
    assert length_controlled(np.array([]), np.array([]), np.array([]), QUICK).raw.n == 0
    assert length_controlled(np.array([1.0]), np.array([5.0]), np.array([3.0]), QUICK).raw.low is None
