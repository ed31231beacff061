"""What Dagster asks its databases is compiled once and waits for no disk, and what it has been told stands in them afterwards."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
from alembic.script import ScriptDirectory
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.sql import get_alembic_config

from pipelines import database_engines
from pipelines.database_engines import kept_open, share_engines


@dg.asset
def told() -> None:
    """An asset of which nothing is to be known but that it was made."""


def run(home: Path) -> str:
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        return dg.materialize([told], instance=instance).run_id


def events(home: Path, run_id: str) -> list[str]:
    with closing(sqlite3.connect(home / "history" / "runs" / f"{run_id}.db")) as database:
        return [kind for (kind,) in database.execute("SELECT dagster_event_type FROM event_logs")]


def newest() -> str:
    """The last of Dagster's migrations, as Alembic finds it."""
    head = ScriptDirectory.from_config(get_alembic_config(sqlite_event_log.__file__)).get_current_head()
    assert head is not None
    return head


def test_each_database_has_one_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share_engines()
    made: list[str] = []
    real = database_engines.create_engine

    def counted(place: str, **more: object) -> object:
        made.append(place)
        return real(place, **more)

    monkeypatch.setattr(database_engines, "create_engine", counted)
    runs = [run(tmp_path), run(tmp_path)]
    assert len(made) == len(set(made)) > 3
    for each in runs:
        assert "ASSET_MATERIALIZATION" in events(tmp_path, each)


def test_dagster_s_migrations_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ninety files for each database that is opened, and for that of each run, which says that it has the newest tables."""
    share_engines()
    run(tmp_path)
    read: list[ScriptDirectory] = []
    real = ScriptDirectory._load_revisions

    def counted(self: ScriptDirectory) -> Iterator[object]:
        read.append(self)
        return real(self)

    monkeypatch.setattr(ScriptDirectory, "_load_revisions", counted)
    made = run(tmp_path)
    assert "ASSET_MATERIALIZATION" in events(tmp_path, made) and not read
    with closing(sqlite3.connect(tmp_path / "history" / "runs" / f"{made}.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(newest(),)]


def test_logs_are_folded_once_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share_engines()
    run(tmp_path)
    with kept_open():
        second = run(tmp_path)
        assert {path.name for path in tmp_path.rglob("*-wal")} >= {"index.db-wal", "runs.db-wal", f"{second}.db-wal"}
    assert list(tmp_path.rglob("*-wal")) == []
    assert "ASSET_MATERIALIZATION" in events(tmp_path, second)


def test_who_watches_a_run_is_told_of_each_event_as_it_comes(tmp_path: Path) -> None:
    share_engines()
    run(tmp_path)
    databases = tmp_path / "history" / "runs"

    @dg.asset
    def watched() -> None:
        for file in databases.glob("*.db"):
            os.utime(file, ns=(0, 0))

    with kept_open(), dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        mine = dg.materialize([watched], instance=instance).run_id
        touched = {file.stem for file in databases.glob("*.db") if file.stat().st_mtime_ns}
        assert mine in touched and (databases / f"{mine}.db-wal").exists()


def test_a_run_that_is_killed_loses_no_event(tmp_path: Path) -> None:
    share_engines()
    pid = os.fork()
    if not pid:
        try:
            with kept_open():
                (tmp_path / "run").write_text(run(tmp_path))
                os._exit(9)
        finally:
            os._exit(1)
    os.waitpid(pid, 0)
    assert list(tmp_path.rglob("*-wal"))
    assert "ASSET_MATERIALIZATION" in events(tmp_path, (tmp_path / "run").read_text())
    assert run(tmp_path)
