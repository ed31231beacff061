"""The end of a run on a screen of eighty columns: nothing that counts is cut."""

from __future__ import annotations

import io

import polars as pl
import pytest
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from pipelines.commands.console import Lines
from pipelines.commits import Books, Commit
from pipelines.summary import _print_without_samples, comparisons_table, scores_table, top_reasons

METRICS = ["bits_per_byte", "exact_match", "chrf"]


def on_screen(table: object, width: int = 80) -> str:
    screen = io.StringIO()
    Console(file=screen, width=width).print(table)
    return screen.getvalue()


def scores(split: list[str]) -> pl.DataFrame:
    row = {"model": "finetune", "prompt": "none", "value": 0.51, "low": 0.402, "high": 0.633, "n": 400}
    rows = [{**row, "metric": metric, "split": each} for metric in METRICS for each in split]
    return pl.DataFrame(rows).with_columns(contaminated=pl.lit(0), in_corpus=pl.lit(9))


def test_scores_and_comparisons_fit_into_eighty_columns() -> None:
    said = on_screen(scores_table(scores(["test"])))
    assert all(any(line.startswith(metric) for line in said.splitlines()) for metric in METRICS)
    assert said.startswith("scores on the test split") and "0.402 – 0.633" in said and "…" not in said
    rows = pl.DataFrame({"metric": METRICS, "model_a": "base", "model_b": "finetune", "difference": -0.323})
    rows = rows.with_columns(low=pl.lit(-0.341), high=pl.lit(-0.304), p_adjusted=pl.lit(0.0005), n=pl.lit(400))
    said = on_screen(comparisons_table(rows))
    assert "bits_per_byte" in said and "finetune − base" in said and "…" not in said


def test_several_splits_are_told_apart() -> None:
    assert {"test", "harness"} <= set(on_screen(scores_table(scores(["test", "harness"])), 100).split())


def test_a_task_s_name_is_shown_and_not_obeyed() -> None:
    evil = scores(["harness"]).with_columns(metric=pl.lit("\x1b]0;renamed\x07 acc"))
    said = on_screen(scores_table(evil), 120)
    assert "␛]0;renamed" in said and "\x1b" not in said


def test_a_reason_is_told_once_by_the_stage_that_decided() -> None:
    def head(table: str, dropped: dict[str, int]) -> Commit:
        books = Books("documents", 9, 9 - sum(dropped.values()), dropped)
        return Commit(table, "", "", {}, {}, "1", "", "", 0, "", 0, 0, books=books)

    heads = [head("verdicts", {"duplicate": 2}), head("corpus", {"dropped by verdict": 2})]
    assert top_reasons({each.table: each for each in heads}) == [("verdicts: duplicate", 2)]


def test_contents_in_which_a_recipe_finds_nothing_are_told() -> None:
    def said(without: int) -> str:
        made = {
            name: Commit(name, "", "", {}, {}, "1", "", "", 9, "", 0, 0, notes={"contents without samples": without})
            for name in ("samples", "corpus")
        }
        screen = io.StringIO()
        _print_without_samples(Console(file=screen, width=200), made)
        return screen.getvalue()

    assert "4 of 9 contents hold no sample of this task" in said(4) and said(0) == ""


@pytest.mark.parametrize("width", [40, 120])
def test_a_tree_in_a_file_has_its_lines_whole_and_on_a_screen_loses_nothing(width: int) -> None:
    words = [f"word{number}" for number in range(60)]
    tree = Tree(Text("root"))
    tree.add(Text(" ".join(words)))
    for is_terminal in (False, True):
        screen = io.StringIO()
        Lines(file=screen, width=width, force_terminal=is_terminal).print(tree)
        assert (" ".join(words) in screen.getvalue()) is not is_terminal
        assert [word for word in words if word not in screen.getvalue()] == []
