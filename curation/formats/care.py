"""The second reading of a file over which a process died: it tells where it is, and leaves out what killed those before.

A process that dies says nothing. So a file over which one died is read again with care: before each record, member or
message its place is written to a small file, which outlives the process, and when that one dies too the place is known.
The next reading leaves it out, with its failure in its stead. The first reading, which nearly always is the only one,
pays nothing for this.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path

MOST_DEATHS = 16
"""Records of one file that processes may die of; each costs another reading of the file."""

_LENGTH = 8
_CRASHED = "its parser crashed{}: exclude {}, and report it"


@dataclass(frozen=True, slots=True)
class Care:
    """How a file is read again: the small file that tells the place, and the places that processes died of, each with the
    signal that ended them."""

    told: Path
    deaths: tuple[tuple[str, str], ...] = ()

    def place(self) -> str:
        """Where the last reading was; "" where it was at no record."""
        data = self.told.read_bytes() if self.told.exists() else b""
        return data[_LENGTH : _LENGTH + int.from_bytes(data[:_LENGTH], "little")].decode("utf-8", "surrogatepass")


def care_after(care: Care | None, told: Path, signal: str) -> Care | None:
    """How to read a file again after a process died of it; None where that would name nothing, or too many died."""
    if care is None:
        return Care(told)
    place = care.place()
    if not place or place in dict(care.deaths) or len(care.deaths) == MOST_DEATHS:
        return None
    return replace(care, deaths=(*care.deaths, (place, signal)))


@dataclass(slots=True)
class _Watch:
    """Where a reading is."""

    file: int
    deaths: dict[str, str]
    within: str = ""
    place: str = field(default="")

    def note(self, place: str) -> None:
        self.place = place
        data = place.encode("utf-8", "surrogatepass")
        os.pwrite(self.file, len(data).to_bytes(_LENGTH, "little") + data, 0)


_watch: ContextVar[_Watch | None] = ContextVar("watch", default=None)


def is_careful() -> bool:
    """Whether a file is being read with care."""
    return _watch.get() is not None


@contextmanager
def careful(care: Care | None) -> Iterator[None]:
    """Read with care in this block, where it is asked for."""
    if care is None:
        yield
        return
    file = os.open(care.told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    token = _watch.set(_Watch(file, dict(care.deaths)))
    try:
        yield
    finally:
        _watch.reset(token)
        os.close(file)


@contextmanager
def reading(part: str, joint: str = "") -> Iterator[None]:
    """What is read in this block stands at `part`; what lies in it, at that with the joint and its own part."""
    watch = _watch.get()
    if watch is None:
        yield
        return
    within, place = watch.within, watch.place
    watch.note(within + part)
    watch.within = watch.place + joint
    try:
        yield
    finally:
        watch.within = within
        watch.note(place)


def died_at(part: str) -> str | None:
    """The signal by which a process died of what stands at `part`; None where none did."""
    watch = _watch.get()
    return None if watch is None else watch.deaths.get(watch.within + part)


def crashed(signal: str, what: str) -> str:
    """What is said of something that a process died of."""
    return _CRASHED.format(f" ({signal})" if signal else "", what)
