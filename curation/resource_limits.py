"""How much memory there is, and processors, and whether the system killed processes for want of it.

Linux ends a process by SIGKILL when the memory of the machine, or of the control group that a container or a job runs in,
is used up; the process can say nothing, and its caller sees what any `kill -9` gives. But the kernel counts such kills,
for each group (`memory.events` of cgroup v2, `memory.oom_control` of v1) and for the machine (`/proc/vmstat`). Whom it ends
is told by a score; workers ask to go before their caller, who can name what they died of.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_V1 = _GROUPS / "memory"
_SCORE = Path("/proc/self/oom_score_adj")
_WORKER_SCORE = 1_000
"""The highest: as if the process had all memory. A caller shows more than a worker has, for libraries count as its memory too."""
_GB = 1e9


class OutOfMemory(MemoryError):
    """The system killed a process for want of memory: the machine's doing, and no fact about the data."""


def memory_there_is() -> int:
    """Bytes that this process and those beside it may have: what the machine has, or less where a control group says so."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = (_number(folder / name) for folder in _own_groups() for name in ("memory.max", "memory.limit_in_bytes"))
    return min([machine, *(limit for limit in limits if limit is not None)])


def processors_there_are() -> int:
    """How many processors' time this process may have, 1 at least: those that it may run on, or less where a control group
    (`cpu.max` of cgroup v2) grants a smaller share."""
    machine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    shares = [share for folder in _own_groups() if (share := _share(folder / "cpu.max")) is not None]
    return max(1, int(min([machine, *shares])))


def _share(place: Path) -> float | None:
    with suppress(OSError, ValueError):  # "max 100000" grants all
        time, period = place.read_text().split()
        return int(time) / int(period)
    return None


def kills() -> int:
    """How many processes of this control group, or of the machine where no group tells, were killed for want of memory."""
    for folder in _own_groups():
        for name in ("memory.events", "memory.oom_control"):
            found = _counted(folder / name)
            if found is not None:
                return found
    return kills_of_the_machine()


def kills_of_the_machine() -> int:
    """How many processes were killed for want of memory since the machine started, in whatever group."""
    return _counted(Path("/proc/vmstat")) or 0


def die_before_others() -> None:
    """Ask the system to kill this process before others when memory ends; a process may always ask for that."""
    with suppress(OSError, ValueError):
        if int(_SCORE.read_text()) < _WORKER_SCORE:
            _SCORE.write_text(str(_WORKER_SCORE))


def gigabytes(size: int) -> str:
    """A size for people."""
    return f"{size / _GB:,.1f} GB"


def _own_groups() -> Iterator[Path]:
    """The folders of the control groups of this process, the innermost first."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            root = _GROUPS if number == "0" else _V1 if "memory" in controllers.split(",") else None
            if root is not None and root.is_dir():
                own = root / path.lstrip("/")
                yield from (folder for folder in (own, *own.parents) if folder.is_relative_to(root))


def _number(place: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(place.read_text())
    return None


def _counted(place: Path) -> int | None:
    with suppress(OSError):
        for line in place.read_text().splitlines():
            name, _, count = line.partition(" ")
            if name == "oom_kill":
                return int(count)
    return None
