"""Runs whose process is gone: a power cut, a full memory, a `kill -9`.

Dagster goes on to call such a run started, for ever, and what it had planned in progress; the automation would wait for
it until someone looks. Whether the process of a run lives is told by what only a living process can do: the code server
answers at its socket for the runs of the daemon, and a run of our own command line holds a lock on a file, which the
system lets go when the process ends, however it ends. (A process number would do neither: it is given out again.)
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.storage.tags import GRPC_INFO_TAG, HIDDEN_TAG_PREFIX

from pipelines.locks import lock

LOCK = f"{HIDDEN_TAG_PREFIX}headwater_lock"
"""The tag of a run of our own process: the name of the lock it holds, in `locks` of Dagster's home. The UI does not show it."""

ON = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@contextmanager
def run_tags(home: Path) -> Iterator[dict[str, str]]:
    """Tags for runs that this process executes itself, by which others can tell that it lives."""
    name = uuid4().hex
    path = home / "locks" / name
    descriptor = lock(path)
    try:
        yield {LOCK: name}
    finally:
        path.unlink(missing_ok=True)
        if descriptor is not None:
            os.close(descriptor)


def fail_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark each run that is on, but whose process is gone, as failed. Returns their ids.

    Runs of others (neither a code server's nor tagged by `run_tags`) are left alone.
    """
    lost = [
        run for run in instance.get_runs(dg.RunsFilter(statuses=ON)) if _is_lost(run, Path(instance.root_directory))
    ]
    for run in lost:
        instance.report_run_failed(run, "The process of this run is gone: it was killed, or the machine stopped.")
    return [run.run_id for run in lost]


def is_idle(instance: dg.DagsterInstance) -> bool:
    """Whether no run is on; those whose process is gone are marked first."""
    fail_lost_runs(instance)
    return not instance.get_runs(dg.RunsFilter(statuses=ON), limit=1)


def _is_lost(run: dg.DagsterRun, home: Path) -> bool:
    if LOCK in run.tags:
        return _is_free(home / "locks" / run.tags[LOCK])
    return GRPC_INFO_TAG in run.tags and not _answers(json.loads(run.tags[GRPC_INFO_TAG]))


def _is_free(path: Path) -> bool:
    if not path.exists():
        return True
    descriptor = lock(path)
    if descriptor is None:
        return False
    path.unlink(missing_ok=True)
    os.close(descriptor)
    return True


def _answers(server: dict[str, Any]) -> bool:
    """Whether anything listens where the code server of a run was."""
    place: Any = server.get("socket") or (server["host"], server["port"])
    with socket.socket(socket.AF_UNIX if "socket" in server else socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(2)
        try:
            client.connect(place)
        except OSError:
            return False
    return True
