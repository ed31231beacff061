"""Cohen's kappa: how far two judges agree beyond what chance would make them, with its interval.

Kappa is (po - pe) / (1 - pe) (Cohen 1960). Its standard error for an interval is that of Fleiss, Cohen and Everitt (1969,
"Large sample standard errors of kappa and weighted kappa", eq. 13); the one for a test against zero is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from evaluation.statistics import Estimate


def cohen_kappa(first: Sequence[str], second: Sequence[str], confidence: float = 0.95) -> Estimate:
    """Kappa of two judges' labels for the same things; all None for nothing, or where both gave one label throughout."""
    if len(first) != len(second):
        raise ValueError(f"kappa needs the same things judged twice: there are {len(first)} and {len(second)} labels")
    labels = {label: place for place, label in enumerate(sorted({*first, *second}))}
    table = np.zeros((len(labels), len(labels)))
    for a, b in zip(first, second, strict=True):
        table[labels[a], labels[b]] += 1
    return kappa_of_table(table, confidence)


def kappa_of_table(table: npt.NDArray[np.float64], confidence: float = 0.95) -> Estimate:
    """Kappa of a square table of counts: rows are the first judge's labels, columns the second's."""
    n = float(table.sum())
    if not n:
        return Estimate(None, None, None, 0)
    shares = table / n
    rows, columns, same = shares.sum(axis=1), shares.sum(axis=0), np.diag(shares)
    observed, expected = float(same.sum()), float(rows @ columns)
    if expected >= 1:
        return Estimate(None, None, None, round(n))
    kappa = (observed - expected) / (1 - expected)
    agreeing = float((same * (1 - (rows + columns) * (1 - kappa)) ** 2).sum())
    apart = shares * (columns[:, None] + rows[None, :]) ** 2
    differing = (1 - kappa) ** 2 * float(apart.sum() - np.diag(apart).sum())
    variance = (agreeing + differing - (kappa - expected * (1 - kappa)) ** 2) / (n * (1 - expected) ** 2)
    half = NormalDist().inv_cdf((1 + confidence) / 2) * sqrt(max(0.0, variance))
    return Estimate(kappa, max(-1.0, kappa - half), min(1.0, kappa + half), round(n))
