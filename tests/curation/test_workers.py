"""Processes that may die: one task is lost and named, the others are done."""

from __future__ import annotations

import os
from collections import deque

import pytest

from benchmarks.measuring import descendants
from curation.workers import Crew, Died, WorkerError, results
from tests.curation.worker_functions import halve

MEMORY = 1 << 29


def done(*tasks: int, count: int = 2) -> dict[int, float | Died]:
    return dict(results(halve, deque(tasks), Crew(count), MEMORY))


def test_every_task_is_done_once_whatever_the_number_of_processes(capfd: pytest.CaptureFixture[str]) -> None:
    for count in (1, 3):
        assert done(*range(20), count=count) == {number: number / 2 for number in range(20)}
    assert capfd.readouterr() == ("", "")


def test_a_process_that_dies_costs_one_task() -> None:
    assert done(1, -1, 2, -2, 3, count=1) == {1: 0.5, -1: Died("SIGSEGV"), 2: 1.0, -2: Died(""), 3: 1.5}


def test_no_process_takes_more_memory_than_it_may() -> None:
    with pytest.raises(MemoryError):
        done(-5)


@pytest.mark.parametrize(("task", "error"), [(-3, WorkerError), (-4, ConnectionError)])
def test_a_mistake_and_the_network_are_the_caller_s(task: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        done(1, task)


def test_tasks_may_be_added_meanwhile() -> None:
    tasks = deque([8])
    found = []
    for task, half in results(halve, tasks, Crew(2), MEMORY):
        found.append(task)
        if task > 1:
            tasks.append(int(half))  # type: ignore[arg-type]
    assert found == [8, 4, 2, 1]


def test_a_crew_may_become_smaller_while_it_works() -> None:
    """And who is no more in it gives back its memory."""
    before, crew = len([*descendants(os.getpid())]), Crew(3)
    for place, _ in enumerate(results(halve, deque(range(50)), crew, MEMORY)):
        if place == 6:
            crew.count = 1
        if place > 9:
            assert len([*descendants(os.getpid())]) - before == 2, (
                "the one that works, and the one that it was forked from"
            )
