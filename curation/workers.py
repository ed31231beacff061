"""A function over many tasks in processes that may die.

Parsers of PDF and Office files crash, and a file of a few kilobytes can ask for all memory. So tasks run in processes of
their own with a limit on memory, one task at a time each: when a process dies, exactly one task is lost, it is named,
and a new process goes on with the next. `ProcessPoolExecutor` breaks as a whole when one process dies, and starts each
by importing the caller's main module anew, which here may be all of Dagster.

All are forked from one process that has imported what the function needs, and does nothing else: a process costs
milliseconds instead of a quarter of a second, and shares the memory of its libraries. (The caller itself has threads,
of which a fork would keep the locks and not the threads. Of the libraries none has begun its own at import that it
cannot do without; so each process has them anew.)

A process ends by itself when its caller is gone. What a parser prints goes nowhere: it may quote the data.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle, send_handle
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from curation.compiling import Compiling, tell, told_to
from curation.resource_limits import die_before_others, gigabytes, kills, memory_there_is

Task = TypeVar("Task")
Result = TypeVar("Result")
Work = Callable[[Task], Result]
"""What a process does with a task; it is sent by name, so it stands in a module."""

_SERVE = "from curation.workers import serve; serve()"


@dataclass(frozen=True, slots=True)
class Died:
    """The process died of the task; `signal` names what killed it ("" when it ended by itself).

    `is_starved` when it was killed, and the system has killed processes for want of memory since the task was given;
    `had_all` when that was so though the process was new and worked alone: another try would be no different.
    """

    signal: str
    is_starved: bool = False
    had_all: bool = False


@dataclass(slots=True)
class Crew:
    """How many processes work at a time, which may be changed while they do."""

    count: int


class WorkerError(RuntimeError):
    """A process could not be started, or the function itself raised."""


@dataclass(slots=True)
class _Forking:
    """The process that the others are forked from, as its caller sees it."""

    process: subprocess.Popen[bytes]
    pipe: Connection

    def begin(self, work: Work[Any, Any], max_memory: int, ready: Callable[[], None]) -> None:
        """Have it import the function, and what that needs."""
        self._asked((work, max_memory, ready))

    def fork(self, theirs: Connection) -> int:
        """A new process that answers at the other end of a pipe; its number."""
        return int(self._asked(None, theirs))

    def ended(self, pid: int) -> int:
        """The exit code of a process that has ended, or was killed: negative for a signal."""
        return int(self._asked(pid))

    def _asked(self, question: object, theirs: Connection | None = None) -> Any:
        try:
            self.pipe.send(question)
            if theirs is not None:
                send_handle(self.pipe, theirs.fileno(), self.process.pid)
            while isinstance(answer := self.pipe.recv(), Compiling):
                tell(answer)
            return answer
        except (EOFError, ConnectionError) as error:
            code = self.process.wait()
            raise WorkerError(f"the process that starts workers ended (exit code {code})") from error


@dataclass(slots=True)
class _Worker(Generic[Task]):
    forking: _Forking
    pid: int
    pipe: Connection
    task: Task | None = None
    has_all: bool = False
    """Whether it is new and works alone, so that it could have no more memory for its task."""
    killed: int = 0
    """How many processes the system had killed for want of memory when it was given its task."""

    def give(self, task: Task, is_alone: bool) -> bool:
        """Hand over a task; False when the process died while it was idle."""
        self.has_all, self.killed = is_alone and self.task is None, kills()
        try:
            self.pipe.send(task)
        except ConnectionError:
            self.end()
            return False
        self.task = task
        return True

    def died(self) -> Died:
        """How the process ended that died of its task."""
        name = _name_of(self.ended())
        is_starved = name == "SIGKILL" and kills() > self.killed
        return Died(name, is_starved, is_starved and self.has_all)

    def ended(self) -> int:
        """The exit code of the process, which is about to end."""
        self.pipe.close()
        return self.forking.ended(self.pid)

    def end(self) -> None:
        """Kill the process."""
        os.kill(self.pid, signal.SIGKILL)  # though dead it has its number until it is asked how it ended
        self.ended()


def ready_already() -> None:
    """For work that needs no more than its own module."""


def results(
    work: Work[Task, Result],
    tasks: deque[Task],
    crew: Crew,
    max_memory: int,
    ready: Callable[[], None] = ready_already,
) -> Iterator[tuple[Task, Result | Died]]:
    """Each task with what the function made of it, as it comes; the caller may add to `tasks` meanwhile.

    As many processes at most as are in the crew; each may take `max_memory` bytes beyond what it has at its start. `ready` is called once,
    before the first of them starts, and imports what all need. Raises MemoryError, ConnectionError and WorkerError as
    they come from a process.
    """
    if not tasks:
        return
    with _forking(work, max_memory, ready) as forking:
        yield from _results(forking, tasks, crew)


def _results(forking: _Forking, tasks: deque[Task], crew: Crew) -> Iterator[tuple[Task, Any]]:
    idle: list[_Worker[Task]] = []
    busy: dict[Connection, _Worker[Task]] = {}
    try:
        while tasks or busy:
            while idle and len(idle) + len(busy) > crew.count:
                idle.pop().end()
            while tasks and len(busy) < crew.count:
                worker = idle.pop() if idle else _started(forking)
                if worker.give(tasks[0], crew.count == 1):
                    tasks.popleft()
                    busy[worker.pipe] = worker
            for pipe in wait(list(busy)):
                worker = busy.pop(cast(Connection, pipe))
                assert worker.task is not None
                try:
                    kind, value = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    yield worker.task, worker.died()
                    continue
                idle.append(worker)
                if kind == "raised":
                    raise value
                yield worker.task, value
    finally:
        for worker in (*idle, *busy.values()):
            worker.end()


@contextmanager
def _forking(work: Work[Any, Any], max_memory: int, ready: Callable[[], None]) -> Iterator[_Forking]:
    ours, theirs = Pipe()
    # one thread each: they are parallel already
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "POLARS_MAX_THREADS": "1"}
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _SERVE, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        with process:
            try:
                forking = _Forking(process, ours)
                forking.begin(work, max_memory, ready)
                yield forking
            finally:
                process.kill()


def _started(forking: _Forking) -> _Worker[Any]:
    ours, theirs = Pipe()
    with theirs:
        return _Worker(forking, forking.fork(theirs), ours)


def _name_of(code: int) -> str:
    try:
        return signal.Signals(-code).name
    except ValueError:
        return ""


def serve() -> None:
    """The life of the process that the others are forked from: the function first, then question by question."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's to answer, who then ends this process
    pipe = Connection(int(sys.argv[1]))
    work, max_memory, ready = pipe.recv()
    with told_to(pipe.send):
        ready()
    gc.freeze()  # what is imported is never garbage, and to look through it would copy its pages
    pipe.send("ready")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    while True:
        try:
            ended = pipe.recv()
        except EOFError:
            return
        if ended is not None:
            pipe.send(os.waitstatus_to_exitcode(os.waitpid(ended, 0)[1]))
            continue
        handle = recv_handle(pipe)
        if not (pid := os.fork()):
            pipe.close()
            _limit_memory(max_memory)
            die_before_others()
            _work(work, Connection(handle))
            return
        os.close(handle)
        pipe.send(pid)


def _work(work: Work[Any, Any], pipe: Connection) -> None:
    """The life of a process: task by task until the caller is gone."""
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
        return "raised", MemoryError(
            f"a process that reads has no memory left; there is {gigabytes(memory_there_is())} in all"
        )
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
