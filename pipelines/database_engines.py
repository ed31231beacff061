"""Dagster's SQLite databases, asked as SQLAlchemy and SQLite mean to be asked.

An engine keeps the statements that it has compiled, and what it asked a database first. Dagster makes a new one for each
statement, six hundred in a small run. So its modules are given the engine that they were given before. An engine holds no
connection, so forks, and files that are removed or made anew, are as they were.

Who closes the last connection to a database folds its log into it and waits for the disk; Dagster closes one after each
statement. So a run of our own command keeps one open to each. The UI looks at a run again when its database file has
changed, and what is in the log does not change it; so the file is touched.

Each database that Dagster opens is asked whether it has the newest tables, and each run's own is told that it has; for both
all of Dagster's migrations are imported, ninety files. They are what is installed, so they are imported once in a process.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Engine, create_engine, event

_MODULES = (
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
)
"""Private ones: where they are no more, they make engines as they like."""
_SQL = "dagster._core.storage.sql"
_SCHEME = "sqlite:///"
_MOST = 64
"""Engines that are kept: each run has a database of its own."""
_engines: dict[tuple[str, ...], Engine] = {}
_read: dict[str, Any] = {}
"""Of each folder of migrations what alembic makes of it."""
_open: list[dict[str, sqlite3.Connection]] = []
"""Of each block of `kept_open` that is on, what it keeps, by file."""


@cache
def share_engines() -> None:
    """Have Dagster make one engine for each database, from now on."""
    for name in _MODULES:
        with suppress(ImportError):
            vars(import_module(name))["create_engine"] = _engine
    with suppress(ImportError, KeyError):
        names = vars(import_module(_SQL))
        migrations = partial(_migrations, names["ScriptDirectory"].from_config)
        names["ScriptDirectory"] = SimpleNamespace(from_config=migrations)
        names["stamp"] = partial(_stamp, migrations)


def _migrations(read: Callable[[Any], Any], asked: Any) -> Any:
    place = asked.get_main_option("script_location")
    if place not in _read:
        _read[place] = read(asked)
    return _read[place]


def _stamp(migrations: Callable[[Any], Any], asked: Any, revision: str) -> None:
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(asked.attributes["connection"])
    with context.begin_transaction():
        context.stamp(migrations(asked), revision)


@contextmanager
def kept_open() -> Iterator[None]:
    """Within this block each database that Dagster asks stays open."""
    mine: dict[str, sqlite3.Connection] = {}
    _open.append(mine)
    try:
        yield
    finally:
        _open[:] = [kept for kept in _open if kept is not mine]
        for connection in mine.values():
            connection.close()


def _engine(place: str, **how: Any) -> Engine:
    file = place.removeprefix(_SCHEME)
    for kept in _open:
        if file not in kept and (connection := _connected(file)):
            kept[file] = connection
    key = (place, *(f"{name}={value}" for name, value in sorted(how.items())))
    if key not in _engines:
        if len(_engines) >= _MOST:
            _engines.clear()
        _engines[key] = create_engine(place, **how)
        event.listen(_engines[key], "close", partial(_touch, file))
    return _engines[key]


def _connected(file: str) -> sqlite3.Connection | None:
    """A connection that keeps the log of a database from being folded; None where there is no log yet, or it is busy."""
    with suppress(sqlite3.Error):
        if Path(file).exists():
            connection = sqlite3.connect(file, check_same_thread=False)
            if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
                connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # reading opens the log
                return connection
            connection.close()
    return None


def _touch(file: str, *_: object) -> None:
    """Tell those who watch a database that is kept open that something was written."""
    if any(file in kept for kept in _open):
        with suppress(FileNotFoundError):
            os.utime(file)
