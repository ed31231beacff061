"""What a program costs, together with every process that it starts: wall and CPU seconds, and peak memory.

    from benchmarks.measuring import measure
    cost = measure([python, "job.py", "corpus.parquet"], log=folder / "job.log")
    cost.cpu, cost.wall, cost.peak          # seconds, seconds, bytes

`time` forgets workers whose parent ended before them. So this file, run as a program, starts the command as its child
after it has become a *subreaper* (prctl(2)): orphans fall to it, and when all have ended the kernel's account of its
children is that of the whole tree, to the microsecond. Memory is the largest sum of resident sizes over the tree, seen
fifty times a second, or the largest single process by the kernel's own high-water mark, if that is more; pages that
workers share count once for each. What lives on when the command has ended is ended too. Linux only.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.02
GRACE_SECONDS = 5.0
_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, seconds of all cores together, and bytes of memory at the worst moment."""

    wall: float
    cpu: float
    peak: int


def measure(
    command: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Cost:
    """Run a command to its end; what it prints goes to `log`. `environment` is laid over this process's own.

    Raises RuntimeError, with the end of the log, if the command fails.
    """
    with tempfile.NamedTemporaryFile("r", suffix=".json") as report, log.open("wb") as output:
        launcher = [sys.executable, "-I", "-S", __file__, report.name, *(str(part) for part in command)]
        surroundings = {**os.environ, **(environment or {})}
        ended = subprocess.run(launcher, stdout=output, stderr=subprocess.STDOUT, env=surroundings, cwd=folder)
        if ended.returncode:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(
                f"{' '.join(launcher[5:])}\nended with status {ended.returncode}; its last words:\n{tail}"
            )
        return Cost(**json.load(report))


def _launch(report: Path, command: Sequence[str]) -> int:
    ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
    begin = time.perf_counter()
    program = os.posix_spawnp(command[0], list(command), os.environ)
    peak, status = 0, None
    while status is None:
        time.sleep(SAMPLE_SECONDS)
        peak = max(peak, sum(resident(pid) for pid in descendants(os.getpid())))
        status = dict(_reaped()).get(program)
    wall = time.perf_counter() - begin
    _end_the_rest()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = max(peak, children.ru_maxrss * 1024)
    report.write_text(json.dumps({"wall": wall, "cpu": children.ru_utime + children.ru_stime, "peak": peak}))
    return os.waitstatus_to_exitcode(status) & 0xFF


def _reaped() -> Iterator[tuple[int, int]]:
    """The children that have ended, each with its status."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            yield ended


def _end_the_rest() -> None:
    begin = time.perf_counter()
    while left := list(descendants(os.getpid())):
        late = time.perf_counter() - begin > GRACE_SECONDS
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(SAMPLE_SECONDS)
        list(_reaped())


def descendants(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that they started."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in _words(thread / "children"):
                yield int(child)
                yield from descendants(int(child))


def resident(pid: int) -> int:
    """Bytes of memory that a process has resident; 0 if it has ended."""
    fields = _words(f"/proc/{pid}/statm")
    return int(fields[1]) * _PAGE if fields else 0


def _words(path: str | Path) -> list[bytes]:
    try:
        return Path(path).read_bytes().split()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(_launch(Path(sys.argv[1]), sys.argv[2:]))
