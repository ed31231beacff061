"""Who is told while loops are compiled: on a new machine that takes a minute, which is part of no rate.

It stands apart from `curation.compilation`, so that whoever listens need not load Numba.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple


class Compiling(NamedTuple):
    """A part is being compiled; or, where `part` is empty, work goes on, and compiling took so many `seconds`."""

    part: str
    ready: int
    """Of all `parts` that there are, those that this machine has."""
    parts: int
    seconds: float = 0.0


Told = Callable[[Compiling], None]
_listeners: list[Told] = []


@contextmanager
def told_to(listener: Told) -> Iterator[None]:
    """Within this block, tell `listener` what is compiled in this process."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


def is_told() -> bool:
    """Whether anybody listens."""
    return bool(_listeners)


def tell(said: Compiling) -> None:
    """Tell who listens, of several the last."""
    if _listeners:
        _listeners[-1](said)
