"""How sure a score is: bootstrap intervals, paired tests, win rates, and the smallest effect a set could have shown.

Every score here is a weighted mean of samples, passed through a monotone transform: chrF weighs samples alike,
perplexity is exp of the NLL weighed by tokens, bits per byte weighs by bytes. So each sample is a pair (weight x value,
weight), a resample is a row of counts, and all resamples are one matrix product. Ratio scores then resample *samples*,
never tokens: the tokens of one sample are not independent (Miller 2024, "Adding Error Bars to Evals", section 2).

BCa intervals are Efron's (1987, "Better Bootstrap Confidence Intervals", eq. 2.3 and 6.6); the paired permutation test
swaps the contestants' answers sample by sample (Noreen 1989), with p = (1 + as extreme) / (1 + permutations), which is
never zero. Wilson's interval (1927) serves proportions. With under about 20 samples every bootstrap interval is too
narrow; n stands beside each number for that reason.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]
Transform = Callable[[Floats], Floats]

CHUNK = 4_000_000
"""Random numbers drawn at once (32 MB); a constant, since the generator's stream depends on it."""


KEPT = 16_000_000
"""Draws of one set that are kept for its next comparison, at most (128 MB of resamples, 16 MB of swaps, two of each)."""


@dataclass(frozen=True)
class BootstrapSettings:
    """How intervals and p-values are simulated."""

    # Resamples of an interval; 2,000 put its ends within about 0.1 standard errors.
    resamples: int = 2_000
    # Random swaps of a paired test; the smallest p-value it can give is 1 / (1 + permutations).
    permutations: int = 10_000
    # Share of intervals that hold the true value.
    confidence: float = 0.95
    # "bca" corrects bias and skew; "percentile" takes the resamples' quantiles as they are.
    method: Literal["bca", "percentile"] = "bca"
    # What is drawn: samples, or whole groups of them (packages, conversations), whose samples are alike.
    unit: Literal["sample", "group"] = "sample"
    # Seed of the resamples and swaps.
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence: must lie between 0 and 1, not {self.confidence}; 0.95 is usual")
        if self.resamples < 100 or self.permutations < 100:
            raise ValueError("resamples and permutations: must be at least 100; 2,000 and 10,000 are usual")


@dataclass(frozen=True)
class Estimate:
    """A score with its interval; `low` and `high` are None where one sample, or none, gives no spread."""

    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Difference:
    """What b has over a (b - a) on the same samples, its interval, a two-sided p-value and the smallest effect seen.

    `detectable` is the true difference that a set like this one would find four times in five.
    """

    value_a: float | None
    value_b: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    detectable: float | None
    n: int


DEFAULTS = BootstrapSettings()


def identity(values: Floats) -> Floats:
    """The transform of scores that are plain means."""
    return values


def mean_interval(
    values: Floats,
    weights: Floats | None = None,
    clusters: Integers | None = None,
    transform: Transform = identity,
    settings: BootstrapSettings = DEFAULTS,
) -> Estimate:
    """The weighted mean of `values` (n,), transformed, with its bootstrap interval.

    `clusters` (n,) numbers what was drawn together (a package, a conversation): whole clusters are then resampled.

    Raises:
        ValueError: a weight is not above zero, or a number is not finite.
    """
    sums = _clustered(_sums(values, weights), clusters)
    if not len(sums):
        return Estimate(None, None, None, 0)
    statistic = _mean_of(transform)
    value = float(statistic(sums.sum(axis=0)))
    low, high = _interval(sums, statistic, settings) if len(sums) > 1 else (None, None)
    return Estimate(value, low, high, len(values))


def paired_difference(
    values_a: Floats,
    values_b: Floats,
    weights_a: Floats | None = None,
    weights_b: Floats | None = None,
    clusters: Integers | None = None,
    transform: Transform = identity,
    settings: BootstrapSettings = DEFAULTS,
) -> Difference:
    """What b's transformed weighted mean has over a's, on samples in the same order.

    Raises:
        ValueError: the two are not of one length, a weight is not above zero, or a number is not finite.
    """
    if len(values_a) != len(values_b):
        raise ValueError(f"a paired comparison needs the same samples: a has {len(values_a)}, b has {len(values_b)}")
    if not len(values_a):
        return Difference(None, None, None, None, None, None, None, 0)
    sums = _clustered(np.hstack([_sums(values_a, weights_a), _sums(values_b, weights_b)]), clusters)
    mean = _mean_of(transform)

    def statistic(totals: Floats) -> Floats:
        return mean(totals[..., 2:]) - mean(totals[..., :2])

    value_a, value_b = (float(mean(sums[:, part].sum(axis=0))) for part in (slice(0, 2), slice(2, 4)))
    if len(sums) < 2:
        return Difference(value_a, value_b, value_b - value_a, None, None, None, None, len(values_a))
    resampled = statistic(_resampled(sums, settings))
    low, high = _ends(sums, statistic, resampled, settings)
    p_value = _swap_test(sums, statistic, settings)
    detectable = smallest_effect(float(resampled.std(ddof=1)), confidence=settings.confidence)
    return Difference(value_a, value_b, value_b - value_a, low, high, p_value, detectable, len(values_a))


def smallest_effect(standard_error: float, power: float = 0.8, confidence: float = 0.95) -> float:
    """The true difference that a two-sided test at 1 - confidence finds with probability `power`, given its error."""
    normal = NormalDist()
    return (normal.inv_cdf((1 + confidence) / 2) + normal.inv_cdf(power)) * standard_error


def _sums(values: Floats, weights: Floats | None) -> Floats:
    """(n, 2): weight x value, and weight."""
    values = np.asarray(values, dtype=np.float64)
    weights = np.ones_like(values) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != values.shape or not (np.isfinite(values).all() and np.isfinite(weights).all()):
        raise ValueError("values and weights must be finite, and as many of one as of the other")
    if (weights <= 0).any():
        raise ValueError("weights must be above zero: leave out samples that count nothing")
    return np.stack([weights * values, weights], axis=1)


def _clustered(sums: Floats, clusters: Integers | None) -> Floats:
    if clusters is None:
        return sums
    _, index = np.unique(clusters, return_inverse=True)
    return np.stack([np.bincount(index, weights=column) for column in sums.T], axis=1)


def _mean_of(transform: Transform) -> Transform:
    def statistic(totals: Floats) -> Floats:
        return transform(totals[..., 0] / totals[..., 1])

    return statistic


def _interval(sums: Floats, statistic: Transform, settings: BootstrapSettings) -> tuple[float, float]:
    return _ends(sums, statistic, statistic(_resampled(sums, settings)), settings)


def _ends(sums: Floats, statistic: Transform, resampled: Floats, settings: BootstrapSettings) -> tuple[float, float]:
    tail = (1 - settings.confidence) / 2
    ends = (tail, 1 - tail)
    if settings.method == "bca":
        ends = _bca_ends(sums, statistic, resampled, ends)
    low, high = np.quantile(resampled, ends)
    return float(low), float(high)


def _resampled(sums: Floats, settings: BootstrapSettings) -> Floats:
    """(resamples, columns): the totals of samples drawn with replacement."""
    n = len(sums)
    if settings.resamples * n <= KEPT:
        return _kept_counts(settings.seed, settings.resamples, n) @ sums
    return np.concatenate([counts @ sums for counts in _counts(settings.seed, settings.resamples, n)])


def _counts(seed: int, resamples: int, n: int) -> Iterator[Floats]:
    """(rows, n): how often each of n is drawn."""
    rng = np.random.default_rng([seed, 1])
    for rows in _chunks(resamples, n):
        places = rng.integers(n, size=(rows, n)) + np.arange(rows)[:, None] * n
        yield np.bincount(places.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)


@functools.lru_cache(maxsize=2)
def _kept_counts(seed: int, resamples: int, n: int) -> Floats:
    """All draws: a function of how many samples there are, so that many comparisons of one set draw once."""
    return np.concatenate(list(_counts(seed, resamples, n)))


def _bca_ends(sums: Floats, statistic: Transform, resampled: Floats, ends: tuple[float, float]) -> tuple[float, float]:
    """The quantiles to take instead, for bias (z0) and for skew (the jackknife's acceleration)."""
    normal = NormalDist()
    value = statistic(sums.sum(axis=0))
    below = float((resampled < value).mean() + (resampled == value).mean() / 2)
    floor = 1 / (len(resampled) + 1)
    bias = normal.inv_cdf(min(max(below, floor), 1 - floor))
    left_out = statistic(sums.sum(axis=0) - sums)
    pull = left_out.mean() - left_out
    spread = float((pull**2).sum())
    skew = float((pull**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0

    def corrected(end: float) -> float:
        z = bias + normal.inv_cdf(end)
        return normal.cdf(bias + z / max(1 - skew * z, 1e-6))

    return corrected(ends[0]), corrected(ends[1])


def _swap_test(sums: Floats, statistic: Transform, settings: BootstrapSettings) -> float:
    first, second = sums[:, :2], sums[:, 2:]
    apart = second - first
    seen = abs(float(statistic(sums.sum(axis=0))))
    extreme = 0
    for swaps in _swapped(settings.seed, settings.permutations, len(sums)):
        moved = swaps.astype(np.float64) @ apart
        swapped = np.hstack([first.sum(axis=0) + moved, second.sum(axis=0) - moved])
        extreme += int((np.abs(statistic(swapped)) >= seen * (1 - 1e-9)).sum())
    return (1 + extreme) / (1 + settings.permutations)


def _swapped(seed: int, permutations: int, n: int) -> Iterator[Bits]:
    """(rows, n): whose answers are swapped."""
    if permutations * n <= KEPT:
        return iter(_kept_swaps(seed, permutations, n))
    return _swaps(seed, permutations, n)


def _swaps(seed: int, permutations: int, n: int) -> Iterator[Bits]:
    rng = np.random.default_rng([seed, 2])
    for rows in _chunks(permutations, n):
        yield rng.integers(2, size=(rows, n)).astype(np.uint8)


@functools.lru_cache(maxsize=2)
def _kept_swaps(seed: int, permutations: int, n: int) -> tuple[Bits, ...]:
    return tuple(_swaps(seed, permutations, n))


def _chunks(rows: int, width: int) -> Iterator[int]:
    """How many rows of `width` numbers to draw at a time, until `rows` are drawn."""
    step = max(1, CHUNK // width)
    for start in range(0, rows, step):
        yield min(step, rows - start)
