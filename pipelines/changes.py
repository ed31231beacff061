"""What came and what went between the elements of an input and those that a table has seen."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from pipelines.graph import Input
from pipelines.inputs import Pinned, value_of


def read_elements(given: Input, pinned: Pinned) -> pl.LazyFrame:
    """The rows of a table that a measure or a fold goes through."""
    rows: pl.LazyFrame = value_of(given, pinned)
    return rows


def fold_elements(given: Input, pinned: Pinned) -> pl.LazyFrame:
    """The rows that a fold goes through; several inputs (one per source) are one after the other."""
    value = value_of(given, pinned)
    rows: pl.LazyFrame = pl.concat(value.values()) if isinstance(value, dict) else value.lazy()
    return rows


def seen_elements(state: Mapping[str, pl.LazyFrame], keys: list[str]) -> pl.DataFrame:
    """The elements that stand in any table of a fold's state."""
    return pl.concat([table.select(keys) for table in state.values()]).unique().collect()


def changed(now: pl.DataFrame, before: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The elements that came and those that went, as frames of their keys; all came when nothing was seen before."""
    if before is None:
        return now, now.head(0)
    keys = now.columns
    came = now.join(before, on=keys, how="anti", nulls_equal=True)
    return came, before.unique().join(now, on=keys, how="anti", nulls_equal=True)


def changed_by(
    came: pl.LazyFrame, went: pl.LazyFrame, before: pl.LazyFrame, now: pl.LazyFrame, keys: list[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The elements that came and those that went, given the rows that did and the elements that were seen `before`."""
    fresh, gone = (rows.select(keys).unique().collect() for rows in (came, went))
    seen = before.select(keys).join(fresh.lazy(), on=keys, how="semi", nulls_equal=True).collect()
    if gone.height:
        still = now.select(keys).join(gone.lazy(), on=keys, how="semi", nulls_equal=True).collect()
        gone = gone.join(still, on=keys, how="anti", nulls_equal=True)
    return fresh.join(seen, on=keys, how="anti", nulls_equal=True), gone
