"""Want of memory is told apart from a parser that crashes, and is no fact about a file."""

from __future__ import annotations

import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import curation.reading
from benchmarks.control_groups import control_group
from curation import resource_limits
from curation.inventory import Source, take_inventory
from curation.reading import ReadingSettings, read_files
from curation.resource_limits import OutOfMemory, memory_there_is
from curation.workers import Crew, Died, results
from tests.curation.worker_functions import halve

LIMIT = 160 << 20
HUNGRY = f"""
import sys
from collections import deque
from curation.resource_limits import memory_there_is
from curation.workers import Crew, Died, results
from tests.curation.worker_functions import halve

assert memory_there_is() == {LIMIT}
found = dict(results(halve, deque([-6, 8]), Crew(2), 1 << 30))
assert found == {{-6: Died("SIGKILL", is_starved=True), 8: 4.0}}, found
found = dict(results(halve, deque([8, -6, -7, -6]), Crew(1), 1 << 30))
assert found[-6] == Died("SIGKILL", is_starved=True, had_all=True), found
assert found[-7] == Died("SIGKILL"), "others were starved before"
"""


def test_a_worker_that_the_system_killed_for_want_of_memory_is_known() -> None:
    """And its caller lives, though it may have more memory than the worker."""
    try:
        with control_group(LIMIT) as group:
            command = group.command([sys.executable, "-c", HUNGRY])
            ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    except PermissionError:  # only root makes control groups; the limit of a process says as much, and kills nobody
        with pytest.raises(MemoryError, match=r"no memory left; there is .* GB in all"):
            list(results(halve, deque([-5]), Crew(1), LIMIT))
        return
    assert not ended.returncode, ended.stderr
    assert group.kills == 3


def starving(times: int, crews: list[int]) -> Any:
    """In place of `results`: all that work at a time are killed for want of memory together, so often."""

    def found(work: Any, tasks: deque[Any], crew: Crew, *_: object) -> Iterator[tuple[Any, Any]]:
        left = times
        while tasks:
            crews.append(crew.count)
            left -= 1
            for task in [tasks.popleft() for _ in range(min(crew.count, len(tasks)))]:
                yield task, Died("SIGKILL", is_starved=True) if left >= 0 else copy_context().run(work, task)

    return found


@pytest.mark.parametrize("names", [["a.txt"], ["a.txt", "b.txt"]], ids=["one", "two"])
@pytest.mark.parametrize("times", [1, 2])
def test_files_whose_processes_were_starved_are_read_alone_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, names: list[str]
) -> None:
    crews: list[int] = []
    monkeypatch.setattr(curation.reading, "results", starving(times, crews))
    monkeypatch.setattr(curation.reading, "FEW_BYTES", 0)
    for name in names:
        (tmp_path / name).write_text(name)
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)

    def read() -> pl.DataFrame:
        documents, failures = read_files(files, {"raw": tmp_path}, ReadingSettings(workers=2))
        assert failures.is_empty()
        return documents

    if times == 1:
        assert read()["text"].to_list() == names
        assert crews == [2] + [1] * len(names)
    else:
        told = rf"raw: {names[-1]}: the memory ended.* GB in all\. Give it more, or exclude"
        with pytest.raises(OutOfMemory, match=told):
            read()
        assert crews == [2, 1], "it is named only when it has worked alone"


def test_a_file_that_starved_where_nothing_would_be_different_is_tried_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def found(work: Any, tasks: deque[Any], crew: Crew, *_: object) -> Iterator[tuple[Any, Any]]:
        while tasks:
            tried.append(tasks.popleft())
            yield tried[-1], Died("SIGKILL", is_starved=True, had_all=True)

    monkeypatch.setattr(curation.reading, "results", found)
    monkeypatch.setattr(curation.reading, "FEW_BYTES", 0)
    (tmp_path / "a.txt").write_text("a")
    files = take_inventory(Source("raw", str(tmp_path)), tmp_path)
    with pytest.raises(OutOfMemory, match=r"raw: a\.txt: the memory ended"):
        read_files(files, {"raw": tmp_path}, ReadingSettings(workers=1))
    assert len(tried) == 1


def test_there_is_no_more_memory_than_the_machine_has() -> None:
    assert 0 < memory_there_is() < 1 << 50


@pytest.mark.parametrize(
    ("told", "processors"),
    [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("1600000 100000", 8), ("", 8), (None, 8)],
)
def test_a_control_group_may_grant_fewer_processors_than_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, processors: int
) -> None:
    if told is not None:
        (tmp_path / "cpu.max").write_text(f"{told}\n")
    monkeypatch.setattr(resource_limits, "_own_groups", lambda: iter([tmp_path, tmp_path / "none"]))
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8))
    assert resource_limits.processors_there_are() == processors
