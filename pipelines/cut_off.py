"""Stages that were cut off, because the process that computed them was killed: at a full memory it can say nothing itself.

So each stage leaves a note while it is computed: a file of its own that holds the stage's name, and a lock that ends
with the process. A note without a lock is of a process that is gone, and the next command says so. What the system killed
for want of memory since then is counted for the whole machine, because a container or a job that was cut off is often gone
together with its own count.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from curation.resource_limits import gigabytes, kills_of_the_machine, memory_there_is
from pipelines.locks import lock


@dataclass(frozen=True, slots=True)
class CutOff:
    """A stage that was being computed; the memory that there was (bytes); how many processes the system had killed for want of
    memory before, since which start of the machine."""

    stage: str
    memory: int
    kills: int
    boot: str


@contextmanager
def noted(folder: Path, stage: str) -> Iterator[None]:
    """Leave a note of the stage in a folder while this block runs."""
    path, descriptor = _new(folder)
    note = CutOff(stage, memory_there_is(), kills_of_the_machine(), _boot())
    try:
        os.write(descriptor, json.dumps(asdict(note)).encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _new(folder: Path) -> tuple[Path, int]:
    """A new file and the lock on it; another, where `cut_off` looked into the first, or removed it, before it was locked."""
    while True:
        path = folder / uuid4().hex
        descriptor = lock(path)
        if descriptor is None:
            continue
        if os.fstat(descriptor).st_nlink:
            return path, descriptor
        os.close(descriptor)


def cut_off(folder: Path, *, forget: bool = False) -> list[CutOff]:
    """The stages whose process is gone; `forget` removes their notes."""
    found = []
    for path in sorted(folder.glob("*")):
        descriptor = lock(path)
        if descriptor is None:
            continue
        told = path.read_bytes()
        if forget or not told:
            path.unlink(missing_ok=True)
        os.close(descriptor)
        found += [CutOff(**json.loads(told))] if told else []
    return found


def said_of(note: CutOff) -> str:
    """What a person should know of it."""
    more = kills_of_the_machine() - note.kills if _boot() == note.boot else 0
    there = gigabytes(note.memory)
    if more < 1:
        why = f"If memory ended, there was too little with {there}"
    else:
        why = f"The system has killed {more:,} {'process' if more == 1 else 'processes'} for want of memory since; there was {there}"
    mend = (
        "let fewer processes read (reading.workers: 1), or give it more"
        if note.stage == "documents"
        else "give it more"
    )
    return f"{note.stage} was cut off in the last run: its process was killed. {why}: {mend}. What was done before stays done"


def _boot() -> str:
    """Which start of the machine this is."""
    place = Path("/proc/sys/kernel/random/boot_id")
    return place.read_text().strip() if place.exists() else ""
