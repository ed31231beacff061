"""Steps of a run beside each other: what a step needs next is made while it is at work on what it has.

Loops in machine code, Arrow and the disk let the interpreter go, so a thread does for that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def made_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """The same items, none of which is None, each made by a thread while the one before it is in use.

    Two are there at most. What `items` raises is raised when all before it were given.
    """
    left = iter(items)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, left, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, left, None)
            yield item
            del item
