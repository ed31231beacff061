"""What a fold is told of the tables that it follows is what differs between two of their versions."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from pipelines.stages import Changes, Output, Tracked, fold
from pipelines.store import Books, Change
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


def test_a_fold_that_follows_is_told_what_moved_and_nothing_else(tmp_path: Path) -> None:
    house = House(tmp_path, [*toy_stages.STAGES[:2], texts])
    assert folded(house, a="1", b="2", c="3") == (["1", "2", "3"], [])
    assert folded(house, a="1", b="2", c="3", d="4") == (["4"], [])
    assert folded(house, a="1", c="5", d="4") == (["5"], ["('b', 0)", "('c', 0)"])
    assert folded(house, a="1", c="5", d="4") == ([], [])
    for i in range(30):  # past a compaction of the files
        assert folded(house, a="1", c="5", d=f"{i}x") == ([f"{i}x"], ["('d', 0)"])
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
