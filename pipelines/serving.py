"""Dagster for one workspace: its settings, its processes, and their end. It is what `headwater up` starts.

`dagster dev` is one process to watch; below it are the web server, the daemon, one code server that both share (over a
socket file, not a port), and a process per run. It runs in a session of its own, so that Ctrl-C reaches us alone and we
end it in order: SIGTERM, which lets it end its children in about a second, and after a time SIGKILL for the whole group.
(Started by a shell with `&` it would ignore the interrupt.)

Whether one runs already is told by a lock on a file, which the process holds for as long as it lives: a number of a
process can be taken by another, and a file that says "running" outlives a power cut; a lock does neither.

There is no sign-in, so it listens on 127.0.0.1 and nowhere else.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.instance import dagster_home, replace_file, write_dagster_yaml, write_workspace_yaml
from pipelines.locks import lock
from pipelines.lost_runs import fail_lost_runs

HOST = "127.0.0.1"
READY = """{
  workspaceOrError { __typename
    ... on Workspace { locationEntries { locationOrLoadError { __typename ... on PythonError { ...Why } } } }
    ... on PythonError { ...Why } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}
fragment Why on PythonError { message errorChain { error { message } } }"""


class ServingError(Exception):
    """A server that did not start, with what to do about it."""


@dataclass(frozen=True)
class Running:
    """A Dagster that runs for this workspace: started by us, or found running (`process` is None)."""

    home: Path
    port: int
    pid: int
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address of the UI."""
        return f"http://{HOST}:{self.port}"

    @property
    def started(self) -> bool:
        """Whether we started it; what we found running is not ours to end."""
        return self.process is not None

    def alive(self) -> bool:
        """Whether its main process lives."""
        if self.process is not None:
            return self.process.poll() is None
        held = lock(self.home / "serving.lock")
        if held is not None:
            os.close(held)
        return held is None

    def stop(self, grace_seconds: float = 20) -> None:
        """End it with all its processes, if we started it; twice does no harm. A run that is on ends as failed."""
        if self.process is None:
            return
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_seconds)
        _end_group(self.pid)
        self.process.wait()


def _end_group(group: int) -> None:
    """End what is left of a group of processes: with SIGTERM, after two seconds with SIGKILL."""
    for number, patience in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 1.0)):
        try:
            os.killpg(group, number)
            for _ in range(int(patience / 0.1)):
                time.sleep(0.1)
                os.killpg(group, 0)
        except ProcessLookupError:
            return


def start_dagster(
    workspace: Path,
    *,
    port: int | None = None,
    module: str = "pipelines.definitions",
    environment: Mapping[str, str] | None = None,
) -> Running:
    """Start Dagster for the workspace, or find the one that runs; it may not be ready yet (`wait_until_ready`).

    `port` is a free one when None. `environment` is added to ours for its processes. Raises ServingError if the port
    is taken, or the one that runs does not say where.
    """
    home = dagster_home(workspace)
    log = workspace.resolve() / ".headwater" / "logs" / "dagster.log"
    write_dagster_yaml(home)
    held = lock(home / "serving.lock")
    if held is None:
        return _found(home, log)
    try:
        port = _free_port(port)
        (home / "serving.json").unlink(missing_ok=True)
        with dg.DagsterInstance.from_config(str(home)) as instance:
            fail_lost_runs(instance)
        process = _launch(home, port, log, _environment(workspace, home, environment or {}), module, held)
        replace_file(home / "serving.json", json.dumps({"pid": process.pid, "port": port}))
    finally:
        os.close(held)
    return Running(home, port, process.pid, log, process)


def _environment(workspace: Path, home: Path, more: Mapping[str, str]) -> dict[str, str]:
    ours = {"DAGSTER_HOME": str(home), "HEADWATER_WORKSPACE": str(workspace.resolve()), "PYTHONUNBUFFERED": "1"}
    # The first look at a source reads all of it.
    return {"DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": "3600", **os.environ, **more, **ours}


def _launch(
    home: Path, port: int, log: Path, environment: Mapping[str, str], module: str, held: int
) -> subprocess.Popen[bytes]:
    """Start `dagster dev`, which inherits the lock `held`. The log of the time before is kept as `dagster.log.1`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    file = str(write_workspace_yaml(home, module))
    command = [
        sys.executable,
        "-m",
        "dagster",
        "dev",
        "-w",
        file,
        "-h",
        HOST,
        "-p",
        str(port),
        "--log-level",
        "warning",
    ]
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            cwd=home,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[held],
        )


def _found(home: Path, log: Path) -> Running:
    """The Dagster that holds the lock; it writes where it is within a moment of taking it."""
    for _ in range(600):
        try:
            state = json.loads((home / "serving.json").read_text())
            return Running(home, state["port"], state["pid"], log)
        except FileNotFoundError:
            time.sleep(0.1)
    raise ServingError(
        f"A Dagster holds {home / 'serving.lock'} but does not say where it listens; end it, and try again."
    )


def _free_port(port: int | None) -> int:
    """The port if it is free, or any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except OSError as error:
            raise ServingError(
                f"Port {port} of {HOST} is taken ({error.strerror}); free it, or name another."
            ) from error
        number: int = probe.getsockname()[1]
        return number


def wait_until_ready(running: Running, timeout_seconds: float = 300) -> None:
    """Wait until the UI answers, the code location is loaded and the daemon is at work.

    Raises ServingError with the error of the code location, or the end of the log if it died or took too long.
    """
    end = time.monotonic() + timeout_seconds
    waits_for = "the process"
    while time.monotonic() < end:
        if not running.alive():
            raise ServingError(f"Dagster ended while it started. The end of {running.log}:\n{_tail(running.log)}")
        waits_for = _waits_for(running)
        if not waits_for:
            return
        time.sleep(0.3)
    raise ServingError(
        f"Dagster waited for {waits_for} more than {timeout_seconds:.0f} s. The end of {running.log}:\n{_tail(running.log)}"
    )


def _waits_for(running: Running) -> str:
    """What is not ready yet, in words; empty when all is."""
    try:
        answer = query(running, READY)
    except OSError as error:
        return f"an answer at {running.url} ({type(error).__name__})"
    location = answer["workspaceOrError"]
    for entry in location.get("locationEntries", []):
        location = entry["locationOrLoadError"] or {}
    if location.get("__typename") == "PythonError":
        errors = [location, *(each["error"] for each in location["errorChain"])]
        raise ServingError(f"Dagster cannot load the workspace: {errors[-1]['message'].strip()}")
    if location.get("__typename") != "RepositoryLocation":
        return "the code location"
    daemons = answer["instance"]["daemonHealth"]["allDaemonStatuses"]
    asleep = [each["daemonType"] for each in daemons if each["required"] and not each["healthy"]]
    return f"the daemon ({', '.join(asleep)})" if asleep else ""


def query(running: Running, text: str, timeout_seconds: float = 30, **variables: Any) -> dict[str, Any]:
    """Ask Dagster's GraphQL. Raises OSError when it does not answer, ServingError for a wrong question."""
    asked = json.dumps({"query": text, "variables": variables}).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{running.url}/graphql", asked, headers)  # noqa: S310 - our own server, by http
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with straight.open(request, timeout=timeout_seconds) as answer:
        body = json.load(answer)
    if "data" not in body or body.get("errors"):
        raise ServingError(f"Dagster's GraphQL at {running.url} refused a question: {body.get('errors')}")
    data: dict[str, Any] = body["data"]
    return data


def _tail(log: Path, lines: int = 30) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else "(there is no log)"


def wait_for_end(alive: Callable[[], bool]) -> int:
    """Wait for Ctrl-C, SIGTERM or a closed terminal, or until something has ended by itself.

    Returns the signal's number, or 0 when `alive` says no. Must be called by the main thread.
    """
    came: list[int] = []
    rang = threading.Event()

    def note(number: int, _frame: object) -> None:
        came.append(number)
        rang.set()

    before = {each: signal.signal(each, note) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        while alive() and not rang.wait(1):
            pass
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return came[0] if came else 0
