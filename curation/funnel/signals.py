"""Where the signals lie, and where the thresholds: for each column of evidence, bins of the contents that pass and fail.

One column is read at a time. Lengths and counts differ by orders of magnitude, so what goes beyond 20 times its median
is binned by powers of ten (of 1 + value, so that zero has its place).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.rules import Comparison, Rule

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame
Numbers: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]

BINS = 48
_NO_SIGNALS = {"content_digest", "error"}


@dataclass(frozen=True, slots=True)
class Bins:
    """Contents by the value of a number: between `edges` (one more than bins), those that pass and those that fail.

    With `powers`, edges are log10(1 + value).
    """

    edges: Numbers
    passing: Counts
    failing: Counts
    powers: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """A column of evidence with the rules on it: `bins` of a number, `names` (contents by value) of anything else."""

    table: str
    column: str
    rules: tuple[Rule, ...]
    contents: int
    without: int
    """Contents that have no value."""
    bins: Bins | None = None
    names: Mapping[str, int] | None = None


def signals(evidence: Mapping[str, Frame | None], rules: Sequence[Rule]) -> list[Signal]:
    """The signals of all tables: those that rules look at first, in the rules' order; then the others."""
    tables = {name: table.lazy() for name, table in evidence.items() if table is not None}
    looked_at = [place for place in dict.fromkeys((rule.evidence, rule.column) for rule in rules) if place[0] in tables]
    others = [place for place in _told(tables) if place not in looked_at]
    return [_signal(table, column, tables[table], rules) for table, column in (*looked_at, *others)]


def _told(tables: Mapping[str, pl.LazyFrame]) -> Iterator[tuple[str, str]]:
    """The numbers of each table, and what it names (a language)."""
    for name, table in tables.items():
        for column, kind in table.collect_schema().items():
            if kind.is_numeric() or (kind == pl.String and column not in _NO_SIGNALS):
                yield name, column


def _signal(table: str, column: str, rows: pl.LazyFrame, rules: Sequence[Rule]) -> Signal:
    own = tuple(rule for rule in rules if (rule.evidence, rule.column) == (table, column))
    values = rows.select(column).collect().to_series()
    known = values.drop_nulls()
    signal = Signal(table, column, own, values.len(), values.null_count())
    if not known.dtype.is_numeric():
        counted = (
            known.cast(pl.String).rename("value").value_counts(name="n").sort("n", "value", descending=[True, False])
        )
        return _replaced(signal, names=dict(counted.iter_rows()))
    numbers = known.cast(pl.Float64).to_numpy()
    return _replaced(signal, bins=_bins(numbers[np.isfinite(numbers)], own))


def _replaced(signal: Signal, bins: Bins | None = None, names: Mapping[str, int] | None = None) -> Signal:
    return Signal(signal.table, signal.column, signal.rules, signal.contents, signal.without, bins, names)


def _bins(numbers: Numbers, rules: Sequence[Rule]) -> Bins:
    limits = np.array([rule.threshold for rule in rules if isinstance(rule.threshold, (int, float))], np.float64)
    failing = np.zeros(len(numbers), bool)
    for rule in rules:
        if isinstance(rule.threshold, (int, float)):
            failing |= compared(numbers, rule.comparison, rule.threshold)
    spread = np.concatenate([numbers, limits])
    low, high = (float(spread.min()), float(spread.max())) if len(spread) else (0.0, 1.0)
    powers = low >= 0 and high > 20 and high > 20 * float(np.median(numbers) if len(numbers) else 0)
    scaled = np.log10(1 + numbers) if powers else numbers
    first, last = (np.log10(1 + low), np.log10(1 + high)) if powers else (low, high)
    edges = np.linspace(first, last if last > first else first + 1, BINS + 1)
    passing, _ = np.histogram(scaled[~failing], edges)
    failed, _ = np.histogram(scaled[failing], edges)
    return Bins(edges, passing, failed, powers)


def compared(numbers: Numbers, comparison: Comparison, threshold: float) -> npt.NDArray[np.bool_]:
    """Which numbers fail a rule with that comparison and threshold."""
    found = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}[comparison]
    fails: npt.NDArray[np.bool_] = found(numbers, threshold)
    return fails
