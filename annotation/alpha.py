"""Krippendorff's alpha, with its interval.

It is the share of disagreement that chance would leave and people do not (Krippendorff 2011, "Computing Krippendorff's
Alpha-Reliability"): 1 is perfect, 0 is chance, and any number of annotators and missing answers will do. Levels of a
rubric have an order, and a neighbour is nearer than the other end: their alpha is the ordinal one, which weighs two
values by how many answers lie between them, or the interval one, which takes every step for as long as any other. It is computed
here because the library of that name is under the GPL (tests hold the two against each other), and because all resamples of its
interval are one matrix product. The interval draws tasks with replacement: answers to one task are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from annotation.settings import TrustSettings

Floats = npt.NDArray[np.float64]
Scale = Literal["nominal", "ordinal", "interval"]


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its interval; None where nobody shares a task, or all answers are the same."""

    value: float | None
    low: float | None
    high: float | None


def alpha_of(judged: pl.DataFrame, settings: TrustSettings) -> Alpha:
    """Alpha of judgements of one criterion (task_digest, kind, value): by `settings.scale` for ratings, else nominal."""
    rated = bool((judged["kind"] == "rating").any())
    values = sorted(judged["value"].unique())
    votes = [(pl.col("value") == value).sum().alias(value) for value in values]
    counts = judged.group_by("task_digest").agg(*votes).sort("task_digest").drop("task_digest")
    places = np.array([float(value) for value in values]) if rated else None
    matrix = counts.to_numpy().astype(np.int64).reshape(counts.height, len(values))
    return alpha(matrix, settings, settings.scale if rated else "nominal", places)


def alpha(
    counts: npt.NDArray[np.int64], settings: TrustSettings, scale: Scale = "nominal", places: Floats | None = None
) -> Alpha:
    """Alpha of values without an order, in that of the columns, or at `places` (one after the other where None is given).
    `counts` (tasks, values) says how many annotators gave a task each value."""
    at = np.arange(counts.shape[1], dtype=np.float64) if places is None else places
    pairable = counts[counts.sum(axis=1) > 1].astype(np.float64)
    if not len(pairable):
        return Alpha(None, None, None)
    matches = _coincidences(pairable)
    value = _alpha(matches.sum(axis=0), scale, at)
    if np.isnan(value):
        return Alpha(None, None, None)
    rng = np.random.default_rng([settings.seed, len(pairable)])
    drawn = rng.multinomial(len(pairable), np.full(len(pairable), 1 / len(pairable)), size=settings.resamples)
    resampled = _alpha(drawn.astype(np.float64) @ matches, scale, at)
    resampled = resampled[~np.isnan(resampled)]
    low, high = np.quantile(resampled, [0.025, 0.975]) if len(resampled) else (value, value)
    return Alpha(round(float(value), 9), round(float(low), 9), round(float(high), 9))


def _coincidences(counts: Floats) -> Floats:
    """(tasks, values²): how often two answers to a task have each pair of values, weighed by 1 / (answers - 1)."""
    n_values = counts.shape[1]
    together = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(n_values)
    weighed: Floats = together / (counts.sum(axis=1) - 1)[:, None, None]
    return weighed.reshape(len(counts), -1)


def _alpha(matches: Floats, scale: Scale, places: Floats) -> Floats:
    """Alpha of one coincidence matrix, flat, or of each row of several; not a number where all values are one."""
    n_values = int(np.sqrt(matches.shape[-1]))
    square = matches.reshape(*matches.shape[:-1], n_values, n_values)
    margins = square.sum(axis=-1)
    total = margins.sum(axis=-1)
    at = margins.cumsum(axis=-1) - margins / 2 if scale == "ordinal" else places
    apart = 1 - np.eye(n_values) if scale == "nominal" else (at[..., :, None] - at[..., None, :]) ** 2
    seen = (square * apart).sum(axis=(-2, -1))
    by_chance = (margins[..., :, None] * margins[..., None, :] * apart).sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = 1 - (total - 1) * seen / by_chance
    return np.where(by_chance > 0, found, np.nan)
