"""A measure sees each new content once; a poison record fails alone; where batches end never shows."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pipelines.measuring
from assets.datasets import candidates
from curation.resource_limits import OutOfMemory
from curation.tasks import TaskSettings
from pipelines.measuring import evidence
from pipelines.measuring_worker import BrokenMeasure
from pipelines.stages import Stage, measure
from records import content_digest, silent
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import House, InProcess, ScaleSettings

ROOT = Path(__file__).parents[2]
COLUMNS = {"content_digest": pl.String, "length": pl.Int64, "blanks": pl.List(pl.Int64), "error": pl.String}


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.measuring, "ProcessPoolExecutor", InProcess)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path / "house", toy_stages.STAGES[:3])
    yield made
    toy_stages.calls.clear()


def measured(house: House) -> tuple[int, dict[str, Any]]:
    """How many contents were measured now, and the evidence: length or error of each text."""
    ran = house.run()["lengths"]
    text_of = {row["content_digest"]: row["text"] for row in house.rows("lines")}
    found = {text_of.get(row["content_digest"]): row["error"] or row["length"] for row in house.rows("lengths")}
    return ran.commits["lengths"].notes["measured"] if ran.computed else 0, found


def test_only_new_contents_are_measured_and_the_evidence_of_gone_ones_goes(house: House, in_process: None) -> None:
    house.write("a", "one", "three")
    house.write("b", "three", "seven")
    assert measured(house) == (3, {"one": 3, "three": 5, "seven": 5})
    house.write("c", "three", "eleven")
    assert measured(house) == (1, {"one": 3, "three": 5, "seven": 5, "eleven": 6})
    house.remove("b")
    assert measured(house) == (0, {"one": 3, "three": 5, "eleven": 6})
    house.remove("a")
    house.remove("c")
    house.write("d", "!nothing")
    assert measured(house) == (0, {})
    house.write("a", "one")
    assert measured(house) == (1, {"one": 3})


def test_another_setting_measures_all_again(house: House, in_process: None) -> None:
    house.write("a", "one", "three")
    measured(house)
    house.settings.update(scaling=ScaleSettings(10))
    assert measured(house) == (2, {"one": 30, "three": 50})


@pytest.mark.parametrize("cores", [1, 4])
def test_what_raises_or_kills_its_worker_fails_alone(house: House, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """With real processes, one of which dies: all others are measured."""
    monkeypatch.setattr(pipelines.measuring, "BATCH_ROWS", 4)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(cores))
    house.write("a", *(f"line {n}" for n in range(6)), "raise", "die", *(f"more {n}" for n in range(6)))
    count, found = measured(house)
    assert count == 14
    assert found.pop("raise") == "ValueError: a poison line"
    assert found.pop("die") == "WorkerDied: the worker died on this content"
    assert found == dict.fromkeys(found, 6) and len(found) == 12
    books = house.workspace.store.head("lengths").books
    assert (books.taken, books.kept, books.failed) == (14, 12, {"ValueError": 1, "WorkerDied": 1})
    house.write("b", "good")
    assert measured(house)[0] == 1, "a poison record is not tried at every run"
    house.write("a", "line 1")
    books = (house.run(), house.workspace.store.head("lengths").books)[1]
    assert (books.taken, books.kept, books.failed) == (2, 2, {})


@pytest.mark.parametrize("others", [["good"], []])
def test_what_may_pass_is_raised_and_not_recorded(house: House, in_process: None, others: list[str]) -> None:
    house.write("a", "one")
    house.run()
    before = house.workspace.store.head("lengths")
    house.write("b", "memory", "raise", *others)
    with pytest.raises(MemoryError):
        house.run()
    assert house.workspace.store.head("lengths") == before
    house.write("b", "one", *others)
    assert measured(house)[1] == {text: len(text) for text in ["one", *others]}


def test_a_content_whose_worker_was_killed_for_want_of_memory_is_not_recorded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real process that dies; the kernel's count of such kills alone is made up. The content is named."""
    house.write("a", "one", "two", "killed")
    monkeypatch.setattr(pipelines.measuring, "kills", itertools.count(1).__next__)
    culprit = content_digest("killed")
    told = rf"lengths: {culprit}: the memory ended.* GB in all: give it more, .*`headwater explain {culprit}`"
    with pytest.raises(OutOfMemory, match=told):
        house.run()
    assert house.workspace.store.head("lengths") is None
    monkeypatch.undo()
    assert measured(house)[1]["killed"] == "WorkerDied: the worker died on this content"


def test_a_content_that_crashed_while_another_process_was_starved_is_recorded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system kills by a signal of its own, and how the worker ended is known."""
    house.write("a", "one", "two", "die")
    monkeypatch.setattr(pipelines.measuring, "kills", itertools.count(1).__next__)
    assert measured(house)[1] == {"one": 3, "two": 3, "die": "WorkerDied: the worker died on this content"}


def test_what_starves_together_is_measured_by_halves_and_who_watches_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any two contents are too many for the memory that there is, one is not."""
    counted = [0]

    class Small(InProcess):
        def submit(self, function: Any, *arguments: Any) -> Any:
            if pipelines.measuring.from_ipc(arguments[-1]).height < 2:
                return super().submit(function, *arguments)
            counted[0] += 1
            future: Future[Any] = Future()
            future.set_exception(pipelines.measuring.BrokenProcessPool("a worker was killed"))
            return future

    monkeypatch.setattr(pipelines.measuring, "ProcessPoolExecutor", Small)
    monkeypatch.setattr(pipelines.measuring, "kills", lambda: counted[0])
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4))
    texts = ["one", "three", "seven", "eleven", "twelve"]
    contents = pl.DataFrame({"content_digest": [content_digest(text) for text in texts], "text": texts})
    told: list[tuple[Any, ...]] = []
    pieces = evidence(
        toy_stages.lengths, contents.lazy(), None, {"settings": ScaleSettings()}, lambda *seen: told.append(seen)
    )
    found = pl.concat(pieces)
    assert sorted(found["length"]) == [3, 5, 5, 6, 6] and found["error"].null_count() == 5
    assert told[-1] == (5, 5, "contents", "one process at a time: memory ended")


def test_a_pool_that_breaks_while_batches_are_handed_in(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker may die on the first batch before the last one is submitted."""

    class Breaking(InProcess):
        pools = 0

        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            type(self).pools += 1
            self.first = type(self).pools == 1

        def submit(self, *call: Any) -> Any:
            if self.first:
                raise pipelines.measuring.BrokenProcessPool("a worker died")
            return super().submit(*call)

    monkeypatch.setattr(pipelines.measuring, "ProcessPoolExecutor", Breaking)
    house.write("a", "one", "three")
    assert measured(house) == (2, {"one": 3, "three": 5})
    assert Breaking.pools == 2


def test_evidence_has_all_columns_also_where_every_content_fails(house: House, in_process: None) -> None:
    """What stands below asks for them; and what comes later is the same as if it had come at once."""
    house.write("a", "raise")
    house.run()
    assert house.workspace.store.scan("lengths").collect_schema() == COLUMNS
    house.write("b", "good")
    house.run()
    house.write("c", "raise", "again")
    house.write("a", "other")
    house.run()
    once = House(house.root.parent / "once", toy_stages.STAGES[:3])
    for path in (house.root / "raw").iterdir():
        once.write(path.name, path.read_text())
    once.run()
    assert once.versions() == house.versions()


TEXTS = st.lists(
    st.one_of(st.sampled_from(["raise", "raise ", "", "a b c"]), st.text("xy ", max_size=9)), max_size=20, unique=True
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.integers(1, 8), st.integers(1, 60), st.booleans())
def test_where_batches_end_does_not_show(
    monkeypatch: pytest.MonkeyPatch,
    in_process: None,
    texts: list[str],
    batch_rows: int,
    batch_bytes: int,
    all_came: bool,
) -> None:
    monkeypatch.setattr(pipelines.measuring, "BATCH_ROWS", batch_rows)
    monkeypatch.setattr(pipelines.measuring, "BATCH_BYTES", batch_bytes)
    contents = pl.DataFrame(
        {"content_digest": [content_digest(text) for text in texts], "text": texts},
        schema={"content_digest": pl.String, "text": pl.String},
    )
    twice = pl.concat([contents, contents.reverse()])
    came = None if all_came else contents.select("content_digest")
    found, count = measured_at_once(toy_stages.lengths, twice, came, {"settings": ScaleSettings()})
    assert count == len(texts)
    assert found.schema == COLUMNS
    expected = {
        content_digest(text): (None, None, "ValueError: a poison line")
        if text == "raise"
        else (len(text), [place for place, sign in enumerate(text) if sign == " "], None)
        for text in texts
    }
    assert {row[0]: row[1:] for row in found.iter_rows()} == expected
    assert found.height == len(texts)


def measured_at_once(
    stage: Stage, contents: pl.DataFrame, came: pl.DataFrame | None, options: dict[str, Any]
) -> tuple[pl.DataFrame, int]:
    """All of the evidence, by the keys, and of how many contents it is."""
    parts, pieces = [], evidence(stage, contents.lazy(), came, options, silent)
    while True:
        try:
            parts.append(next(pieces))
        except StopIteration as ended:
            return pl.concat(parts).sort(stage.key), ended.value


class Heavy(ScaleSettings):
    """What a measure is given beside contents; it tells how often it was sent."""

    sent = 0

    def __reduce__(self) -> tuple[Any, ...]:
        type(self).sent += 1
        return ScaleSettings, (self.scale,)


def test_what_a_measure_is_given_is_sent_to_each_worker_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.measuring, "BATCH_ROWS", 1)
    texts = [f"text {number}" for number in range(12)]
    contents = pl.DataFrame({"content_digest": [content_digest(text) for text in texts], "text": texts})
    found, count = measured_at_once(toy_stages.lengths, contents, None, {"settings": Heavy(3)})
    assert count == 12 and set(found["length"]) == {18, 21}
    assert 1 <= Heavy.sent <= len(os.sched_getaffinity(0))


def test_a_worker_imports_neither_the_assets_nor_its_callers_main(tmp_path: Path) -> None:
    """Each process that measures would take a second or two to begin."""
    main = tmp_path / "main.py"
    main.write_text(
        "import assets\nfrom tests.pipelines.measuring_imports import main\nif __name__ == '__main__': main()\n"
    )
    done = subprocess.run([sys.executable, main], env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True)
    assert done.stdout.decode().split() == [
        "curation",
        "curation.allocators",
        "curation.resource_limits",
        "pipelines",
        "pipelines.measuring_worker",
    ]


CODE = """
from dataclasses import dataclass
import pyarrow as pa

@dataclass
class Factor:
    value: int = 1

def widths(contents: pa.RecordBatch, factor: Factor) -> pa.RecordBatch:
    found = [len(text) * factor.value for text in contents["text"].to_pylist()]
    return pa.record_batch({"content_digest": contents["content_digest"], "width": pa.array(found, pa.int64())})
"""


@pytest.mark.parametrize("renamed", ["widths", "factor", "Factor"])
def test_code_that_changes_under_a_run_is_no_fault_of_the_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: str
) -> None:
    """A function, a parameter or the type of a setting got another name since the run imported them: no content failed."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"measure_{renamed.lower()}_{renamed[0].isupper()}"
    module = tmp_path / f"{name}.py"
    module.write_text(CODE)
    ours = import_module(name)
    stage = measure(group="curation", code_version="1", of="lines")(ours.widths)
    module.write_text(CODE.replace(renamed, "renamed_since"))
    contents = pl.DataFrame({"content_digest": [content_digest("one"), content_digest("two")], "text": ["one", "two"]})
    with pytest.raises(
        BrokenMeasure, match=rf"measure widths: .* {name} .*changed meanwhile, then begin the run again"
    ):
        measured_at_once(stage, contents, None, {"factor": ours.Factor(2)})


def test_a_measure_that_its_workers_would_not_find_is_refused(tmp_path: Path) -> None:
    """Of a function within another one, or of a script."""

    def inner(contents: pa.RecordBatch) -> pa.RecordBatch:
        return contents

    told = "the processes that measure find a function by its name in a module, and so not this one: put it at the top level"
    with pytest.raises(ValueError, match=f"measure .*inner of {__name__}: {told}"):
        measure(group="curation", code_version="1", of="lines")(inner)
    script = tmp_path / "script.py"
    made = "from pipelines.stages import measure\n@measure(group='curation', code_version='1', of='lines')\n"
    script.write_text(f"{made}def widths(contents): ...\n")
    ran = subprocess.run([sys.executable, script], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert f"ValueError: measure widths of __main__: {told}" in ran.stderr


@pytest.mark.parametrize("wrong", ["fewer", "another order"])
def test_a_measure_that_loses_or_mixes_contents_is_wrong_and_not_its_contents(
    house: House, monkeypatch: pytest.MonkeyPatch, in_process: None, wrong: str
) -> None:
    function = toy_stages.lengths.function

    def careless(contents: pa.RecordBatch, settings: ScaleSettings) -> pa.RecordBatch:
        found: pa.RecordBatch = function(contents, settings)
        return found.slice(1) if wrong == "fewer" else found.take(list(range(found.num_rows))[::-1])

    monkeypatch.setattr(toy_stages, "lengths", replace(toy_stages.lengths, function=careless))
    house.write("a", "one", "three")
    with pytest.raises(
        RuntimeError, match="measure lengths must return exactly one row per content, in the order given"
    ):
        house.run()
    assert house.workspace.store.head("lengths") is None


def test_a_copy_of_another_media_type_is_measured_by_itself(in_process: None) -> None:
    """What evidence depends on beside the text is part of its key: the same text is code in one place and none in another."""
    text = 'def double(number):\n    """Twice the number that is given."""\n    return number * 2\n'
    kinds = ["text/plain", "text/x-python"]
    contents = pl.DataFrame({"content_digest": content_digest(text), "media_type": kinds, "text": text})
    came = contents.drop("text")
    options = {"task": TaskSettings("docstrings"), "recipe": "docstrings"}
    rows, _ = measured_at_once(candidates, contents, came, options)
    assert rows["media_type"].to_list() == kinds
    assert [len(found or []) for found in rows["samples"].to_list()] == [0, 1]
