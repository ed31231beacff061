"""Any schedule of additions and removals gives what one fold of what is there gives."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.changes import changed, changed_by
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import House

TEXTS = st.lists(st.sampled_from(["one", "two", "!bad", ""]), min_size=1, max_size=3)
FILES = st.dictionaries(st.sampled_from("abcd"), TEXTS, max_size=4)


def folded(files: dict[str, list[str]], house: House) -> None:
    for path in (house.root / "raw").iterdir():
        path.unlink()
    for name, texts in files.items():
        house.write(name, *texts)
    house.run()


@settings(max_examples=20)
@given(st.lists(FILES, min_size=1, max_size=4))
def test_any_schedule_gives_what_one_fold_gives(states: list[dict[str, list[str]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        kept, once = (House(Path(folder) / name, toy_stages.STAGES[:2]) for name in ("kept", "once"))
        for files in states:
            folded(files, kept)
        folded(states[-1], once)
        for table in ("lines", "rejects"):
            assert kept.rows(table) == once.rows(table)
        assert kept.versions() == once.versions()
        books = [house.workspace.store.head("lines").books for house in (kept, once)]
        assert books[0] == books[1] and books[0].missing == 0 and books[0].taken == len(states[-1])


def test_a_fold_is_shown_only_what_changed(tmp_path: Path) -> None:
    house = House(tmp_path, toy_stages.STAGES[:2])
    seen: list[tuple[list[str], list[str]]] = []
    function = toy_stages.lines.function

    def watched(state: dict[str, pl.LazyFrame], added: pl.DataFrame, removed: pl.DataFrame) -> object:
        seen.append((sorted(added["file"]), sorted(removed["file"])))
        return function(state, added, removed)

    house.revise("lines", function=watched)
    for files in ({"a": ["1"], "b": ["!2"], "c": ["3"]}, {"a": ["1"], "b": ["2"], "d": ["4"]}):
        folded(files, house)
    assert seen == [(["a", "b", "c"], []), (["b", "d"], ["b", "c"])]
    assert house.workspace.store.head("lines").notes == {"added": 2, "removed": 2}
    house.revise("lines", code_version="2")
    house.run()
    assert seen[-1] == (["a", "b", "d"], []), "another code begins from nothing"
    toy_stages.calls.clear()


KEYS = st.lists(st.tuples(st.sampled_from([None, "a", "b", "c"]), st.sampled_from([None, 1, 2])), max_size=6)


@given(KEYS, KEYS)
def test_what_came_and_went_is_the_difference_of_two_sets(
    now: list[tuple[str, int]], before: list[tuple[str, int]]
) -> None:
    def keys(rows: Collection[tuple[str, int]]) -> pl.DataFrame:
        return pl.DataFrame(list(rows), schema={"file": pl.String, "line": pl.Int64}, orient="row")

    came, went = changed(keys(set(now)), keys(before))
    assert (set(came.rows()), set(went.rows())) == (set(now) - set(before), set(before) - set(now))
    assert went.height == len(set(went.rows()))
    assert changed(keys(set(now)), None)[0].height == len(set(now))


@given(KEYS, KEYS)
def test_the_rows_that_moved_tell_the_same_difference(
    now: list[tuple[str, int]], before: list[tuple[str, int]]
) -> None:
    """Elements stand in several rows: one came or went only where no other row has it still."""

    def rows(places: Collection[tuple[str, int]]) -> pl.LazyFrame:
        return pl.LazyFrame(list(places), schema={"element": pl.String, "place": pl.Int64}, orient="row")

    told = rows(set(now) - set(before)), rows(set(before) - set(now))
    seen = rows(before).select("element").unique()
    found = changed_by(*told, seen, rows(set(now)), ["element"])
    whole = changed(rows(now).select("element").unique().collect(), seen.collect())
    for one, other in zip(found, whole, strict=True):
        assert one.height == other.height and set(one.rows()) == set(other.rows())
