"""`headwater trace` of what a person answered tells all that it went into, and nothing that it did not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from annotation.adjudication import decides
from curation.releases import write_release
from pipelines.tracing import trace
from pipelines.trees import lines_of
from pipelines.workspace import Workspace
from records import digest
from tests.pipelines.commands.planted import VERSION, commit

SCORE = ("model", "prompt", "split", "metric")
ANSWER = ("annotation_id",)
LABEL = {"criterion": "preference", "how": "single", "people": 1}


def planted(root: Path) -> dict[str, Any]:
    """The label of the workspace: a preference of b, between base and tuned."""
    return Workspace(root).store.scan("annotations").collect().row(0, named=True)


def uses(root: Path, name: str) -> list[str]:
    """The lines of a trace below `to`."""
    lines = list(lines_of(trace(Workspace(root), name)))
    return lines[lines.index("to") + 1 :]


def score(model: str, metric: str, **figures: Any) -> dict[str, Any]:
    said = {"value": 0.5, "low": 0.25, "high": 0.75, "n": 2, **figures}
    said |= {"dataset_version": "0", "model_version": None}
    return {"model": model, "prompt": "none", "split": "people", "metric": metric, **said}


def plant_uses(root: Path, label: dict[str, Any], other: dict[str, Any]) -> None:
    """What the stages make of a label, and of another one on another task."""
    workspace = Workspace(root)
    both = [{**label, **LABEL}, {**other, **LABEL}]
    commit(workspace, "adjudicated_labels", both, ("task_digest", "criterion"))
    scores = [score(model, "human_win_rate") for model in ("base", "tuned", "third")]
    commit(workspace, "scores", scores, SCORE)
    rates = [
        {"judge": judge, "model_a": "base", "model_b": model, "value": 0.75, "low": None, "high": None, "n": 1}
        for judge in ("people", "strict")
        for model in ("tuned", "third")
    ]
    commit(workspace, "win_rates", rates, ("judge", "model_a", "model_b"))
    for judge, task in (("strict", label["task_digest"]), ("mild", other["task_digest"])):
        commit(workspace, f"judgements_{judge}", [{"pair": task}], ("pair",))
    agreed = [
        {"judge": judge, "sliced_by": by, "slice": by, "kappa": 0.5, "n": 4}
        for judge in ("strict", "mild")
        for by in ("all", "slice")
    ]
    commit(workspace, "judge_agreement", agreed, ("judge", "sliced_by", "slice"))
    about = {"project": label["project"], "criterion": "preference", "tasks": 3, "shared": 0, "agreement": None}
    quality = [{**about, "annotator": name} for name in ("a1", "a2")]
    commit(workspace, "annotator_quality", quality, ("project", "criterion", "annotator"))
    turn = [{"role": "assistant", "content": "So."}]
    pairs = [
        {
            "sample_id": each["sample_id"],
            "messages": turn,
            "chosen": turn,
            "rejected": turn,
            "slice": "qa",
            "split": "test",
        }
        | {"prompt": turn, "task_digest": each["task_digest"], "chosen_model": "tuned", "rejected_model": "base"}
        for each in (label, other)
    ]
    for version, rows in (("11aa", pairs[:1]), ("22bb", pairs[1:])):
        folder = workspace.releases / "preferences" / version
        folder.parent.mkdir(parents=True, exist_ok=True)
        write_release(pl.DataFrame(rows), folder, "preferences", {}, version)


def test_a_preference_leads_to_its_label_scores_release_judges_and_the_annotator_s_figures(adapted: Path) -> None:
    label = planted(adapted)
    other = {**label, "annotation_id": digest("other"), "task_digest": digest("other task"), "annotator": "a2"}
    commit(Workspace(adapted), "annotations", [label, other], ANSWER)
    plant_uses(adapted, label, other)
    assert uses(adapted, label["annotation_id"]) == [
        "label preference  b · single, of 1 person",
        "win rate among people tuned against base  0.75 (n 1)",
        "agreement of judge strict  kappa 0.5, n 4",
        "preferences 11aa  test",
        "score base/human_win_rate/people/none  0.5 (0.25 to 0.75, n 2)",
        "score tuned/human_win_rate/people/none  0.5 (0.25 to 0.75, n 2)",
        "annotator a1  answers, preference · 3 tasks, 0 shared, agreement none",
    ]


def test_a_rating_leads_to_the_scores_of_its_criteria_and_a_figure_of_one_sample_has_no_interval(adapted: Path) -> None:
    rated = {
        **planted(adapted),
        "kind": "rating",
        "value": '{"brief": 2, "correct": 4}',
        "model_b": None,
        "output_b": None,
    }
    commit(Workspace(adapted), "annotations", [rated], ANSWER)
    alone = {"low": None, "high": None, "n": 1}
    scores = [score("base", f"human_rating {name}", value=4.0, **alone) for name in ("correct", "brief", "kind")]
    commit(Workspace(adapted), "scores", [*scores, score("tuned", "human_rating correct")], SCORE)
    assert uses(adapted, rated["annotation_id"]) == [
        "score base/human_rating brief/people/none  4 (n 1)",
        "score base/human_rating correct/people/none  4 (n 1)",
    ]
    assert "score base/human_rating correct/people/none  4 (n 1)" in lines_of(
        trace(Workspace(adapted), "base/human_rating correct")
    )
    people_s = list(lines_of(trace(Workspace(adapted), "tuned/human_rating correct")))
    assert f"model tuned  {VERSION}" in people_s, "people compare a model by its name"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "skipped", "value": None}, "counts nowhere: skipped"),
        ({"status": "retracted"}, "counts nowhere: retracted"),
        ({}, "counts nowhere: the same person answered the task again"),
    ],
)
def test_an_answer_that_counts_nowhere_says_why(adapted: Path, change: dict[str, Any], said: str) -> None:
    label = {**planted(adapted), **change}
    again = {**planted(adapted), "annotation_id": digest("again"), "ordinal": 1}
    commit(Workspace(adapted), "annotations", [label] if change else [label, again], ANSWER)
    plant_uses(adapted, again, {**again, "task_digest": digest("x")})
    assert uses(adapted, label["annotation_id"]) == [said]
    if not change:
        assert any("score tuned/human_win_rate" in line for line in uses(adapted, again["annotation_id"]))


def test_a_decision_leads_to_the_label_of_the_task_that_people_disagreed_on(adapted: Path) -> None:
    label = planted(adapted)
    (task,) = decides([label["task_digest"]]) - {label["task_digest"]}
    decision = {**label, "annotation_id": digest("decision"), "task_digest": task, "project": "disagreements"}
    commit(Workspace(adapted), "adjudications", [decision], ANSWER)
    plant_uses(adapted, label, {**label, "task_digest": digest("x")})
    found = uses(adapted, decision["annotation_id"])
    assert {"label preference  b · single, of 1 person", "preferences 11aa  test"} <= {*found}
    assert not any("human_win_rate" in line for line in found), "win rates are of those who were asked first"


def test_of_several_texts_only_the_drawn_one_is_in_a_release(adapted: Path) -> None:
    label = {**planted(adapted), "kind": "demonstration", "value": "Mine.", "output_b": None, "model_b": None}
    other = {**label, "annotation_id": digest("other"), "annotator": "a2", "value": "Theirs."}
    commit(Workspace(adapted), "annotations", [label, other], ANSWER)
    drawn = {**other, "criterion": "demonstration", "how": "written", "people": 2}
    commit(Workspace(adapted), "adjudicated_labels", [drawn], ("task_digest", "criterion"))
    turn = [{"role": "assistant", "content": "Theirs."}]
    row = {"sample_id": label["sample_id"], "messages": turn, "reference": "Theirs.", "slice": "qa", "split": "train"}
    row |= {"task_digest": label["task_digest"], "draft_model": None, "edited": True}
    folder = Workspace(adapted).releases / "demonstrations" / "33cc"
    folder.parent.mkdir(parents=True)
    write_release(
        pl.DataFrame([row], schema_overrides={"draft_model": pl.String}), folder, "demonstrations", {}, "33cc"
    )
    told = "label demonstration  Theirs. · written, of 2 people"
    assert uses(adapted, other["annotation_id"]) == [told, "demonstrations 33cc  train"]
    assert uses(adapted, label["annotation_id"]) == [told]
