"""Cohen's kappa: how far two judges agree beyond what chance would make them, with its interval.

Kappa is (po - pe) / (1 - pe) (Cohen 1960). For ratings, levels that lie near each other agree in part: weights fall with the
distance or with its square (Cohen 1968, "Weighted kappa"). Its standard error for an interval is that of Fleiss, Cohen and
Everitt (1969, "Large sample standard errors of kappa and weighted kappa", eq. 8 and 13); the one for a test against zero is
another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np

from evaluation.statistics import Estimate, Floats

Weights = Literal["none", "linear", "quadratic"]


def cohen_kappa(first: Sequence[str], second: Sequence[str], confidence: float = 0.95) -> Estimate:
    """Kappa of two judges' labels for the same things; all None for nothing, or where both gave one label throughout."""
    if len(first) != len(second):
        raise ValueError(f"kappa needs the same things judged twice: there are {len(first)} and {len(second)} labels")
    labels = {label: place for place, label in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(labels), len(labels)))
    for a, b in zip(first, second, strict=True):
        table[labels[a], labels[b]] += 1
    return kappa_of_table(table, confidence)


def weighted_kappa(first: Sequence[int], second: Sequence[int], confidence: float = 0.95) -> Estimate:
    """Kappa of two judges' levels for the same things, weighted by squared distance; all None where `cohen_kappa` is."""
    if len(first) != len(second):
        raise ValueError(f"kappa needs the same things judged twice: there are {len(first)} and {len(second)} levels")
    lowest = min([*first, *second], default=0)
    table = np.zeros((max([*first, *second], default=0) - lowest + 1,) * 2)
    for a, b in zip(first, second, strict=True):
        table[a - lowest, b - lowest] += 1
    return kappa_of_table(table, confidence, "quadratic")


def kappa_of_table(table: Floats, confidence: float = 0.95, weights: Weights = "none") -> Estimate:
    """Kappa of a square table of counts: rows are the first judge's labels, columns the second's, in the order of the levels."""
    n = float(table.sum())
    if not n:
        return Estimate(None, None, None, 0)
    shares, weight = table / n, _weights(len(table), weights)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float((weight * shares).sum()), float(rows @ weight @ columns)
    if expected >= 1:
        return Estimate(None, None, None, round(n))
    kappa = (observed - expected) / (1 - expected)
    usual = (weight @ columns)[:, None] + (rows @ weight)[None, :]
    spread = float((shares * (weight - usual * (1 - kappa)) ** 2).sum())
    variance = (spread - (kappa - expected * (1 - kappa)) ** 2) / (n * (1 - expected) ** 2)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(max(0.0, variance))
    return Estimate(kappa, max(-1.0, kappa - half), min(1.0, kappa + half), round(n))


def _weights(levels: int, kind: Weights) -> Floats:
    """How far two levels agree, 0 to 1."""
    if kind == "none" or levels == 1:
        return np.eye(levels)
    distance = np.abs(np.subtract.outer(np.arange(levels), np.arange(levels))) / (levels - 1)
    agreed: Floats = 1 - (distance if kind == "linear" else distance**2)
    return agreed
