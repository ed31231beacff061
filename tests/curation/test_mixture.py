"""Mixtures: no limit is passed, weights come true where they can, and what comes later changes little of what was drawn."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.mixture import MIX, MixtureSettings, mixed
from records import digest

PARTS = ("web", "notes", "books")
ROWS = st.lists(
    st.tuples(st.sampled_from(PARTS), st.integers(1, 400), st.sampled_from(["train", "train", "test"])), max_size=60
)
WEIGHTS = st.dictionaries(st.sampled_from(PARTS), st.floats(0.1, 5), max_size=3)


def take(rows: list[tuple[str, int, str]], settings: MixtureSettings) -> tuple[pl.DataFrame, pl.DataFrame]:
    names = [digest(str(at)) for at in range(len(rows))]
    frame = pl.DataFrame(
        {"sample_id": names, "split": [row[2] for row in rows]}, schema={"sample_id": pl.String, "split": pl.String}
    )
    parts = pl.Series("part", [row[0] for row in rows], pl.String)
    size = pl.Series("size", [row[1] for row in rows], pl.Int64)
    taken, mix = mixed(frame, parts, size, "sample_id", settings)
    assert mix.schema == MIX
    return taken if "copies" in taken.columns else taken.with_columns(copies=pl.lit(1)), mix


@given(ROWS)
def test_with_nothing_set_every_row_is_taken_once(rows: list[tuple[str, int, str]]) -> None:
    taken, mix = take(rows, MixtureSettings())
    assert taken.height == len(rows) and set(taken["copies"]) <= {1} and mix.is_empty()
    taken, mix = take(rows, MixtureSettings(tokens=10**9))
    assert taken.height == len(rows) and set(taken["copies"]) <= {1}
    assert mix["rows"].sum() == mix["rows_taken"].sum() == sum(row[2] == "train" for row in rows)


@given(
    ROWS,
    WEIGHTS,
    st.dictionaries(st.sampled_from(PARTS), st.integers(1, 3000)),
    st.integers(1, 4),
    st.none() | st.integers(1, 4000),
)
def test_no_limit_is_passed(
    rows: list[tuple[str, int, str]], weights: dict[str, float], budgets: dict[str, int], most: int, tokens: int | None
) -> None:
    taken, mix = take(rows, MixtureSettings("source", weights, budgets, tokens, most, 1.0))
    assert taken.filter(split="test").height == sum(row[2] == "test" for row in rows), "held-out rows are never weighed"
    assert taken["copies"].max() is None or taken["copies"].max() <= most
    for row in mix.iter_rows(named=True):
        assert row["tokens_taken"] <= min(row["tokens"] * most, budgets.get(row["part"], 10**9))
    assert tokens is None or mix["tokens_taken"].sum() <= tokens
    assert mix["rows_taken"].sum() == taken.filter(split="train")["copies"].sum() or not (weights or budgets or tokens)


@pytest.mark.parametrize("most", [1, 4])
def test_weights_are_shares_of_the_tokens(most: int) -> None:
    rows = [("web", 40, "train")] * 1000 + [("notes", 10, "train")] * 1000
    _, mix = take(rows, MixtureSettings(weights={"web": 1, "notes": 1}, max_copies=most, bytes_per_token=1.0))
    told = {row["part"]: row for row in mix.to_dicts()}
    assert told["notes"]["copies"] == most and told["web"]["copies"] == pytest.approx(most / 4)
    assert told["notes"]["share"] == pytest.approx(0.5, abs=0.01) == told["web"]["wanted_share"]


def test_a_part_of_weight_0_is_left_out_and_one_that_is_not_there_is_told() -> None:
    taken, mix = take([("web", 8, "train"), ("notes", 8, "train")], MixtureSettings(weights={"web": 0, "books": 2}))
    assert taken.height == 1
    assert mix.select("part", "rows", "rows_taken").rows() == [("books", 0, 0), ("notes", 1, 1), ("web", 1, 0)]


def test_rows_that_come_later_keep_most_of_what_was_drawn_and_another_seed_draws_others() -> None:
    rows = [("web", 10, "train")] * 400
    half = MixtureSettings(budgets={"web": 2000}, bytes_per_token=1.0)
    before, after = (set(take(rows + more, half)[0]["sample_id"]) for more in ([], [("web", 10, "train")] * 40))
    assert len(before) == len(after) == 200 and len(before & after) > 170
    other = take(rows, MixtureSettings(budgets={"web": 2000}, bytes_per_token=1.0, seed=1))[0]
    assert len(before & set(other["sample_id"])) < 130


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weights": {"a": -1}}, "weights"),
        ({"weights": {"a": 0}}, "weights"),
        ({"budgets": {"a": 0}}, "budgets"),
        ({"tokens": 0}, "tokens"),
        ({"max_copies": 0}, "max_copies"),
        ({"bytes_per_token": 0}, "bytes_per_token"),
    ],
)
def test_what_cannot_be_meant_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MixtureSettings(**wrong)  # type: ignore[arg-type]
