"""What people wrote: one answer to a sample, on the sample's side of the split, and the reference of those that have none."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.demonstrations import demonstrations, with_references
from curation.release_kinds import FRAMES
from curation.releases import instructions, read_release, verify_release, write_release
from records import MESSAGES
from training.examples import read_rows

SPLITS = ("train", "test", "validation")
SAMPLES = pl.DataFrame(
    {
        "sample_id": [f"s{n}" for n in range(6)],
        "messages": [[{"role": "user", "content": f"Question {n}?"}] for n in range(6)],
        "reference": [None, None, "Known.", None, None, None],
        "slice": ["qa"] * 6,
        "openness": ["open", "open", "open", "closed", "open", "open"],
        "checker": [None, None, None, "numeric", None, None],
        "split": [SPLITS[n % 3] for n in range(6)],
    },
    schema_overrides={"messages": MESSAGES, "reference": pl.String, "checker": pl.String},
)


def labels(*rows: tuple[str, str, str | None, str | None], kind: str = "demonstration") -> pl.DataFrame:
    """Labels from (task, sample, text, draft)."""
    frame = pl.DataFrame(
        rows, schema=dict.fromkeys(("task_digest", "sample_id", "value", "output_a"), pl.String), orient="row"
    )
    model = pl.when(pl.col("output_a").is_not_null()).then(pl.lit("base"))
    return frame.with_columns(kind=pl.lit(kind), how=pl.lit("single"), model_a=model)


def test_what_was_written_stands_beside_its_prompt_and_says_whether_a_draft_was_mended() -> None:
    given_texts = labels(
        ("t0", "s0", "Mended.", "Draft."), ("t1", "s1", "As it was.\n", "As it was."), ("t2", "s4", "New.", None)
    )
    outcome = demonstrations(SAMPLES, given_texts)
    assert outcome.table.columns == list(FRAMES["demonstrations"]) and outcome.dropped == {}
    told = outcome.table.select("sample_id", "reference", "draft_model", "edited", "split").rows()
    assert told == [
        ("s0", "Mended.", "base", True, "train"),
        ("s1", "As it was.\n", "base", False, "test"),
        ("s4", "New.", None, True, "test"),
    ]
    assert outcome.table["messages"][0].to_list() == [{"role": "user", "content": "Question 0?"}]


def test_what_gives_no_text_is_in_the_books() -> None:
    given_texts = [
        ("t0", "gone", "Lost.", None),
        ("t1", "s1", None, "x"),
        ("t3", "s0", "Second.", "x"),
        ("t2", "s0", "First.", "x"),
    ]
    outcome = demonstrations(
        SAMPLES, pl.concat([labels(*given_texts), labels(("t9", "s5", "a", "x"), kind="preference")])
    )
    assert outcome.table.select("sample_id", "reference").rows() == [("s0", "First.")]
    assert outcome.dropped == {
        "another text of its sample is taken": 1,
        "nobody could answer": 1,
        "sample is gone": 1,
    }


@given(
    st.lists(
        st.tuples(st.sampled_from(["s0", "s1", "s9"]), st.sampled_from(["a", "b", None]), st.sampled_from(["a", None])),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_order_means_nothing_and_every_task_is_accounted_for(rows, shuffler) -> None:
    told = [(f"t{n}", *row) for n, row in enumerate(rows)]
    mixed = list(told)
    shuffler.shuffle(mixed)
    first, second = demonstrations(SAMPLES, labels(*told)), demonstrations(SAMPLES.reverse(), labels(*mixed))
    assert first.table.equals(second.table) and first.dropped == second.dropped
    assert first.table.height + sum(first.dropped.values()) == len(told)


def test_a_release_of_them_is_kept_whole_and_is_what_a_trainer_reads(tmp_path: Path) -> None:
    table = demonstrations(SAMPLES, labels(("t0", "s0", "Mended.", "Draft."), ("t1", "s1", "Other.", None))).table
    write_release(table, tmp_path / "one", "demonstrations", {})
    verify_release(tmp_path / "one")
    assert read_release(tmp_path / "one").equals(table)
    (row,) = read_rows(tmp_path / "one", "train")
    assert list(row.completion) == [{"role": "assistant", "content": "Mended."}]


def test_samples_without_a_reference_get_the_written_one_and_no_other_does() -> None:
    written = pl.DataFrame(
        {"sample_id": ["s0", "s1", "s2", "s3", "gone"], "reference": [f"Written {n}." for n in range(5)]}
    )
    told = with_references(SAMPLES, written)
    assert told.columns == SAMPLES.columns and told.drop("reference").equals(SAMPLES.drop("reference"))
    assert told["reference"].to_list() == ["Written 0.", "Written 1.", "Known.", None, None, None], (
        "s3 is checked, s2 has its own"
    )
    assert instructions(told).select("sample_id", "split").rows() == [
        ("s0", "train"),
        ("s1", "test"),
        ("s2", "validation"),
    ]


@pytest.mark.parametrize("nothing", [SAMPLES.head(0), SAMPLES])
def test_no_texts_change_nothing(nothing: pl.DataFrame) -> None:
    assert with_references(nothing, demonstrations(nothing, labels()).table).equals(nothing)
