"""Dagster's settings, and the servers when they do not start; `test_daemon.py` has them at work, found and killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import dagster as dg
import pytest
import yaml
from rich.console import Console

from pipelines.instance import dagster_home, write_dagster_yaml, write_workspace_yaml
from pipelines.locks import lock
from pipelines.serving import Running, ServingError, query, start_dagster, wait_for_end, wait_until_ready
from pipelines.up import _alive
from pipelines.workspace import Workspace

ROOT = Path(__file__).parents[2]
TOY = "tests.pipelines.toy_definitions"
ENVIRONMENT = {"PYTHONPATH": str(ROOT)}
ON = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.QUEUED]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a").write_text("one")
    (tmp_path / "threshold").write_text("1")
    return tmp_path


@pytest.fixture
def started(workspace: Path) -> Iterator[list[Running]]:
    """What a test starts, ended after it whatever happens."""
    all_started: list[Running] = []
    yield all_started
    for running in all_started:
        running.stop()


def group(running: Running) -> list[int]:
    """The living processes of the server."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            except (FileNotFoundError, ProcessLookupError):
                continue
            found += [int(folder.name)] if int(its_group) == running.pid and state != "Z" else []
    return found


def opened(pid: int) -> Iterator[str]:
    """What a process has open; processes end, and files are closed, while one looks."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                yield str(fd.readlink())


def listening(pids: list[int]) -> set[str]:
    """The addresses, in the kernel's own hexadecimal, at which any of the processes listens by TCP."""
    inodes = {name for pid in pids for name in opened(pid)}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def test_a_workspace_that_cannot_be_loaded_says_why(workspace: Path, started: list[Running]) -> None:
    (workspace / "broken.py").write_text("raise ValueError('headwater.yaml: sources: there is none')\n")
    started.append(start_dagster(workspace, module="broken", environment={"PYTHONPATH": str(workspace)}))
    with pytest.raises(ServingError, match=r"ValueError: headwater\.yaml: sources: there is none$"):
        wait_until_ready(started[0])


def test_a_server_that_dies_says_what_its_log_said(workspace: Path) -> None:
    home = dagster_home(workspace)
    log = workspace / "log"
    log.write_text("first\nthe end\n")
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with pytest.raises(ServingError, match="the end"):
        wait_until_ready(Running(home, 1, dead.pid, log, dead))


def test_a_taken_port_is_named_and_nothing_is_left(workspace: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServingError, match=f"Port {port} of 127.0.0.1 is taken"):
            start_dagster(workspace, port=port)
    held = lock(dagster_home(workspace) / "serving.lock")
    assert held is not None, "the lock is free again"
    os.close(held)


def test_dagster_takes_the_settings(tmp_path: Path) -> None:
    home = tmp_path / "sub" / "home"
    path = write_dagster_yaml(home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert instance.event_log_storage.get_pool_config().default_pool_limit == 1
        assert instance.run_coordinator.dequeue_interval_seconds == 1
    (home / "storage").mkdir(exist_ok=True)
    before = path.stat().st_mtime_ns
    write_dagster_yaml(home)
    assert path.stat().st_mtime_ns == before, "an unchanged file is not written"
    assert sorted(each.name for each in home.iterdir() if each.name.startswith(".")) == []


def test_the_location_is_the_same_as_in_the_root(tmp_path: Path) -> None:
    ours = yaml.safe_load(write_workspace_yaml(tmp_path).read_text())
    assert yaml.safe_load((ROOT / "workspace.yaml").read_text()) == ours


def test_an_edit_that_dagster_was_not_told_is_told_again_and_ends_nothing(workspace: Path) -> None:
    """A busy Dagster answers late; `headwater up` must not end for that."""
    settings = workspace / "headwater.yaml"
    settings.write_text("sources: [{name: web, path: raw}]\n")
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        """It cuts the first connection, and answers the next."""

        def do_POST(self) -> None:
            asked.append(self.rfile.read(int(self.headers["content-length"])).decode())
            if len(asked) > 1:
                self.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n" + b'{"data": {}}')

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    said = StringIO()
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server, subprocess.Popen(["sleep", "600"]) as process:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running = Running(dagster_home(workspace), server.server_port, process.pid, workspace / "log", process)
        alive = _alive(Workspace(workspace), running, Console(file=said, width=200))
        assert alive() and asked == []
        settings.write_text("sources: [{name: files, path: raw}]\n")
        for _ in range(100):
            assert alive()
            if "Dagster has loaded it" in said.getvalue():
                break
            time.sleep(0.1)
        assert len(asked) == 2
        server.shutdown()
        process.kill()
    assert "does not answer yet" in said.getvalue() and said.getvalue().count("Dagster has loaded it") == 1


def test_a_dagster_that_loads_for_long_is_told_once_and_holds_nobody_up(workspace: Path) -> None:
    """Each time that it is told it starts a process, which makes a busy machine busier."""
    settings = workspace / "headwater.yaml"
    settings.write_text("sources: [{name: web, path: raw}]\n")
    asked, loaded = threading.Semaphore(0), threading.Event()

    class Loading(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.release()
            loaded.wait(300)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Loading) as server, subprocess.Popen(["sleep", "600"]) as process:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running = Running(dagster_home(workspace), server.server_port, process.pid, workspace / "log", process)
        alive = _alive(Workspace(workspace), running, Console(file=StringIO()))
        settings.write_text("sources: [{name: files, path: raw}]\n")
        try:
            assert all(alive() for _ in range(3)) and asked.acquire(timeout=60)
            assert alive() and not asked.acquire(timeout=0.5)
        finally:
            loaded.set()
            server.shutdown()
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_end_is_waited_for(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    assert wait_for_end(lambda: not os.kill(os.getpid(), number)) == number, "sent once it waits, for before it kills"
    assert signal.getsignal(number) == before
    assert wait_for_end(lambda: False) == 0


def test_a_wrong_question_is_refused(workspace: Path, started: list[Running]) -> None:
    running = Running(dagster_home(workspace), 1, 1, workspace / "log")
    with pytest.raises(Exception, match=r"refused|Connect"):
        query(running, "{ nothing }")
