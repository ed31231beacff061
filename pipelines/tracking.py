"""Which rows came to a table and which went between two of its versions, at the cost of the files they do not share.

A fold that follows tables needs no list of what it has seen: the commit it made last names the versions it was made
from, Delta's log says which files two versions have in common, and the stored row hashes tell rows apart in the rest.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipelines.commits import Commit
from pipelines.digests import ROW_HASH
from pipelines.graph import Node
from pipelines.inputs import Pinned, value_of
from pipelines.stages import Tracked
from pipelines.store import Store


def tracked_inputs(node: Node, pinned: Pinned, head: Commit, store: Store) -> dict[str, Tracked] | None:
    """What came and went since `head` in each table that a fold follows; None when that can no longer be told."""
    found: dict[str, Tracked] = {}
    for given in node.inputs:
        if given.tracked:
            moved = difference(store, given.name, head.inputs.get(given.name, ""), pinned.pins[given.name].version)
            if moved is None:
                return None
            found[given.parameter] = Tracked(value_of(given, pinned), *moved)
    return found


def all_came(node: Node, pinned: Pinned) -> dict[str, Tracked]:
    """The tables that a fold follows, as it sees them when it starts from empty."""
    tables = {given.parameter: value_of(given, pinned) for given in node.inputs if given.tracked}
    return {name: Tracked(rows, rows, rows.head(0)) for name, rows in tables.items()}


def difference(store: Store, table: str, before: str, after: str) -> tuple[pl.LazyFrame, pl.LazyFrame] | None:
    """The rows that came and those that went between two versions; None when the files of either are gone."""
    known = store.history(table)
    old, new = (next((each for each in known if each.version == version), None) for version in (before, after))
    if old is None or new is None or old.schema != new.schema:
        return None
    files = store.files(table, old.number), store.files(table, new.number)
    only_old, only_new = (_rows(store, table, sorted(a - b)) for a, b in (files, files[::-1]))
    if only_old is None or only_new is None:
        return None
    hashes = [rows.select(ROW_HASH).collect() for rows in (only_new, only_old)]
    came, went = hashes[0].join(hashes[1], on=ROW_HASH, how="anti"), hashes[1].join(hashes[0], on=ROW_HASH, how="anti")
    return _among(only_new, hashes[0], came), _among(only_old, hashes[1], went)


def _rows(store: Store, table: str, files: list[str]) -> pl.LazyFrame | None:
    if not all(Path(file).exists() for file in files):
        return None
    return pl.scan_parquet(files) if files else store.scan_with_hashes(table).head(0)


def _among(rows: pl.LazyFrame, whole: pl.DataFrame, wanted: pl.DataFrame) -> pl.LazyFrame:
    if wanted.height < whole.height:
        rows = rows.filter(pl.col(ROW_HASH).is_in(wanted.get_column(ROW_HASH).implode()))
    return rows.drop(ROW_HASH)
