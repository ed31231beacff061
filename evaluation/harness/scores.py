"""What tasks gave: a score with its interval for each metric, and paired tests between contestants.

The harness's aggregations that are weighted means, or a transform of one, are written as such (`AGGREGATIONS`), so that the
intervals and tests of all other scores hold for them: a value per document, a weight, and a transform. Others (F1, BLEU)
look at all documents at once; their interval is of the plain bootstrap, over the aggregation itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from evaluation.comparisons import COMPARISONS, adjusted, fields
from evaluation.statistics import BootstrapSettings, Estimate, Transform, identity, mean_interval, paired_difference
from proportions import wilson

SPLIT = "harness"
"""The split under which scores of tasks stand among the others."""

ITEMS = {
    "task": pl.String(),
    "metric": pl.String(),
    "doc": pl.Int64(),
    "aggregation": pl.String(),
    "higher_is_better": pl.Boolean(),
    "value": pl.Float64(),
    "weight": pl.Float64(),
    "question": pl.String(),
    "output": pl.String(),
    "reference": pl.String(),
}
"""The schema of items: what each document gave by each metric. A score is the mean of `value` by `weight`, transformed as
`aggregation` says; both are null where the metric looks at all documents at once."""

HARNESS_SCORES = {
    "model": pl.String(),
    "task": pl.String(),
    "metric": pl.String(),
    "model_version": pl.String(),
    "dataset_version": pl.String(),
    "higher_is_better": pl.Boolean(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
}
"""The schema of scores; `dataset_version` names the files of the tasks."""

LEAST_RESAMPLES = 200
"""Resamples where each costs a pass over all documents; BLEU of 1,000 answers takes a tenth of a second."""

Split = Callable[[Any], tuple[float, float]]
AGGREGATIONS: dict[str, tuple[Split, Transform]] = {
    "mean": (lambda item: (float(item), 1.0), identity),
    "perplexity": (lambda item: (-float(item), 1.0), np.exp),
    "weighted_perplexity": (lambda item: (-item[0] / item[1], float(item[1])), np.exp),
    "bits_per_byte": (lambda item: (-item[0] / item[1] / math.log(2), float(item[1])), identity),
}
"""By the harness's name of an aggregation: value and weight of one item, and the transform of their mean."""


def scores_of(
    items: pl.DataFrame, wholes: Sequence[Mapping[str, Any]], about: Mapping[str, str], settings: BootstrapSettings
) -> pl.DataFrame:
    """The scores (HARNESS_SCORES) of one contestant; `about` has its model, model_version and dataset_version.

    `wholes` are scores of metrics that look at all documents at once, as `whole` gives them.
    """
    rows = [{**about, **row} for row in wholes]
    for (task, metric), part in _parts(items):
        named = {"task": task, "metric": metric, "higher_is_better": part["higher_is_better"][0]}
        rows.append({**about, **named, **fields(_estimate(part, settings))})
    return pl.DataFrame(rows, schema=HARNESS_SCORES).sort("model", "task", "metric")


def whole(aggregate: Callable[[list[Any]], float], items: list[Any], settings: BootstrapSettings) -> dict[str, object]:
    """Value, low, high and n of a metric that looks at all items at once: the percentiles of resamples."""
    value, rng = float(aggregate(items)), np.random.default_rng([settings.seed, 3])
    drawn = (rng.integers(len(items), size=len(items)) for _ in range(min(settings.resamples, LEAST_RESAMPLES)))
    found = [float(aggregate([items[place] for place in places])) for places in drawn] if len(items) > 1 else []
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(found, (tail, 1 - tail)).tolist() if found else (None, None)
    return fields(Estimate(value, low, high, len(items)))


def compare_tasks(items: Mapping[str, pl.DataFrame], settings: BootstrapSettings) -> pl.DataFrame:
    """Every two contestants on every metric of every task, on the documents that both have: `comparisons.COMPARISONS`."""
    rows = [row for a, b in combinations(items, 2) for row in _of_two(a, b, items[a], items[b], settings)]
    return adjusted(pl.DataFrame(rows, schema=COMPARISONS))


def among_scores(harness_scores: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The scores of tasks as rows among all others (`scores.SCORES`): the metric is named with its task."""
    named = harness_scores.with_columns(
        metric=metric_name(),
        prompt=pl.lit("none"),
        split=pl.lit(SPLIT),
        overlapping=None,
        contaminated=None,
        in_corpus=None,
    )
    return named.select(pl.col(name).cast(kind) for name, kind in schema.items())


def metric_name() -> pl.Expr:
    """Task and metric as one name."""
    return pl.format("{} {}", "task", "metric")


def _parts(items: pl.DataFrame) -> Iterator[tuple[tuple[str, str], pl.DataFrame]]:
    """The items of each task and metric that have values."""
    known = items.drop_nulls("value").sort("task", "metric", "doc")
    for (task, metric), part in known.group_by("task", "metric", maintain_order=True):
        yield (str(task), str(metric)), part


def _estimate(part: pl.DataFrame, settings: BootstrapSettings) -> Estimate:
    """The score and its interval; Wilson's where all documents agree, for then a bootstrap would claim certainty."""
    values, weights = part["value"].to_numpy(), part["weight"].to_numpy()
    found = mean_interval(values, weights, None, _transform(part), settings)
    if found.value in (0.0, 1.0) and set(values.tolist()) <= {0.0, 1.0}:
        return Estimate(found.value, *wilson(found.value, found.n, settings.confidence), found.n)
    return found


def _transform(part: pl.DataFrame) -> Transform:
    return AGGREGATIONS[part["aggregation"][0]][1]


def _of_two(
    a: str, b: str, items_a: pl.DataFrame, items_b: pl.DataFrame, settings: BootstrapSettings
) -> Iterator[dict[str, object]]:
    others = dict(_parts(items_b))
    for name, part in _parts(items_a):
        if name not in others:
            continue
        both = part.join(others[name], on="doc", suffix="_b").sort("doc")
        if both.is_empty():
            continue
        values_a, values_b = both["value"].to_numpy(), both["value_b"].to_numpy()
        weights_a, weights_b = both["weight"].to_numpy(), both["weight_b"].to_numpy()
        found = paired_difference(values_a, values_b, weights_a, weights_b, None, _transform(part), settings)
        named = {"metric": " ".join(name), "split": SPLIT, "model_a": a, "model_b": b}
        yield named | fields(found) | {"better": _better(found.low, found.high, part["higher_is_better"][0], a, b)}


def _better(low: float | None, high: float | None, higher_is_better: bool, a: str, b: str) -> str | None:
    if low is None or high is None or low <= 0 <= high:
        return None
    return b if (low > 0) == higher_is_better else a
