"""What a fold is told of the tables that it follows is what differs between two of their versions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

import pipelines.store
from curation.row_index import Layout, RowIndex
from pipelines.commits import Books, Change
from pipelines.stages import Changes, Output, Tracked, fold
from tests.pipelines import toy_stages
from tests.pipelines.toy_stages import House

moves: list[tuple[list[str], list[str]]] = []


def _books(tables: Mapping[str, pl.LazyFrame], taken: int) -> Books:
    return Books("lines", taken, tables["texts"].select(pl.len()).collect().item())


@fold(
    group="curation",
    code_version="1",
    outputs=(Output("texts", ("file", "line")),),
    counts="lines",
    books=_books,
)
def texts(state: Mapping[str, pl.LazyFrame], lines: Tracked) -> Changes:
    """Every line again, by following the table."""
    came, went = lines.came.select("file", "line", "text").collect(), lines.went.select("file", "line").collect()
    moves.append((sorted(came["text"]), sorted(map(str, went.rows()))))
    return Changes({"texts": Change(came, went)})


def folded(house: House, **files: str) -> tuple[list[str], list[str]]:
    for path in (house.root / "raw").iterdir():
        path.unlink()
    for name, text in files.items():
        house.write(name, text)
    moves.clear()
    house.run()
    assert [row["text"] for row in house.rows("texts")] == [files[name] for name in sorted(files)]
    return moves[0] if moves else ([], [])


def test_a_fold_that_follows_is_told_what_moved_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.store, "COMPACT_FILES", 4)
    house = House(tmp_path, [*toy_stages.STAGES[:2], texts])
    assert folded(house, a="1", b="2", c="3") == (["1", "2", "3"], [])
    assert folded(house, a="1", b="2", c="3", d="4") == (["4"], [])
    assert folded(house, a="1", c="5", d="4") == (["5"], ["('b', 0)", "('c', 0)"])
    assert folded(house, a="1", c="5", d="4") == ([], [])
    here = {"a": "1", "c": "5", "d": "4"}
    for i in range(6):  # past a compaction of the files
        assert folded(house, **(here := {**here, f"e{i}": f"{i}x"})) == ([f"{i}x"], [])
    history = DeltaTable(house.workspace.store.location("lines")).history()
    assert "OPTIMIZE" in {entry["operation"] for entry in history}
    toy_stages.calls.clear()


def test_another_code_begins_from_nothing_and_leaves_what_one_run_gives(tmp_path: Path) -> None:
    house = House(tmp_path, [*toy_stages.STAGES[:2], texts])
    folded(house, a="1", b="2")
    house.revise("texts", code_version="2")
    assert folded(house, a="1", b="2", c="3") == (["1", "2", "3"], [])
    toy_stages.calls.clear()


def test_where_the_old_files_are_gone_it_begins_from_nothing(tmp_path: Path) -> None:
    house = House(tmp_path, [*toy_stages.STAGES[:2], texts])
    folded(house, a="1", b="2")
    shutil.rmtree(house.workspace.store.location("lines"))
    assert folded(house, a="1", b="2", c="3") == (["1", "2", "3"], [])
    toy_stages.calls.clear()


LAYOUT = Layout(("text",), ("file", "line", "text"))


@fold(
    group="curation",
    code_version="1",
    outputs=(Output("firsts", ("text",)),),
    finds={"lines": LAYOUT, "firsts": LAYOUT},
    counts="lines",
)
def firsts(state: Mapping[str, pl.LazyFrame], lines: Tracked, found: Mapping[str, RowIndex]) -> Changes:
    """The first place of each text; once there is a state, only what moved is looked up."""
    if not found:
        return Changes({"firsts": Change(_first(lines.now.collect()))})
    moved = pl.concat([lines.came.select("text").collect(), lines.went.select("text").collect()])["text"].unique()
    narrow = found["lines"].among("text", moved)
    return Changes({"firsts": Change(_first(narrow), found["firsts"].among("text", moved).select("text"))})


def _first(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.select(LAYOUT.columns).sort("file", "line").unique("text", keep="first")


def test_what_a_fold_finds_by_an_index_is_what_stands_in_the_tables_and_a_lost_index_is_made_again(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, [*toy_stages.STAGES[:2], firsts])
    store, indexes = house.workspace.store, house.workspace.store.root / "indexes"
    schedule = [{"b": "1", "c": "2"}, {"a": "1", "b": "1", "c": "2"}, {"b": "3", "c": "2"}, {"d": "3"}, {"d": "4"}]
    for number, files in enumerate(schedule):
        for path in (house.root / "raw").iterdir():
            path.unlink()
        for name, text in files.items():
            house.write(name, text)
        if number == 3:
            shutil.rmtree(indexes)
        house.run()
        expected = {text: min(name for name in files if files[name] == text) for text in files.values()}
        assert {row["text"]: row["file"] for row in house.rows("firsts")} == expected
        assert sorted(path.name for path in indexes.iterdir()) == ["firsts", "lines"]
    store.erase_past("firsts")
    assert not (indexes / "firsts").exists(), "what is erased stands in no index either"
    toy_stages.calls.clear()
