"""Figures as the report says them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evaluation.comparisons import SURE, points


def figure(value: object) -> str:
    """A number in three digits; nothing where there is none."""
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


def cell(value: object) -> str:
    """A number, a text, or yes and no."""
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else figure(value)


def ends(low: float | None, high: float | None) -> str:
    """An interval."""
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g}"


def claim(row: Mapping[str, Any]) -> str:
    """What a comparison allows to say."""
    sure = row["better"] is not None and row["p_adjusted"] is not None and row["p_adjusted"] < SURE
    return f"{row['better']} is better" if sure else "may be chance"


def visible(row: Mapping[str, Any]) -> str:
    """The smallest difference that a comparison could have shown."""
    if row["detectable"] is None:
        return ""
    return f"with {row['n']:,} samples you can see {points(row['metric'], row['detectable'])}"
