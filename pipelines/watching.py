"""Who watches a run: the terminal, Dagster's log, or nobody.

A stage says how far it is through a plain callback and knows nothing of screens; what is done with that is decided once
per process, here. The default says nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from curation.compiling import Compiling

LOG_SECONDS = 10.0
PACE_SECONDS = 1.0
"""A rate is told when it was seen for so long: several processes end their first batches at once."""


class Watcher(Protocol):
    """Told what happens to each stage of a run."""

    def anew(self, node: str, why: str) -> None: ...

    def started(self, node: str) -> None: ...

    def advanced(self, node: str, done: int, total: int | None, unit: str, beside: str = "") -> None: ...

    def compiling(self, node: str, said: Compiling) -> None: ...

    def restarted(self, node: str, why: str) -> None: ...

    def waits(self, node: str, why: str) -> None: ...

    def ended(self, node: str, failed: bool = False) -> None: ...


class Nobody:
    """The watcher that says nothing."""

    def anew(self, node: str, why: str) -> None:
        """A stage will not go on from what it has made."""

    def started(self, node: str) -> None:
        """A stage has begun."""

    def advanced(self, node: str, done: int, total: int | None, unit: str, beside: str = "") -> None:
        """A stage has come so far."""

    def compiling(self, node: str, said: Compiling) -> None:
        """A stage waits for what it runs."""

    def restarted(self, node: str, why: str) -> None:
        """A stage begins again, for another run was before it."""

    def waits(self, node: str, why: str) -> None:
        """A stage cannot begin yet."""

    def ended(self, node: str, failed: bool = False) -> None:
        """A stage has ended."""


class LogWatcher:
    """Writes a line of progress to a log every few seconds, with rate and time left."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._say, self._clock = say, clock
        self._last, self._pace = clock(), Pace()
        self._compiled = ""

    def anew(self, node: str, why: str) -> None:
        """A stage will not go on from what it has made."""
        self._say(f"{node} anew: {why}")

    def started(self, node: str) -> None:
        """A stage has begun."""
        self._last, self._pace = self._clock(), Pace()

    def advanced(self, node: str, done: int, total: int | None, unit: str, beside: str = "") -> None:
        """A stage has come so far."""
        now = self._clock()
        rate = self._pace.rate(now, done)
        if now - self._last >= LOG_SECONDS:
            self._last = now
            self._say(f"{node}: {describe(done, total, unit, rate, beside)}")

    def compiling(self, node: str, said: Compiling) -> None:
        """A stage waits for what it runs: told at once when that begins, and part of no rate."""
        now = self._clock()
        if said.part and (node != self._compiled or now - self._last >= LOG_SECONDS):
            self._last, self._compiled = now, node
            self._say(f"{node}: {describe_compiling(said)}")
        self._pace.waited(said.seconds)

    def restarted(self, node: str, why: str) -> None:
        """A stage begins again, for another run was before it."""
        self._say(f"{node}: begins again: {why}")

    def waits(self, node: str, why: str) -> None:
        """A stage cannot begin yet."""
        self._say(f"{node} {why}")

    def ended(self, node: str, failed: bool = False) -> None:
        """A stage has ended."""


@dataclass(slots=True)
class Pace:
    """How fast a stage is, from its first report on: before that it was getting ready (compiling, starting processes, loading)."""

    first: float | None = None
    done: int = 0

    def rate(self, now: float, done: int) -> float:
        """A second; 0 where it cannot be told yet. What goes back has begun another part."""
        if self.first is None or done < self.done:
            self.first, self.done = now, done
        gone = now - self.first
        return (done - self.done) / gone if gone >= PACE_SECONDS else 0.0

    def waited(self, seconds: float) -> None:
        """Some of the time was spent on what is no part of the rate."""
        self.first = None if self.first is None else self.first + seconds


def describe(done: int, total: int | None, unit: str, rate: float, beside: str = "") -> str:
    """How far, how fast, and how long still: "1,200 of 4,000 files, 310/s, 9 s left".

    Bytes are told as "120 of 1,568 MB, 32 MB/s, 45 s left".
    """
    if unit == "bytes":
        of, unit, per = 1e6, "MB", " MB/s"
    else:
        of, per = 1.0, "/s"
    text = f"{done / of:,.0f} of {total / of:,.0f} {unit}" if total else f"{done / of:,.0f} {unit}"
    if rate > 0:
        text += f", {rate / of:,.0f}{per}" if rate / of >= 10 else f", {rate / of:.2g}{per}"
        if total and done <= total:
            text += f", {(total - done) / rate:,.0f} s left"
    return f"{text}, {beside}" if beside else text


def describe_compiling(said: Compiling) -> str:
    """What is compiled, and what this machine has: "compiling `propose`, once for this machine (12 of 58 parts are there)"."""
    return f"compiling `{said.part}`, once for this machine ({said.ready} of {said.parts} parts are there)"


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)
_NOBODY = Nobody()


def watcher() -> Watcher:
    """The watcher of this run."""
    return _watcher.get() or _NOBODY


def is_watched() -> bool:
    """Whether somebody watches already."""
    return _watcher.get() is not None


@contextmanager
def watched_by(new: Watcher) -> Iterator[None]:
    """Let `new` watch what runs in this block."""
    token = _watcher.set(new)
    try:
        yield
    finally:
        _watcher.reset(token)
