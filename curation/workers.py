"""A function over many tasks in processes that may die.

Parsers of PDF and Office files crash, and a file of a few kilobytes can ask for all memory. So tasks run in processes of
their own with a limit on memory, one task at a time each: when a process dies, exactly one task is lost, it is named,
and a new process goes on with the next. `ProcessPoolExecutor` breaks as a whole when one process dies, and starts each
by importing the caller's main module anew, which here may be all of Dagster.

A process ends by itself when its caller is gone. What a parser prints goes nowhere: it may quote the data.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]
"""What a process does with a task; it is sent by name, so it stands in a module."""

_SERVE = "from curation.workers import serve; serve()"


@dataclass(frozen=True, slots=True)
class Died:
    """The process died of the task; `signal` names what killed it ("" when it ended by itself)."""

    signal: str


class WorkerError(RuntimeError):
    """A process could not be started, or the function itself raised."""


@dataclass(slots=True)
class _Worker(Generic[Task]):
    process: subprocess.Popen[bytes]
    pipe: Connection
    task: Task | None = None

    def give(self, task: Task) -> bool:
        """Hand over a task; False when the process died while it was idle."""
        try:
            self.pipe.send(task)
        except ConnectionError:
            self.end()
            return False
        return True

    def end(self) -> None:
        """Kill the process."""
        self.pipe.close()
        self.process.kill()
        self.process.wait()


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def results(
    work: Work[Task, Result],
    tasks: deque[Task],
    count: int,
    max_memory: int,
) -> Iterator[tuple[Task, Result | Died]]:
    """Each task with what the function made of it, as it comes; the caller may add to `tasks` meanwhile.

    `count` processes at most; each may take `max_memory` bytes beyond what it has at its start. Raises MemoryError,
    ConnectionError and WorkerError as they come from a process.
    """
    idle: list[_Worker[Task]] = []
    busy: dict[Connection, _Worker[Task]] = {}
    try:
        while tasks or busy:
            while tasks and len(busy) < count:
                worker = idle.pop() if idle else _started(work, max_memory)
                if worker.give(tasks[0]):
                    worker.task = tasks.popleft()
                    busy[worker.pipe] = worker
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                assert worker.task is not None
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    del busy[worker.pipe]
                    worker.pipe.close()
                    worker.process.wait()
                    yield worker.task, Died(_name_of(worker.process.returncode))
                    continue
                del busy[worker.pipe]
                idle.append(worker)
                if kind == "raised":
                    raise value
                yield worker.task, value
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


def _started(work: Work[Task, Result], max_memory: int) -> _Worker[Task]:
    ours, theirs = Pipe()
    # one thread each: they are parallel already
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"}
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
    finally:
        theirs.close()
    worker: _Worker[Task] = _Worker(process, ours)
    try:
        ours.send((work, max_memory))
        ours.recv()
    except (EOFError, ConnectionError) as error:
        worker.end()
        raise WorkerError(f"a worker process ended at its start (exit code {process.returncode})") from error
    return worker


def _name_of(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return ""


def serve() -> None:
    """The life of a process: the function first, then task by task until the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to answer, who then ends this process
    pipe = Connection(int(sys.argv[1]))
    work, max_memory = pipe.recv()
    pipe.send("ready")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    _limit_memory(max_memory)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        pipe.send(_answer(work, task))


def _answer(work: Callable[..., Any], task: Any) -> tuple[str, Any]:
    try:
        return "done", work(task)
    except MemoryError:
        return "raised", MemoryError("a process that reads has no memory left")
    except ConnectionError as error:
        return "raised", ConnectionError(str(error))
    except Exception as error:  # noqa: BLE001 - it is raised again where the tasks came from
        return "raised", WorkerError(f"{type(error).__name__}: {error}")


def _limit_memory(more: int) -> None:
    """Let this process take `more` bytes of address space beyond what it has, where the system can tell and hold it."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return
    import resource

    now = int(statm.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + more if hard == resource.RLIM_INFINITY else min(now + more, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
