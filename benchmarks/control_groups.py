"""Programs in a control group of their own, with little memory: page cache and all processes count, as in a container.

    with control_group(1 << 30) as group:
        measure(group.command([python, "job.py"]), log=folder / "job.log")
    group.anonymous, group.kills        # bytes at the worst moment that was seen; processes killed for want of memory

Control groups are folders of the kernel's (cgroups(7)), of which there are two versions; to make one needs root.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

SAMPLE_SECONDS = 0.1
_GROUPS = Path("/sys/fs/cgroup")
_V1 = _GROUPS / "memory"
_JOINING = 'echo $$ > "$1" && shift && exec "$@"'


@dataclass
class Group:
    """A control group: its folder, and what was seen of its processes."""

    folder: Path
    temporary: Path | None = None
    """The folder of their temporary files, whose bytes are to be counted though they have no names."""
    anonymous: int = 0
    disk: int = 0
    kills: int = 0

    def command(self, words: Sequence[str | Path]) -> list[str | Path]:
        """The command that runs another one in this group."""
        return ["/bin/sh", "-c", _JOINING, "sh", self.folder / "cgroup.procs", *words]

    def look(self) -> None:
        """See what is there now."""
        stat = _numbers(self.folder / "memory.stat")
        self.anonymous = max(self.anonymous, stat.get("anon", stat.get("total_rss", 0)))
        counts = _numbers(self.folder / "memory.events") | _numbers(self.folder / "memory.oom_control")
        self.kills = counts.get("oom_kill", 0)
        if self.temporary:
            self.disk = max(self.disk, sum(_opened_under(self.temporary, self._processes()).values()))

    def _processes(self) -> list[int]:
        with suppress(OSError):
            return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]
        return []

    def end(self) -> None:
        """Kill what is left, and remove the group."""
        while left := self._processes():
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(SAMPLE_SECONDS)
        self.folder.rmdir()


@contextmanager
def control_group(limit: int | None, temporary: Path | None = None) -> Iterator[Group]:
    """A control group whose memory is at most so many bytes; it is looked at all the while.

    Raises OSError where this user may make none.
    """
    folder = (_V1 if _V1.is_dir() else _GROUPS) / f"headwater-{uuid4().hex[:12]}"
    folder.mkdir()
    group, ended = Group(folder, temporary), threading.Event()

    def watch() -> None:
        while not ended.wait(SAMPLE_SECONDS):
            group.look()

    thread = threading.Thread(target=watch)
    try:
        if limit is not None:
            (folder / ("memory.limit_in_bytes" if _V1.is_dir() else "memory.max")).write_text(str(limit))
        thread.start()
        yield group
    finally:
        ended.set()
        if thread.ident:
            thread.join()
        group.look()
        group.end()


def _numbers(place: Path) -> dict[str, int]:
    with suppress(OSError):
        lines = (line.split() for line in place.read_text().splitlines())
        return {words[0]: int(words[1]) for words in lines if len(words) == 2}
    return {}


def _opened_under(folder: Path, processes: Sequence[int]) -> dict[tuple[int, int], int]:
    """The bytes on disk of files in a folder that processes have open, with or without a name."""
    found, own = {}, folder.resolve()
    for pid in processes:
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    if link.readlink().is_relative_to(own):
                        seen = link.stat()
                        found[seen.st_dev, seen.st_ino] = seen.st_blocks * 512
    return found
