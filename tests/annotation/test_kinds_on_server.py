"""Against a real server: every kind of question is asked, answered, agreed or fought over, and becomes a label."""

import json

import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.adjudication import adjudication_projects, consensus_by_project, labels_of, open_disagreements
from annotation.agreement import annotator_quality, counted, judgements
from annotation.labels import private_samples, pull
from annotation.settings import ProjectSettings, TrustSettings
from tests.annotation.building import project_id, tasks

TRUST = TrustSettings()
KINDS = ("preference", "rating", "demonstration")
PROJECTS = [ProjectSettings(name=kind, kind=kind) for kind in KINDS]


@pytest.fixture(scope="module")
def asked() -> pl.DataFrame:
    parts = [tasks(2, project=kind, kind=kind, version=f" {kind}") for kind in KINDS]
    known = tasks(1, version=" gold").with_columns(gold=pl.lit('{"preference": ["b"]}'))
    return pl.concat([*parts, known])


def given(client, project: int, task: str, **controls: str | list[str]) -> None:
    """An answer: a choice of each control, or the text of one that takes text."""
    found = next(each for each in api.tasks(client, project) if each["data"]["task_digest"] == task)
    result = []
    for name, said in controls.items():
        kind, value = ("textarea", {"text": said}) if isinstance(said, list) else ("choices", {"choices": [said]})
        result.append({"from_name": name, "to_name": "prompt", "type": kind, "value": value})
    body = {"result": result, "was_cancelled": False, "lead_time": 4.0}
    client.http.post(f"/api/tasks/{found['id']}/annotations/", json=body).raise_for_status()


def test_each_kind_comes_back_as_a_label(client, secret, asked):
    report = sync.synchronise(client, asked, PROJECTS, secret)
    assert report.imported == 7
    at = {kind: project_id(report, kind) for kind in KINDS}
    given(client, at["preference"], "task-0 preference", preference="b_slightly")
    given(client, at["preference"], "task-0 gold", preference="b_clearly")
    given(client, at["rating"], "task-0 rating", rated_correct="4", rated_helpful="2")
    given(client, at["rating"], "task-1 rating", cannot="cannot_answer", why="private", note=["A name."])
    given(client, at["demonstration"], "task-0 demonstration", answer=["Mended.\nTwice."])
    labels = pull(client, asked, secret)
    told = {row["task_digest"]: row for row in labels.to_dicts()}
    assert (told["task-0 preference"]["value"], told["task-0 preference"]["strength"]) == ("b", "slightly")
    assert json.loads(told["task-0 rating"]["value"]) == {"correct": 4, "helpful": 2}
    assert told["task-0 demonstration"]["value"] == "Mended.\nTwice."
    private = told["task-1 rating"]
    assert (private["value"], private["why"], private["note"]) == ("cannot_answer", "private", "A name.")
    assert private_samples(labels) == ["sample-1"]
    assert set(labels["kind"]) == set(KINDS)
    assert pull(client, asked, secret, labels).equals(labels)

    table = labels_of(labels, labels.clear(), TRUST).table
    assert dict(table.select(pl.concat_str("task_digest", "criterion", separator=": "), "value").iter_rows()) == {
        "task-0 demonstration: demonstration": "Mended.\nTwice.",
        "task-0 preference: preference": "b",
        "task-0 rating: correct": "4",
        "task-0 rating: helpful": "2",
        "task-1 rating: rating": None,
    }
    answers = counted(labels)
    quality, _ = annotator_quality(answers, consensus_by_project(judgements(answers))[1], TRUST)
    people = quality.filter(pl.col("annotator") != "everyone")
    figures = {row["criterion"]: row for row in people.to_dicts()}
    assert set(figures) == {"preference", "correct", "helpful", "demonstration"}
    assert (figures["preference"]["gold"], figures["preference"]["gold_right"]) == (1, 1.0)
    assert (figures["correct"]["tasks"], figures["correct"]["cannot_answer"]) == (2, 1)

    api.delete_project(client, at["rating"])
    again = sync.synchronise(client, asked, PROJECTS, secret, labels)
    assert again.imported == 2 and pull(client, asked, secret, labels).equals(labels)


def test_what_is_sent_tells_no_model_and_no_known_answer(client, secret, asked):
    secretive = asked.with_columns(
        model_a=pl.when(pl.col("model_a").is_not_null()).then(pl.lit("the-base")),
        model_b=pl.when(pl.col("model_b").is_not_null()).then(pl.lit("x")),
    ).with_columns(pl.when(pl.col("gold").is_null()).then(pl.col(name)).alias(name) for name in ("model_a", "model_b"))
    report = sync.synchronise(client, secretive, PROJECTS, secret)
    found = list(api.tasks(client, project_id(report)))
    assert len({len(task["data"]["sealed"]) for task in found}) == 1, "the length of what is sealed tells nothing"
    assert len({tuple(sorted(task["data"])) for task in found}) == 1
    assert all("the-base" not in str(task) and '["b"]' not in str(task["data"]) for task in found)


def test_a_draft_is_there_to_be_mended(client, secret, asked):
    report = sync.synchronise(client, asked, PROJECTS, secret)
    task = next(iter(api.tasks(client, project_id(report, "demonstration"))))
    found = client.http.get("/api/predictions/", params={"task": task["id"]}).json()
    assert [each["result"][0]["value"]["text"] for each in found] == [[task["data"]["output_a"]]]
    assert found[0]["model_version"] == "draft", "a model's name would be seen"


def test_ratings_two_levels_apart_are_decided_in_a_project_with_the_same_rubric(client, secret, asked):
    report = sync.synchronise(client, asked, PROJECTS, secret)
    given(client, project_id(report, "rating"), "task-0 rating", rated_correct="1", rated_helpful="3")
    given(client, project_id(report, "rating"), "task-1 rating", rated_correct="4", rated_helpful="3")
    first = pull(client, asked, secret)
    levels = pl.col("value").str.replace('"correct": 1', '"correct": 4').str.replace('"helpful": 3', '"helpful": 2')
    other = first.with_columns(
        annotator=pl.lit("somebody else"), value=levels, annotation_id=pl.col("annotation_id") + "x"
    )
    both = pl.concat([first, other])
    opened = open_disagreements(both, TRUST, PROJECTS).table
    assert opened.select("project", "sample_id").rows() == [("adjudication_rating", "sample-0")]
    projects = [project for project in adjudication_projects(PROJECTS) if project.name == "adjudication_rating"]
    place = project_id(sync.synchronise(client, opened, projects, secret, adjudication=True), "adjudication_rating")
    given(client, place, opened["task_digest"][0], rated_correct="2", rated_helpful="3")
    decisions = pull(client, opened, secret, adjudication=True)
    table = labels_of(both, decisions, TRUST).table.filter(kind="rating")
    assert table.select("task_digest", "criterion", "how").rows() == [
        ("task-0 rating", "correct", "adjudicated"),
        ("task-0 rating", "helpful", "consensus"),
        ("task-1 rating", "correct", "consensus"),
        ("task-1 rating", "helpful", "consensus"),
    ]
    assert table["value"][0] == "2"
