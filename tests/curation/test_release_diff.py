"""Two releases compared: what differs makes one of the other, and each reason is what the tables of the time say."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.release_diff import DIFFERENCES, UNKNOWN, as_samples, differences, summary, with_reasons
from curation.releases import INSTRUCTIONS, PREFERENCES, PRETRAINING
from records import MESSAGES, digest

KEYS = ("sample_id",)
FULL = {"messages": MESSAGES}
TEXT = pl.String()


def release(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    """Instructions of sample_id, reference and split."""
    turns = [{"role": "user", "content": "ask"}]
    told = [(name, turns, answer, "part", "open", split) for name, answer, split in rows]
    return pl.DataFrame(told, schema={name: FULL.get(name, TEXT) for name in INSTRUCTIONS}, orient="row")


ROWS = st.dictionaries(
    st.sampled_from("abcdefgh"), st.tuples(st.sampled_from(["yes", "no"]), st.sampled_from(["train", "test"]))
)


@given(ROWS, ROWS)
def test_what_differs_makes_the_one_of_the_other(
    before: dict[str, tuple[str, str]], after: dict[str, tuple[str, str]]
) -> None:
    pair = [release([(name, *row) for name, row in sorted(each.items())]) for each in (before, after)]
    rows = with_reasons(differences(*pair, KEYS), {}, {})
    assert rows.schema == DIFFERENCES
    made = dict(before)
    for row in rows.iter_rows(named=True):
        name, change = row["sample_id"], row["change"]
        if change == "removed":
            assert made.pop(name)[1] == row["split_before"] and row["split_after"] is None
        else:
            assert (name in made) == (change == "changed") and row["split_after"] == after[name][1]
            assert row["split_before"] == (before[name][1] if name in before else None)
            assert change == "added" or made[name] != after[name]
            made[name] = after[name]
        said = row["reason"]
        if change == "changed":
            moved = before[name][1] != after[name][1]
            assert ("answer changed" in said) == (before[name][0] != after[name][0])
            assert (f"split moved: {before[name][1]} → {after[name][1]}" in said) == moved
        else:
            assert said == UNKNOWN
    assert made == after
    assert summary(rows)["rows"].sum() == rows.height


def test_answers_that_people_prefer_are_compared_turn_by_turn() -> None:
    def pairs(chosen: str) -> pl.DataFrame:
        turns = [[{"role": "assistant", "content": said}] for said in ("ask", chosen, "worse")]
        row = ("s", *turns, "part", "t", "one", "two", "train")
        nested = ("prompt", "chosen", "rejected")
        return pl.DataFrame(
            [row], schema={name: MESSAGES if name in nested else TEXT for name in PREFERENCES}, orient="row"
        )

    keys = ("sample_id", "task_digest")
    assert differences(pairs("good"), pairs("good"), keys).is_empty()
    (row,) = with_reasons(differences(pairs("good"), pairs("better"), keys), {}, {}).to_dicts()
    assert (row["task_digest"], row["change"], row["reason"]) == ("t", "changed", "chosen changed")


def tables(
    samples: list[tuple[str, str, str | None]],
    documents: list[tuple[str, str]],
    verdicts: list[tuple[str, str, str | None, str | None]] = (),  # type: ignore[assignment]
    failures: list[tuple[str, str]] = (),  # type: ignore[assignment]
) -> dict[str, pl.DataFrame]:
    """Samples (id, document, reference), documents (id, content), verdicts, and places that failed."""
    text = pl.String()
    return {
        "samples": pl.DataFrame(
            [(name, of, "web", f"{of}.txt", answer) for name, of, answer in samples],
            schema=dict.fromkeys(("sample_id", "doc_id", "source", "locator", "reference"), text),
            orient="row",
        ),
        "documents": pl.DataFrame(documents, schema={"doc_id": text, "content_digest": text}, orient="row"),
        "verdicts": pl.DataFrame(
            list(verdicts), schema=dict.fromkeys(("doc_id", "verdict", "rule", "detail"), text), orient="row"
        ),
        "failures": pl.DataFrame(
            [("web", f"{name}.txt", error) for name, error in failures],
            schema=dict.fromkeys(("source", "locator", "error"), text),
            orient="row",
        ),
    }


HERE = tables([("s", "d", "yes")], [("d", "content")], [("d", "kept", None, None)])
OTHER = {
    "no reference": (tables([("s", "d", None)], [("d", "content")]), "it has no reference any more", "it has a reference now"),
    "answers": (
        tables([("s", "d", "yes")], [("d", "content")]), "people no longer prefer one answer", "people prefer one answer"
    ),
    "absent": (tables([], []), "its document went", "its document came"),
    "unreadable": (
        tables([], [], failures=[("d", "malformed PDF")]), "its document could not be read any more", "its document can be read now"
    ),
    "taken back": (
        tables([], [], failures=[("d", "taken back")]), "its document was taken back", "its document is allowed again"
    ),
    "other text": (
        tables([], [("d", "other")], [("d", "kept", None, None)]), "its document changed", "its document changed"
    ),
    "duplicate": (
        tables([], [("d", "content")], [("d", "dropped", "duplicate", "near copy")]),
        "its document is a copy of one that is kept", "its document is a copy no more",
    ),
    "rule": (
        tables([], [("d", "content")], [("d", "dropped", "c4.min_sentences", "clean_sentences 3 < 5")]),
        "dropped by c4.min_sentences", "no longer dropped by c4.min_sentences",
    ),
    "unmeasured": (
        tables([], [("d", "content")], [("d", "failed", None, "poison")]),
        "its document could not be measured", "its document can be measured now",
    ),
    "not found": (
        tables([], [("d", "content")], [("d", "kept", None, None)]), "the task finds it no more", "the task finds it now"
    ),
    "moved and copied": (
        tables([], [("x", "content"), ("y", "content")], [("x", "dropped", "duplicate", "c"), ("y", "kept", None, None)]),
        "the task finds it no more", "the task finds it now",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHER)
def test_why_a_row_left_and_why_it_came(case: str) -> None:
    other, left, came = OTHER[case]
    one, none = release([("s", "yes", "train")]), release([])
    kind = "preferences" if case == "answers" else "instructions"
    (gone,) = with_reasons(differences(one, none, KEYS), HERE, other, kind).to_dicts()
    (new,) = with_reasons(differences(none, one, KEYS), other, HERE, kind).to_dicts()
    assert (gone["reason"], new["reason"]) == (left, came)
    assert (gone["source"], gone["locator"]) == (new["source"], new["locator"]) == ("web", "d.txt")
    if case == "rule":
        assert gone["detail"] == "clean_sentences 3 < 5"


@pytest.mark.parametrize(
    ("kind", "left", "came"),
    [
        ("instructions", "the mixture leaves it out", "the mixture takes it"),
        ("evaluation", "it is training data now", "it is held out now"),
    ],
)
def test_a_sample_that_is_there_and_not_released_has_its_reason_by_kind(kind: str, left: str, came: str) -> None:
    one, none = release([("s", "yes", "train")]), release([])
    (gone,) = with_reasons(differences(one, none, KEYS), HERE, HERE, kind).to_dicts()
    (new,) = with_reasons(differences(none, one, KEYS), HERE, HERE, kind).to_dicts()
    assert (gone["reason"], new["reason"]) == (left, came)


def test_rows_that_are_taken_more_often_changed() -> None:
    once, twice = (
        release([("s", "yes", "train")]),
        release([("s", "yes", "train")]).with_columns(copies=pl.lit(2, pl.Int64)),
    )
    (row,) = with_reasons(differences(once, twice, KEYS), {}, {}).to_dicts()
    assert (row["change"], row["reason"]) == ("changed", "copies changed")
    assert differences(twice, twice, KEYS).is_empty()


def test_contents_are_followed_as_samples_are() -> None:
    def contents(*names: str) -> pl.DataFrame:
        told = [(name, f"text of {name}", "text/plain", "train") for name in names]
        return pl.DataFrame(told, schema=dict.fromkeys(PRETRAINING, TEXT), orient="row")

    corpus = {"content_digest": ["content"], "doc_id": ["d"], "source": ["web"], "locator": ["d.txt"]}
    before = {**HERE, "corpus": pl.DataFrame(corpus)}
    after = {
        **HERE,
        "corpus": pl.DataFrame(corpus).head(0),
        "verdicts": HERE["verdicts"].with_columns(verdict=pl.lit("dropped"), rule=pl.lit("c4.min_sentences")),
    }
    found = differences(contents("content"), contents(), ("content_digest",))
    (row,) = with_reasons(*as_samples(found, before, after), "pretraining").to_dicts()
    assert (row["sample_id"], row["reason"], row["locator"]) == ("content", "dropped by c4.min_sentences", "d.txt")


def test_many_rows_of_one_document_are_each_told_once() -> None:
    names = [digest(str(at)) for at in range(20)]
    here = tables([(name, "d", "yes") for name in names], [("d", "content"), ("e", "content")])
    other = tables(
        [], [("d", "content"), ("e", "content")], [("d", "dropped", "empty", ""), ("e", "dropped", "empty", "")]
    )
    told = with_reasons(differences(release([(name, "a", "test") for name in names]), release([]), KEYS), here, other)
    assert told["sample_id"].to_list() == sorted(names) and set(told["reason"]) == {"dropped by empty"}


def test_a_sample_that_holds_a_held_out_one_is_told_apart_from_one_that_nobody_answered() -> None:
    before, after = release([("holds", "yes", "train"), ("other", "yes", "train")]), release([])
    columns = ("sample_id", "doc_id", "source", "locator", "reference")
    said = [("holds", "d", "s", "a.txt", "yes"), ("other", "d", "s", "a.txt", None)]
    tables = {
        "samples": pl.DataFrame(said, schema=dict.fromkeys(columns, TEXT), orient="row"),
        "documents": pl.DataFrame({"doc_id": ["d"], "content_digest": ["c"]}),
        "verdicts": pl.DataFrame(
            {"doc_id": ["d"], "verdict": ["kept"], "rule": [None], "detail": [None]},
            schema_overrides={"rule": TEXT, "detail": TEXT},
        ),
    }
    later = {**tables, "sample_overlaps": pl.DataFrame({"sample_id": ["holds", "holds"]})}
    told = with_reasons(differences(before, after, KEYS), tables, later)
    assert dict(told.select("sample_id", "reason").iter_rows()) == {
        "holds": "it holds a held-out sample",
        "other": "it has no reference any more",
    }
