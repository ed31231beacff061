"""Preferences: who won becomes chosen, and what decides nothing is counted."""

from __future__ import annotations

import polars as pl
import pytest

from curation.preferences import preferences
from curation.releases import PREFERENCES
from records import MESSAGES

SAMPLES = pl.DataFrame(
    {
        "sample_id": ["s1", "s2"],
        "messages": [[{"role": "user", "content": "one?"}], [{"role": "user", "content": "two?"}]],
        "slice": ["undocumented"] * 2,
        "split": ["train", "test"],
    },
    schema_overrides={"messages": MESSAGES},
)


def labels(*rows: tuple[str, str | None], **others: list[object]) -> pl.DataFrame:
    """Labels from (task, value), each of one person."""
    columns = {
        "task_digest": [task for task, _ in rows],
        "sample_id": ["s" + task[1] for task, _ in rows],
        "kind": ["preference"] * len(rows),
        "value": pl.Series([value for _, value in rows], dtype=pl.String),
        "how": ["single"] * len(rows),
        "output_a": [f"left of {task}" for task, _ in rows],
        "output_b": [f"right of {task}" for task, _ in rows],
        "model_a": ["base"] * len(rows),
        "model_b": ["tuned"] * len(rows),
    }
    return pl.DataFrame({**columns, **others})


def test_the_preferred_output_is_chosen() -> None:
    outcome = preferences(SAMPLES, labels(("t1", "a"), ("t2", "b")))
    assert outcome.table.columns == list(PREFERENCES)
    first, second = outcome.table.to_dicts()
    assert first["prompt"] == [{"role": "user", "content": "one?"}]
    assert first["chosen"] == [{"role": "assistant", "content": "left of t1"}]
    assert first["rejected"] == [{"role": "assistant", "content": "right of t1"}]
    assert (first["chosen_model"], first["rejected_model"], first["split"]) == ("base", "tuned", "train")
    assert second["chosen"] == [{"role": "assistant", "content": "right of t2"}]
    assert (second["chosen_model"], second["rejected_model"], second["split"]) == ("tuned", "base", "test")
    assert outcome.dropped == {}


@pytest.mark.parametrize("value", ["tie", "both_bad", None])
def test_what_is_no_preference_is_counted_not_released(value: str | None) -> None:
    outcome = preferences(SAMPLES, labels(("t1", value), ("t2", "a")))
    assert outcome.table["sample_id"].to_list() == ["s2"]
    assert outcome.dropped == {"no preference": 1}


def test_a_disagreement_waits_until_somebody_decides() -> None:
    outcome = preferences(SAMPLES, labels(("t1", None), ("t2", "b"), how=["disputed", "adjudicated"]))
    assert outcome.table.select("sample_id", "chosen_model").rows() == [("s2", "tuned")]
    assert outcome.dropped == {"waits for adjudication": 1}


def test_what_can_teach_nothing_is_in_the_books() -> None:
    frame = labels(("t1", "a"), ("t2", "a"), ("t3", "a"), ("t2b", "a"))
    equal = pl.when(task_digest="t2b").then(pl.lit("left of t2b")).otherwise("output_b")
    outcome = preferences(SAMPLES, frame.with_columns(output_b=equal))
    assert outcome.table["task_digest"].to_list() == ["t1", "t2"]
    assert outcome.dropped == {"equal outputs": 1, "sample is gone": 1}


def test_other_kinds_of_annotation_are_none_of_its_business() -> None:
    outcome = preferences(SAMPLES, labels(("t1", "a"), kind=["rating"]))
    assert (outcome.table.height, outcome.dropped) == (0, {})
