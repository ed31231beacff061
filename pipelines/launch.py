"""Programs (training, generation) in a process of their own, so that a GPU is given back and a crash is only theirs.

Inside Dagster the process is started through Pipes, so that its log stands in the run's; elsewhere it is a plain child.
Its settings file, kept beside what it makes, is the record of what ran.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pipelines.watching import watcher
from pipelines.workspace import Workspace

POLL_SECONDS = 0.5

dagster_context: ContextVar[Any] = ContextVar("dagster_context", default=None)
"""The execution context of the asset that is running, when Dagster runs it."""


class ProgramFailed(RuntimeError):
    """A program ended without a result; the message says what it reported."""


def launcher(workspace: Workspace, node: str, key: str) -> Callable[[str, Any], dict[str, Any]]:
    """The `launch` of one run: called with a library module that has `run(job, progress)`, and its job."""

    places = itertools.count(1)

    def launch(module: str, job: Any) -> dict[str, Any]:
        folder = workspace.state / "jobs" / f"{node}-{key[:16]}" / str(next(places))
        folder.mkdir(parents=True, exist_ok=True)
        record = {"module": module, "job": type(job).__name__, "settings": dataclasses.asdict(job)}
        (folder / "job.json").write_text(json.dumps(record, indent=2, ensure_ascii=False), encoding="utf-8")
        for stale in ("result.json", "progress.json", "error.json"):
            (folder / stale).unlink(missing_ok=True)
        with _followed(folder / "progress.json", node):
            _start(folder)
        result = folder / "result.json"
        if not result.is_file():
            raise ProgramFailed(f"{module} ended without a result. {_why(folder)}")
        found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        return found

    return launch


def _start(folder: Path) -> None:
    command = [sys.executable, "-m", "pipelines.worker", str(folder)]
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "OMP_WAIT_POLICY": "PASSIVE",  # threads that spin while another process computes cost twice the time
    }
    context = dagster_context.get()
    if context is None:
        subprocess.run(command, env=environment, check=False)
        return
    from dagster import PipesSubprocessClient

    try:
        PipesSubprocessClient(env=environment).run(command=command, context=context.op_execution_context)
    except Exception as error:  # Dagster keeps its class for this private
        raise ProgramFailed(_why(folder)) from error


def _why(folder: Path) -> str:
    """The error that the program reported, else the end of its log (it was killed); and where the log is."""
    error, log = folder / "error.json", folder / "log.txt"
    if error.is_file():
        said = json.loads(error.read_text(encoding="utf-8"))["error"]
    else:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
        said = "\n".join(["it was killed; its log ends:", *lines[-15:]])
    return f"{said}\n(log: {log})"


@contextmanager
def _followed(path: Path, node: str) -> Iterator[None]:
    """Tell the watcher what the program writes to its progress file."""
    ended, seen = threading.Event(), watcher()

    def follow() -> None:
        last = ""
        while not ended.wait(POLL_SECONDS):
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if text and text != last:
                last = text
                seen.advanced(node, **json.loads(text))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
