"""Items that are made ahead are the same items: none is lost, early or held longer than its turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from weakref import WeakSet

import pytest

from curation.pipelining import made_ahead


class Item:
    """Something that can be seen to be let go."""

    def __init__(self, number: int) -> None:
        self.number = number


def made(there: WeakSet[Item], threads: set[str], most: list[int], fails: bool = False) -> Iterator[Item]:
    for number in range(50):
        item = Item(number)
        there.add(item)
        threads.add(threading.current_thread().name)
        most.append(len(there))
        yield item
        del item
    if fails:
        raise ValueError("the items end here")


def test_all_items_come_in_order_and_while_one_is_in_use_the_next_is_made_and_no_more() -> None:
    there, threads, most = WeakSet[Item](), set[str](), list[int]()
    came = []
    for item in made_ahead(made(there, threads, most)):
        came.append(item.number)
        until = time.monotonic() + 10
        while len(most) < min(item.number + 2, 50) and time.monotonic() < until:
            time.sleep(0.001)
        del item
    assert came == list(range(50))
    assert threads.isdisjoint({threading.current_thread().name})
    assert most == [1, *[2] * 49]


def test_an_error_comes_behind_what_was_made_before_it() -> None:
    came = []
    with pytest.raises(ValueError, match="the items end here"):
        for item in made_ahead(made(WeakSet(), set(), [], fails=True)):
            came.append(item.number)
    assert came == list(range(50))


def test_no_thread_is_left_where_nobody_wants_the_rest() -> None:
    before = threading.active_count()
    begun = made_ahead(made(WeakSet(), set(), []))
    assert next(begun).number == 0
    assert threading.active_count() > before
    del begun
    assert threading.active_count() == before


def test_of_nothing_nothing_is_made() -> None:
    assert list(made_ahead(())) == []
