"""Dagster's SQLite databases, asked as SQLAlchemy and SQLite mean to be asked.

An engine keeps the statements that it has compiled, and what it asked a database first. Dagster makes a new one for each
statement, six hundred in a small run. So its modules are given the engine that they were given before. An engine holds no
connection, so forks, and files that are removed or made anew, are as they were.

Who closes the last connection to a database folds its log into it and waits for the disk; Dagster closes one after each
statement. So a run of our own command keeps one open to each.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Engine, create_engine

_MODULES: tuple[Any, ...] = (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage)
_SCHEME = "sqlite:///"
_MOST = 64
"""Engines that are kept: each run has a database of its own."""
_open: list[dict[str, sqlite3.Connection]] = []
"""Of each block of `kept_open` that is on, what it keeps."""


@cache
def share_engines() -> None:
    """Have Dagster make one engine for each database, from now on."""
    for module in _MODULES:
        module.create_engine = _engine


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


def _engine(place: str, poolclass: Any, connect_args: dict[str, Any] | None = None) -> Engine:
    for kept in _open:
        if place not in kept and (connection := _connected(place.removeprefix(_SCHEME))):
            kept[place] = connection
    return _made(place, poolclass, tuple(sorted((connect_args or {}).items())))


@lru_cache(maxsize=_MOST)
def _made(place: str, poolclass: Any, connect_args: tuple[tuple[str, Any], ...]) -> Engine:
    return create_engine(place, poolclass=poolclass, connect_args=dict(connect_args))


def _connected(file: str) -> sqlite3.Connection | None:
    """A connection that keeps the log of a database from being folded; None where there is no log yet."""
    if not Path(file).exists():
        return None
    connection = sqlite3.connect(file, timeout=SQLITE_BUSY_TIMEOUT_SECONDS, check_same_thread=False)
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # the log is opened when something is read
        return connection
    connection.close()
    return None
