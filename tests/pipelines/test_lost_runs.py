"""Runs whose process is gone are marked as failed, and no others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.tags import GRPC_INFO_TAG

from pipelines.housekeeping import clear_tick_logs
from pipelines.locks import lock
from pipelines.lost_runs import LOCK, fail_lost_runs, run_tags


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


@dg.asset
def thing() -> None: ...


def started(instance: dg.DagsterInstance, tags: dict[str, str], status: str = "STARTED") -> str:
    job = dg.Definitions([thing]).resolve_implicit_global_asset_job_def()
    return instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus[status]).run_id


def test_a_run_of_a_killed_process_is_lost_and_that_of_a_living_one_is_not(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    ours, theirs = os.pipe()
    if not (process := os.fork()):
        try:
            with run_tags(tmp_path) as tags:
                os.write(theirs, tags[LOCK].encode())
                time.sleep(600)
        finally:
            os._exit(1)
    try:
        run = started(instance, {LOCK: os.read(ours, 1000).decode()})
        assert fail_lost_runs(instance) == []
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    assert fail_lost_runs(instance) == [run]
    assert instance.get_run_by_id(run).status == dg.DagsterRunStatus.FAILURE
    assert fail_lost_runs(instance) == []
    assert list((tmp_path / "locks").iterdir()) == []


def test_the_tags_of_this_process_hold_while_it_runs(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    with run_tags(tmp_path) as tags:
        run = started(instance, tags)
        assert fail_lost_runs(instance) == []
    assert fail_lost_runs(instance) == [run]


def test_a_run_of_the_daemon_is_lost_when_its_code_server_is_gone(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    place = str(tmp_path / "code-server")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen()
        run = started(instance, {GRPC_INFO_TAG: json.dumps({"host": "localhost", "socket": place})})
        assert fail_lost_runs(instance) == []
    assert fail_lost_runs(instance) == [run]
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = {"host": "127.0.0.1", "port": server.getsockname()[1]}
        run = started(instance, {GRPC_INFO_TAG: json.dumps(place)}, "STARTING")
        assert fail_lost_runs(instance) == []
    assert fail_lost_runs(instance) == [run]


def test_what_is_not_on_or_of_someone_else_is_left_alone(instance: dg.DagsterInstance) -> None:
    for status in ("NOT_STARTED", "SUCCESS", "CANCELED"):
        started(instance, {LOCK: "nobody"}, status)
    started(instance, {})
    assert fail_lost_runs(instance) == []


def test_a_lock_is_held_until_all_who_inherited_it_are_gone(tmp_path: Path) -> None:
    held = lock(tmp_path / "sub" / "lock")
    assert held is not None
    assert lock(tmp_path / "sub" / "lock") is None
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=-1, pass_fds=[held])
    os.close(held)
    assert lock(tmp_path / "sub" / "lock") is None
    child.communicate(b"")
    again = lock(tmp_path / "sub" / "lock")
    assert again is not None
    os.close(again)


def test_only_old_logs_of_ticks_are_cleared(tmp_path: Path) -> None:
    sensor = tmp_path / "automation"
    sensor.mkdir()
    for name, age in [("1.err", 10), ("2.err", 30), ("other.txt", 10)]:
        (sensor / name).write_text("")
        os.utime(sensor / name, (age, age))
    assert clear_tick_logs(tmp_path, before=20) == 1
    assert sorted(path.name for path in sensor.iterdir()) == ["2.err", "other.txt"]
    assert clear_tick_logs(tmp_path / "absent", before=20) == 0
