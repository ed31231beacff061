"""Shares: how sure one is, and how it is told. It stands beside `records.py` because annotation and evaluation both count shares."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist


def wilson(share: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share seen in n independent trials; within 0 and 1, and never of width zero."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def told(count: int | None, n: int) -> str:
    """A count out of n with its share, as people read it; `unknown` where nobody counted."""
    return "unknown" if count is None else f"{count:,} ({count / n:.1%})" if n else f"{count:,}"
