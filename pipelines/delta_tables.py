"""Tables of Delta Lake as they are opened: once for each state of their log.

To open one is to read its log, some two milliseconds, and a small run looks at its tables two hundred times.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

_DIGITS = 20
_ENTRY = re.compile(rf"\d{{{_DIGITS}}}\.json")
_MOST_OPEN = 128
"""Tables, as of a commit each, that are kept open to be read."""


def open_table(location: str, number: int | None = None) -> DeltaTable | None:
    """A table as of a commit (the newest when None); None where there is none. To be written, for a writer moves it on."""
    try:
        return DeltaTable(location, version=number)
    except TableNotFoundError:
        return None


def opened_before(location: str, number: int | None = None) -> DeltaTable | None:
    """The same, to be read: while the log is as it was, it is not read again."""
    newest = _newest_entry(location)
    if newest is None:
        return open_table(location, number)
    with suppress(TableNotFoundError):
        return _opened(location, newest.number if number is None else number, newest)
    return None


class _Entry(NamedTuple):
    """The newest entry of a table's log: its number, and what tells the file from another of that name."""

    number: int
    inode: int
    changed_ns: int


def _newest_entry(location: str) -> _Entry | None:
    """None where there is no log, or nothing in it that has the name of an entry."""
    with suppress(FileNotFoundError), os.scandir(f"{location}/_delta_log") as entries:
        newest = max(
            (entry for entry in entries if _ENTRY.fullmatch(entry.name)), key=lambda entry: entry.name, default=None
        )
        if newest is not None:
            seen = newest.stat()
            return _Entry(int(newest.name[:_DIGITS]), seen.st_ino, seen.st_ctime_ns)
    return None


@lru_cache(maxsize=_MOST_OPEN)
def _opened(location: str, number: int, newest: _Entry) -> DeltaTable:
    """A table as of a commit, which holds as long as the newest entry is the same."""
    return DeltaTable(location, version=number)


def files_of(table: DeltaTable) -> list[Path]:
    """The files of a table's rows by their paths; Delta names them by addresses, in which blanks are escaped."""
    folder = Path(unquote(urlsplit(table.table_uri).path))
    return [folder / name for name in table.get_add_actions(flatten=True).column("path").to_pylist()]


def schema_of(table: DeltaTable) -> pl.Schema:
    """The columns of a table."""
    return pl.Schema(table.schema().to_arrow())


def scan_of(table: DeltaTable) -> pl.LazyFrame:
    """The rows of a table, lazily."""
    files, schema = files_of(table), schema_of(table)
    return pl.scan_parquet(files, schema=schema, glob=False) if files else pl.LazyFrame(schema=schema)
