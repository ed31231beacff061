"""Reading what was made: tables on the screen and in files, and releases to take away."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import polars as pl
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from curation.release_export import export_to
from pipelines.commits import Commit
from pipelines.lookup import SHORT
from pipelines.previews import DIGEST
from pipelines.releases import find_release
from pipelines.shown import excerpt
from pipelines.store import RETENTION_HOURS, Store
from pipelines.tags import tags_of
from pipelines.workspace import Workspace
from records import Progress, silent

CELL = 60
NARROW = 8
"""With fewer signs than this a column cannot be read; where columns would get fewer, the table is turned."""
ACROSS = 24
"""The signs that a row of a turned table gets at least, if it has so many."""
PLACES = {"doc_id": ("place", "source"), "kept_id": ("place that stays", "kept_source")}
"""Columns that name a document; what is printed beside each, and the column that is left out where this says the same."""
AT_FIRST = {
    "tombstones": "nothing was taken back yet; `headwater forget` does",
    "purges": "nothing was purged yet; `headwater forget --purge` does",
}
"""Tables that commands write, and no stage: what it means that there is none."""
FORMATS = (".parquet", ".csv", ".jsonl")


def _rows(store: Store, commit: Commit) -> pl.LazyFrame:
    """The rows of a commit. Raises LookupError when their files are past retention."""
    missing = store.missing_files(commit)
    if missing:
        raise LookupError(
            f"table {commit.table}: the rows of version {commit.version[:SHORT]} were cleared away, {RETENTION_HOURS // 24} days after "
            "they were replaced; releases are kept for ever (`headwater export`)"
        )
    return store.scan(commit.table, commit.number)


def _at(store: Store, name: str, version: str | None) -> Commit:
    released = tags_of(store, name).get(version) if version else None
    if released:
        version = next(
            (str(each.number) for each in store.history(name) if each.notes.get("release") == released), version
        )
    head = store.head(name) if version is None else store.find(name, version)
    if head is None and name in AT_FIRST:
        raise LookupError(f"there is no table {name}: {AT_FIRST[name]}")
    if head is None:
        tables = store.tables()
        known = ", ".join(tables) or "none yet; `headwater run` makes them"
        meant = get_close_matches(name, tables, n=1)
        raise LookupError(
            f"there is no table {name!r}; {f'did you mean {meant[0]}? ' if meant else ''}there are: {known}"
        )
    return head


def print_table(console: Console, store: Store, name: str, version: str | None, limit: int) -> None:
    """Print a table's first rows: long texts are cut, names by digest to the digits that commands take, and beside a
    document's stands its place. What has more columns than the console can show has a line for each column.
    Raises LookupError when there is no such table or version."""
    commit = _at(store, name, version)
    rows = _with_places(store, _rows(store, commit).head(limit).collect())
    cells = [[_cell(value) for value in row] for row in rows.iter_rows()]
    fits = _width(zip(rows.columns, *cells, strict=True), NARROW) <= console.width
    title: str | None = f"{name} {commit.version[:SHORT]}: {commit.rows:,} rows"
    for heads, lines in [(rows.columns, cells)] if fits else _turned(rows.columns, cells, console.width):
        table = Table(title=title, title_justify="left")
        for head in heads:
            table.add_column(escape(head), overflow="fold")
        for line in lines:
            table.add_row(*map(escape, line))
        console.print(table)
        title = None


def _turned(
    columns: Sequence[str], cells: Sequence[Sequence[str]], width: int
) -> Iterator[tuple[list[str], list[tuple[str, ...]]]]:
    """The table with a line for each column, as many rows beside each other as fit: heads and lines, piece by piece."""
    room = width - _width([columns], max(map(cell_len, columns)))
    begin = 0
    while not begin or begin < len(cells):
        end = begin + 1
        while end < len(cells) and _width(cells[begin : end + 1], ACROSS) <= room:
            end += 1
        piece = cells[begin:end]
        heads = ["column", *(f"row {number}" for number in range(begin + 1, begin + 1 + len(piece)))]
        yield heads, list(zip(columns, *piece, strict=True))
        begin = end


def _width(columns: Iterable[Iterable[str]], most: int) -> int:
    """How many signs columns take beside each other, when none has more than `most`; lines and blanks included."""
    return sum(min(most, max(map(cell_len, column))) + 3 for column in columns) + 1


def _with_places(store: Store, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the places of the documents that they name, where they do not say them."""
    named = [name for name in PLACES if name in rows.columns]
    if not named or "locator" in rows.columns or store.head("documents") is None:
        return rows
    wanted = pl.concat([rows[name] for name in named]).drop_nulls().unique()
    place = pl.format("{}:{}", "source", "locator").alias("place")
    known = store.scan("documents").filter(pl.col("doc_id").is_in(wanted.implode())).select("doc_id", place).collect()
    for name in named:
        found = rows[[name]].join(known, left_on=name, right_on="doc_id", how="left", maintain_order="left")["place"]
        told, source = PLACES[name]
        rows = rows.insert_column(rows.get_column_index(name) + 1, found.alias(told))
        if source in rows.columns:
            is_told = pl.col(told).str.starts_with(pl.col(source) + ":").fill_null(False).all()
            rows = rows.drop(source) if rows.select(is_told).item() else rows
    return rows


def _cell(value: object) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    return text[:SHORT] if DIGEST.fullmatch(text) else excerpt(text, CELL)


def print_versions(console: Console, store: Store, name: str) -> None:
    """Print a table's versions, newest first."""
    _at(store, name, None)
    table = Table("commit", "version", "rows", "came", "went")
    for commit in store.history(name):
        said = (commit.number, commit.version[:SHORT], commit.rows, commit.added, commit.removed)
        table.add_row(*map(str, said))
    console.print(table)


def write_table(store: Store, name: str, version: str | None, path: Path) -> int:
    """Write a table to a file by its ending; the number of rows. Nested columns become JSON in CSV."""
    _check_ending(path)
    commit = _at(store, name, version)
    write_rows(_rows(store, commit), path)
    return commit.rows


def write_rows(rows: pl.LazyFrame, path: Path) -> None:
    """Write rows to a file by its ending. Raises ValueError for an ending that is none of `FORMATS`."""
    _check_ending(path)
    if path.suffix == ".parquet":
        rows.sink_parquet(path)
    elif path.suffix == ".jsonl":
        rows.sink_ndjson(path)
    else:
        rows.with_columns(_flat(rows)).sink_csv(path)


def _check_ending(path: Path) -> None:
    if path.suffix not in FORMATS:
        raise ValueError(f"{path}: end the name in one of {', '.join(FORMATS)}")


def _flat(rows: pl.LazyFrame) -> list[pl.Expr]:
    nested = [name for name, kind in rows.collect_schema().items() if kind.is_nested()]
    return [
        pl.col(name).map_elements(
            lambda value: json.dumps(pl.Series(value).to_list(), ensure_ascii=False), return_dtype=pl.String
        )
        for name in nested
    ]


def export_dataset(
    workspace: Workspace, dataset: str, version: str | None, destination: str, progress: Progress = silent
) -> str:
    """Copy a release to a folder or an address; its version. Raises LookupError when there is no such dataset or version."""
    release = find_release(workspace, dataset, version)
    export_to(release.folder, destination, progress)
    return release.version
