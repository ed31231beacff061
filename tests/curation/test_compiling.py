"""What is told while loops are compiled, and that measuring nothing compiles all that measuring needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, deque
from pathlib import Path

import pytest

from curation import ahead
from curation.compilation import Kernel
from curation.compiling import Compiling, told_to
from curation.deduplication.digest_index import fill_index
from curation.kernel_arguments import Kind
from curation.workers import Crew, results
from tests.curation.measuring_nothing import MEASURES
from tests.curation.worker_functions import halve, ready_after_compiling

CALLED = """
import os
os.sched_setaffinity(0, list(os.sched_getaffinity(0))[:1])  # there is no processor for a helper
from curation.compiling import told_to
import numpy as np
from curation.deduplication.digest_index import fill_index
from curation.quality_words import stop_words_of

told = []
with told_to(told.append):
    {}
for said in told:
    print(said.part or "-", said.ready, said.parts, said.seconds > 0)
"""


def said(*program: str, **around: str) -> list[list[str]]:
    done = subprocess.run(
        [sys.executable, *program], env={**os.environ, **around}, capture_output=True, text=True, check=True
    )
    return [line.split() for line in done.stdout.splitlines()]


def test_what_is_compiled_is_told_once_for_a_machine_with_what_that_has(tmp_path: Path) -> None:
    one, other = (
        CALLED.format(call)
        for call in ("stop_words_of(('the',))", "fill_index(np.zeros(2, np.uint64), np.full(16, -1, np.int32))")
    )
    begun, ended = said("-c", one, NUMBA_CACHE_DIR=str(tmp_path))
    parts = begun[2]
    assert int(parts) > 20
    assert (begun, ended) == (["_fill", "0", parts, "False"], ["-", "1", parts, "True"])
    assert said("-c", one, NUMBA_CACHE_DIR=str(tmp_path)) == []
    assert said("-c", other, NUMBA_CACHE_DIR=str(tmp_path))[0] == ["fill_index", "1", parts, "False"]


def test_what_cannot_be_compiled_is_no_more_waited_for_and_each_code_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    reads: Counter[str] = Counter()
    found = Kernel.kept

    def kept(kernel: Kernel, kinds: tuple[Kind, ...]) -> object:
        reads[f"{kernel.py_func.__qualname__} {kinds}"] += (code := found(kernel, kinds)) is not None
        return code

    monkeypatch.setattr(Kernel, "kept", kept)
    monkeypatch.setattr(Kernel, "make", fails)
    monkeypatch.setattr(ahead, "_begin", lambda module: None)
    told: list[Compiling] = []
    assert isinstance(fill_index, Kernel)
    with told_to(told.append):
        for _ in range(3):
            with pytest.raises(MemoryError, match="no room"):
                ahead.made(fill_index, ())
    assert [each.part for each in told] == ["fill_index", ""] * 3
    assert set(reads.values()) <= {0, 1}


def test_measuring_nothing_compiles_what_measuring_needs() -> None:
    """So worker processes find it all, and no loop is compiled in two of them, or twice for two kinds of arrays."""
    found = said("-m", "tests.curation.measuring_nothing")
    assert sorted(found) == sorted([name, "True"] for name in MEASURES)


def test_what_is_compiled_before_processes_start_is_told_to_the_caller() -> None:
    told: list[Compiling] = []
    with told_to(told.append):
        assert list(results(halve, deque([8]), Crew(1), 1 << 29, ready_after_compiling)) == [(8, 4.0)]
    assert told == [Compiling("loop", 0, 2), Compiling("", 1, 2, 1.5)]
