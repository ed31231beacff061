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


def answers(*rows: tuple[str, str, str | None], **others: list[object]) -> pl.DataFrame:
    """Answers from (task, annotator, value), submitted one after the other."""
    columns = {
        "task_digest": [task for task, _, _ in rows],
        "sample_id": ["s" + task[1] for task, _, _ in rows],
        "annotator": [annotator for _, annotator, _ in rows],
        "ordinal": list(range(len(rows))),
        "kind": ["preference"] * len(rows),
        "value": pl.Series([value for _, _, value in rows], dtype=pl.String),
        "status": ["submitted"] * len(rows),
        "output_a": [f"left of {task}" for task, _, _ in rows],
        "output_b": [f"right of {task}" for task, _, _ in rows],
        "model_a": ["base"] * len(rows),
        "model_b": ["tuned"] * len(rows),
    }
    return pl.DataFrame({**columns, **others})


def test_the_preferred_output_is_chosen() -> None:
    outcome = preferences(SAMPLES, answers(("t1", "ann", "a"), ("t2", "ann", "b")))
    assert outcome.table.columns == list(PREFERENCES)
    first, second = outcome.table.to_dicts()
    assert first["prompt"] == [{"role": "user", "content": "one?"}]
    assert first["chosen"] == [{"role": "assistant", "content": "left of t1"}]
    assert first["rejected"] == [{"role": "assistant", "content": "right of t1"}]
    assert (first["chosen_model"], first["rejected_model"], first["split"]) == ("base", "tuned", "train")
    assert second["chosen"] == [{"role": "assistant", "content": "right of t2"}]
    assert (second["chosen_model"], second["rejected_model"], second["split"]) == ("tuned", "base", "test")
    assert outcome.dropped == {}


@pytest.mark.parametrize("value", ["tie", "both_bad", "cannot_answer"])
def test_what_is_no_preference_is_counted_not_released(value: str) -> None:
    outcome = preferences(SAMPLES, answers(("t1", "ann", value), ("t2", "ann", "a")))
    assert outcome.table["sample_id"].to_list() == ["s2"]
    assert outcome.dropped == {"no preference": 1}


def test_the_majority_decides_and_a_draw_does_not() -> None:
    rows = [("t1", "ann", "a"), ("t1", "bob", "b"), ("t2", "ann", "a"), ("t2", "bob", "tie"), ("t2", "cem", "b")]
    outcome = preferences(SAMPLES, answers(*rows, ("t2", "dan", "b")))
    assert outcome.table.select("sample_id", "chosen_model").rows() == [("s2", "tuned")]
    assert outcome.dropped == {"annotators disagree": 1}


def test_an_annotators_last_answer_counts() -> None:
    outcome = preferences(SAMPLES, answers(("t1", "ann", "a"), ("t1", "ann", "b")).reverse())
    assert outcome.table["chosen_model"].to_list() == ["tuned"]


def test_answers_that_do_not_count() -> None:
    rows = [("t1", "ann", None), ("t1b", "ann", "a"), ("t2", "ann", "a"), ("t3", "ann", "a"), ("t2b", "ann", "a")]
    frame = answers(*rows, status=["skipped", "retracted", "withdrawn", "submitted", "submitted"])
    equal = pl.when(task_digest="t2b").then(pl.lit("left of t2b")).otherwise("output_b")
    outcome = preferences(SAMPLES, frame.with_columns(output_b=equal))
    assert outcome.table["task_digest"].to_list() == ["t2"]
    assert outcome.dropped == {"no answer that counts": 2, "equal outputs": 1, "sample is gone": 1}


def test_other_kinds_of_annotation_are_none_of_its_business() -> None:
    outcome = preferences(SAMPLES, answers(("t1", "ann", "a"), kind=["rating"]))
    assert (outcome.table.height, outcome.dropped) == (0, {})
