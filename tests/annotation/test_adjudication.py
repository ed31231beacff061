"""One label per task: consensus, decision, or waiting for one; no answer is lost on the way."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.adjudication import LABELS, labels_of, open_disagreements
from annotation.agreement import annotator_quality, counted
from annotation.consensus import ACCURACIES
from annotation.progress import annotation_progress
from annotation.routing import TASK_SCHEMA
from annotation.settings import ADJUDICATION, AnnotationSettings, ProjectSettings, TrustSettings
from tests.annotation.answering import answers

ANY, SPLIT, NEVER = (TrustSettings(adjudicate=rule) for rule in ("disagreement", "split", "never"))
NONE = answers()
ROWS = answers(
    ("alone", "ann", "a"),
    ("same", "ann", "b"),
    ("same", "bob", "b"),
    ("apart", "ann", "a"),
    ("apart", "bob", "b"),
    ("most", "ann", "a"),
    ("most", "bob", "b"),
    ("most", "cy", "a"),
    ("nobody", "ann", "cannot_answer"),
    ("half", "ann", "cannot_answer"),
    ("half", "bob", "tie"),
    ("skipped", "ann", None),
)

given_answers = st.lists(
    st.tuples(
        st.sampled_from([f"t{number}" for number in range(6)]),
        st.sampled_from(["ann", "bob", "cy"]),
        st.sampled_from(["a", "b", "tie", "both_bad", "cannot_answer", None]),
    ),
    max_size=30,
)


def decided(tasks: pl.DataFrame, value: str) -> pl.DataFrame:
    return answers(*((task, "dee", value) for task in tasks["task_digest"]), project=ADJUDICATION)


def how(labels: pl.DataFrame) -> dict[str, tuple[str, str | None]]:
    return {task: (told, value) for task, told, value in labels.select("task_digest", "how", "value").rows()}


def test_each_label_says_how_it_came_to_be() -> None:
    outcome = labels_of(ROWS, NONE, ANY)
    assert dict(outcome.table.schema) == LABELS and outcome.dropped == {"no answer that counts": 1}
    assert how(outcome.table) == {
        "alone": ("single", "a"),
        "same": ("consensus", "b"),
        "apart": ("disputed", None),
        "most": ("disputed", None),
        "nobody": ("unanswerable", None),
        "half": ("single", "tie"),
    }


@pytest.mark.parametrize(("rule", "open_ones"), [(ANY, {"apart?", "most?"}), (SPLIT, {"apart?"}), (NEVER, set())])
def test_what_opens_an_adjudication_is_a_setting(rule: TrustSettings, open_ones: set[str]) -> None:
    tasks = open_disagreements(ROWS, rule).table
    assert dict(tasks.schema) == TASK_SCHEMA
    assert set(tasks["prompt_text"]) == open_ones
    assert set(tasks["project"]) <= {ADJUDICATION}
    assert not set(tasks["task_digest"]) & set(ROWS["task_digest"])


def test_a_decision_wins_and_what_people_said_is_kept_beside_it() -> None:
    tasks = open_disagreements(ROWS, ANY).table
    labels = labels_of(ROWS, decided(tasks, "b"), ANY).table
    most = labels.filter(task_digest="most").row(0, named=True)
    assert (most["how"], most["value"], most["people"]) == ("adjudicated", "b", 3)
    assert most["agreed"] == pytest.approx(1 / 3)


def test_a_decision_that_nobody_waits_for_any_more_changes_nothing() -> None:
    decisions = decided(open_disagreements(ROWS, ANY).table, "b")
    agreed = pl.concat([ROWS, answers(*[("apart", "ann", "b")] * 20)])
    assert how(labels_of(agreed, decisions, ANY).table)["apart"] == ("consensus", "b")


def test_an_adjudicator_who_cannot_answer_decides_nothing() -> None:
    tasks = open_disagreements(ROWS, ANY).table
    assert how(labels_of(ROWS, decided(tasks, "cannot_answer"), ANY).table)["apart"] == ("disputed", None)


@given(given_answers, st.sampled_from([ANY, SPLIT, NEVER]))
@settings(max_examples=80)
def test_every_task_is_accounted_for(rows: list[tuple[str, str, str | None]], rule: TrustSettings) -> None:
    annotations = answers(*rows)
    outcome = labels_of(annotations, NONE, rule)
    assert outcome.table.height + sum(outcome.dropped.values()) == annotations["task_digest"].n_unique()
    waiting = outcome.table.filter(how="disputed")
    assert waiting.height == open_disagreements(annotations, rule).table.height
    assert outcome.table.filter(pl.col("how").is_in(["single", "consensus"]))["value"].null_count() == 0


def test_progress_counts_tasks_by_how_many_people_answered() -> None:
    tasks = pl.DataFrame(
        [{"task_digest": task, "project": "preference", "kind": "preference"} for task in ("same", "alone", "new")],
        schema=TASK_SCHEMA,
    )
    settings_ = AnnotationSettings(projects=(ProjectSettings(annotators=2),))
    accuracies = pl.DataFrame(schema={"project": pl.String, "criterion": pl.String, **ACCURACIES})
    quality, _ = annotator_quality(counted(ROWS), accuracies, ANY)
    there = tasks.head(2).select("task_digest")
    made = {"preferences 3f2a": pl.Series(["same"])}
    row = annotation_progress(tasks, ROWS, quality, settings_, there, made).table.row(0, named=True)
    assert (row["asked"], row["sent"], row["done"], row["begun"], row["waiting"]) == (3, 2, 1, 1, 1)
    assert (row["people"], row["skipped"], row["cannot_answer"], row["budget_left"]) == (3, 1, 2, 18)
    assert row["used_by"] == "preferences 3f2a"


def test_a_project_is_used_by_what_was_made_of_its_own_labels_and_of_decisions_on_them() -> None:
    other = answers(("written", "ann", "A text."), project="mend").with_columns(kind=pl.lit("demonstration"))
    decisions = decided(open_disagreements(ROWS, ANY).table, "b")
    settings_ = AnnotationSettings(
        projects=(ProjectSettings(), ProjectSettings("mend", "demonstration"), ProjectSettings("idle", "rating"))
    )
    accuracies = pl.DataFrame(schema={"project": pl.String, "criterion": pl.String, **ACCURACIES})
    quality, _ = annotator_quality(counted(ROWS), accuracies, ANY)
    made = {
        "preferences 3f2a": pl.Series(["apart", "skipped"]),
        "demonstrations 77aa": pl.Series(["written"]),
        "scores 1b": pl.Series(["same"]),
        "judge_agreement 9c": pl.Series([], dtype=pl.String),
    }
    given = pl.concat([ROWS, other, decisions])
    none = pl.DataFrame(schema=TASK_SCHEMA)
    table = annotation_progress(none, given, quality, settings_, none.select("task_digest"), made).table
    assert dict(table.select("project", "used_by").iter_rows()) == {
        ADJUDICATION: "preferences 3f2a",
        "idle": None,
        "mend": "demonstrations 77aa",
        "preference": "preferences 3f2a, scores 1b",
    }


@pytest.mark.parametrize(
    ("given_by", "share", "done", "begun"),
    [([2, 2, 1, 0], 1.0, 2, 1), ([2, 1, 1, 0], 0.25, 3, 0), ([1, 1, 1, 1], 0.5, 2, 2), ([2, 2, 2, 1], 0.25, 4, 0)],
)
def test_where_a_share_of_tasks_is_for_several_people_the_others_are_done_by_one(
    given_by: list[int], share: float, done: int, begun: int
) -> None:
    rows = [(f"t{task}", person, "a") for task, count in enumerate(given_by) for person in ("ann", "bob")[:count]]
    table = [
        {"task_digest": f"t{task}", "project": "preference", "kind": "preference"} for task in range(len(given_by))
    ]
    shared = AnnotationSettings(projects=(ProjectSettings(annotators=2, annotators_share=share),))
    accuracies = pl.DataFrame(schema={"project": pl.String, "criterion": pl.String, **ACCURACIES})
    quality, _ = annotator_quality(counted(answers(*rows)), accuracies, ANY)
    tasks = pl.DataFrame(table, schema=TASK_SCHEMA)
    row = annotation_progress(tasks, answers(*rows), quality, shared, tasks, {}).table.row(0, named=True)
    assert (row["done"], row["begun"], row["waiting"]) == (done, begun, given_by.count(0))
