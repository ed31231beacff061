"""Two contestants on the same samples: how they differ, over all and in each slice, and how sure that is among many comparisons.

With many comparisons some look sure by chance, so `p_adjusted` is Holm's (1979): among as many comparisons as were made, the
probability that any is called different when none is stays at 5% if those under 0.05 are believed. It needs no
independence, which comparisons on the same samples do not have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import polars as pl

from evaluation.metrics import METRICS
from evaluation.statistics import BootstrapSettings, Difference, Estimate, Floats, Integers, paired_difference
from proportions import wilson

COMPARISONS = {
    "metric": pl.String(),
    "split": pl.String(),
    "model_a": pl.String(),
    "model_b": pl.String(),
    "value_a": pl.Float64(),
    "value_b": pl.Float64(),
    "difference": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p_value": pl.Float64(),
    "p_adjusted": pl.Float64(),
    "n": pl.Int64(),
    "detectable": pl.Float64(),
    "better": pl.String(),
}
"""The schema of comparisons: `difference` is b - a, on the n samples that both answered; `p_adjusted` the p-value among all
comparisons of the table; `detectable` the smallest true difference that such a set finds four times in five; `better` the
model that the interval favours, null when it holds 0."""

SLICES = {"sliced_by": pl.String(), "slice": pl.String(), **COMPARISONS, "regression": pl.Boolean()}
"""The schema of comparisons per slice; `regression`: b is worse there, even among all slices that were looked at."""

SCORED = tuple(metric for metric in METRICS if metric != "length")
"""The metrics that are scored, in the order of reports."""

POINTS = ("chrf", "rouge_l")
"""Metrics of 0 to 100, whose differences are points."""

DIGITS = 9
"""Scores are rounded to 9 decimals: sums may differ in their last bits between numbers of threads."""

WAYS = ("slice", "source", "language", "topic", "openness", "length")
"""By what samples are parted, where they have it."""

MIN_SLICE = 10
"""Samples of a slice, at least: an interval of fewer says nothing."""

SURE = 0.05
_LENGTHS = ((100, "up to 100 characters"), (300, "101 to 300 characters"), (1_000, "301 to 1,000 characters"))
_LONGEST = "over 1,000 characters"

Found = Mapping[str, pl.DataFrame]


def by_metric(values: pl.DataFrame, samples: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Sample metrics (with their sample's group) by metric, each sorted by sample: the resamples depend on the order."""
    given = values.drop_nulls("value")  # a check may have failed
    grouped = given.join(samples.select("sample_id", "group"), on="sample_id").sort("sample_id")
    parts = {metric: grouped.filter(metric=metric) for metric in SCORED}
    return {metric: part for metric, part in parts.items() if part.height}


def compare(found: Mapping[str, Found], split: str, settings: BootstrapSettings) -> pl.DataFrame:
    """Every two contestants (by name, each with its `by_metric`) on every metric that both have: `COMPARISONS`."""
    rows = [row for a, b in combinations(found, 2) for row in _of_two(a, b, found[a], found[b], split, settings)]
    return adjusted(pl.DataFrame(rows, schema=COMPARISONS))


def compare_slices(
    found: Mapping[str, Found], samples: pl.DataFrame, split: str, settings: BootstrapSettings
) -> pl.DataFrame:
    """The comparisons of each slice of `samples` with enough of them (`SLICES`): in each of `WAYS`."""
    parts = []
    for sliced_by, slices in _slices(samples).items():
        for name, ids in slices.items():
            inside = {model: _within(values, ids) for model, values in found.items()}
            table = compare(inside, split, settings).filter(pl.col("n") >= MIN_SLICE)
            parts.append(table.select(pl.lit(sliced_by).alias("sliced_by"), pl.lit(name).alias("slice"), pl.all()))
    if not parts:
        return pl.DataFrame(schema=SLICES)
    together = adjusted(pl.concat(parts))
    worse = (pl.col("better") == pl.col("model_a")) & (pl.col("p_adjusted") < SURE)
    return together.with_columns(regression=worse.fill_null(value=False)).select(SLICES.keys())


def adjusted(comparisons: pl.DataFrame) -> pl.DataFrame:
    """The comparisons with `p_adjusted` after Holm's step-down: p times the number of those not yet rejected, never falling."""
    known = pl.col("p_value").is_not_null()
    rank = pl.col("p_value").rank("ordinal")
    raised = (pl.col("p_value") * (known.sum() - rank + 1)).clip(upper_bound=1.0)
    stepped = raised.sort_by("p_value", nulls_last=True).cum_max()
    place = pl.col("p_value").arg_sort(nulls_last=True).arg_sort()
    return comparisons.with_columns(p_adjusted=pl.when(known).then(stepped.gather(place)).round(DIGITS))


def could_see(comparisons: pl.DataFrame) -> dict[str, str]:
    """By metric, in words, the smallest true difference that the widest of its comparisons would mostly have found."""
    known = (
        comparisons.drop_nulls("detectable")
        .sort("detectable", descending=True)
        .unique("metric", keep="first", maintain_order=True)
    )
    return {
        row["metric"]: f"with {row['n']:,} samples you can see {points(row['metric'], row['detectable'])}"
        for row in known.sort("metric").to_dicts()
    }


def points(metric: str, difference: float) -> str:
    """A difference as one would say it: shares in points of a hundred."""
    scale = a_point(metric)
    if scale is None:
        return f"{difference:.2g} in {metric}"
    whole = difference / scale
    return f"{whole:.0f} points" if abs(whole) >= 10 else f"{whole:.2g} points"


def a_point(metric: str) -> float | None:
    """A hundredth of a metric's range; None of one that has no upper end, or is not ours."""
    if metric in METRICS and METRICS[metric].proportion:
        return 0.01
    return 1.0 if metric in POINTS else None


def clusters(values: pl.DataFrame, settings: BootstrapSettings) -> Integers | None:
    """Each row's group as a number, where groups are what is drawn."""
    if settings.unit == "sample":
        return None
    return values["group"].rank("dense").cast(pl.Int64).to_numpy()


def fields(found: Estimate | Difference) -> dict[str, object]:
    """An estimate's numbers by name, rounded."""
    return {name: round(value, DIGITS) if isinstance(value, float) else value for name, value in vars(found).items()}


def _of_two(
    a: str, b: str, found_a: Found, found_b: Found, split: str, settings: BootstrapSettings
) -> Iterator[dict[str, object]]:
    """One row per metric that both have on some samples; no perplexity across tokenizers, where its units differ."""
    for metric in (metric for metric in SCORED if metric in found_a and metric in found_b):
        both = found_a[metric].join(found_b[metric], on="sample_id", suffix="_b").sort("sample_id")
        same_units = metric != "perplexity" or bool((both["weight"] == both["weight_b"]).all())
        if both.height and same_units:
            names = {"metric": metric, "split": split, "model_a": a, "model_b": b}
            difference = _difference(both, metric, settings)
            yield names | fields(difference) | {"better": _better(difference, a, b, METRICS[metric].higher_is_better)}


def _difference(both: pl.DataFrame, metric: str, settings: BootstrapSettings) -> Difference:
    values_a, values_b, weights_a, weights_b = (
        both[column].to_numpy() for column in ("value", "value_b", "weight", "weight_b")
    )
    transform = METRICS[metric].transform
    drawn = clusters(both, settings)
    found = paired_difference(values_a, values_b, weights_a, weights_b, drawn, transform, settings)
    return unless_alike(found, values_b - values_a, metric, settings.confidence)


def unless_alike(found: Difference, apart: Floats, metric: str, confidence: float) -> Difference:
    """The difference; where two are `apart` alike on every sample a bootstrap would claim that they always are, so Wilson's
    interval says on how many samples they may not be, and the metric's range how much that is."""
    span = 100 * (a_point(metric) or 0.0)
    if not span or found.n < 2 or np.ptp(apart) > 1e-9 * span:
        return found
    end, difference = span * wilson(0.0, found.n, confidence)[1], found.difference or 0.0
    return replace(found, low=max(-span, difference - end), high=min(span, difference + end), detectable=end)


def estimated(values: Floats, found: Estimate, metric: str, confidence: float) -> Estimate:
    """The score; where all `values` are alike, with an interval as in `unless_alike`."""
    span = 100 * (a_point(metric) or 0.0)
    if not span or found.value is None or found.n < 1 or np.ptp(values) > 1e-9 * span:
        return found
    end = span * wilson(0.0, found.n, confidence)[1]
    return replace(found, low=max(0.0, found.value - end), high=min(span, found.value + end))


def _better(found: Difference, a: str, b: str, higher_is_better: bool) -> str | None:
    if found.low is None or found.high is None or found.low <= 0 <= found.high:
        return None
    return b if (found.low > 0) == higher_is_better else a


def _slices(samples: pl.DataFrame) -> dict[str, dict[str, pl.Series]]:
    """The sample_ids of each slice, for each way to slice that tells samples apart."""
    length = samples["messages"].list.eval(pl.element().struct.field("content").str.len_chars()).list.sum()
    band = pl.lit(_LONGEST)
    for limit, name in reversed(_LENGTHS):
        band = pl.when(pl.col("length") <= limit).then(pl.lit(name)).otherwise(band)
    sliced = samples.with_columns(length=length).with_columns(length=band)
    ways = {}
    for way in (way for way in WAYS if way in sliced.columns):
        groups = sliced.drop_nulls(way).sort(way).group_by(way, maintain_order=True).agg("sample_id")
        if groups.height > 1:
            ways[way] = dict(groups.iter_rows())
    return {way: {name: pl.Series(ids) for name, ids in slices.items()} for way, slices in ways.items()}


def _within(found: Found, ids: pl.Series) -> dict[str, pl.DataFrame]:
    inside = {metric: values.filter(pl.col("sample_id").is_in(ids.implode())) for metric, values in found.items()}
    return {metric: values for metric, values in inside.items() if values.height}
