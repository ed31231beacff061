"""Against a real server: answers come back as rows that stay what they are."""

import json

import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.labels import LABEL_SCHEMA, pull, state_digest
from annotation.settings import ProjectSettings
from tests.annotation.building import answer, project_id, tasks

PROJECT = [ProjectSettings()]


@pytest.fixture
def project(client, secret) -> int:
    return project_id(sync.synchronise(client, tasks(4), PROJECT, secret))


def row(labels: pl.DataFrame, task: str) -> dict[str, object]:
    return labels.row(by_predicate=pl.col("task_digest") == task, named=True)


def test_answers_come_back_with_their_question_and_their_models(client, secret, project):
    answer(client, project, "sample-0", "a")
    answer(client, project, "sample-1", "cannot_answer", note="It is <b>private</b>.")
    answer(client, project, "sample-2", None)
    labels = pull(client, tasks(4), secret)
    assert labels.schema == pl.Schema(LABEL_SCHEMA)
    first, second, third = (row(labels, f"task-{number}") for number in range(3))
    assert (first["value"], first["status"], first["note"], first["lead_time"]) == ("a", "submitted", None, 2.5)
    assert (first["model_a"], first["model_b"], first["sample_id"]) == ("base", "finetune", "sample-0")
    assert (first["prompt_text"], first["output_a"], first["output_b"]) == ("Question 0?", "Left 0", "Right 0")
    assert (second["value"], second["note"]) == ("cannot_answer", "It is <b>private</b>.")
    assert (third["value"], third["status"]) == (None, "skipped")
    assert json.loads(str(first["raw"]))["result"][0]["value"] == {"choices": ["a"]}


def test_pulling_twice_gives_the_same_rows(client, secret, project):
    answer(client, project, "sample-0")
    answer(client, project, "sample-1", "both_bad")
    first = pull(client, tasks(4), secret)
    assert pull(client, tasks(4), secret).equals(first)
    assert pull(client, tasks(4), secret, first).equals(first)


def test_no_label_is_an_empty_table(client, secret, project):
    assert pull(client, tasks(4), secret).equals(pl.DataFrame(schema=LABEL_SCHEMA))


def test_annotators_are_pseudonyms(client, studio, secret, project):
    answer(client, project, "sample-0")
    labels = pull(client, tasks(4), secret)
    assert studio.email not in labels.write_csv()
    assert labels["annotator"].n_unique() == 1 and len(labels["annotator"][0]) == 16


def test_a_changed_mind_is_the_same_row_with_another_value(client, secret, project):
    answer_id = answer(client, project, "sample-0", "a")
    before = row(pull(client, tasks(4), secret), "task-0")
    result = [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": {"choices": ["tie"]}}]
    client.http.patch(f"/api/annotations/{answer_id}/", json={"result": result}).raise_for_status()
    after = row(pull(client, tasks(4), secret), "task-0")
    assert after["annotation_id"] == before["annotation_id"] and after["value"] == "tie"


def test_two_answers_of_one_person_to_one_task_are_two_rows(client, secret, project):
    answer(client, project, "sample-0", "a")
    answer(client, project, "sample-0", "b")
    labels = pull(client, tasks(4), secret).sort("ordinal")
    assert labels["value"].to_list() == ["a", "b"] and labels["annotation_id"].is_unique().all()


def test_a_task_that_is_no_longer_asked_keeps_its_answer_marked(client, secret, project):
    answer(client, project, "sample-3")
    known = pull(client, tasks(4), secret)
    sync.synchronise(client, tasks(2), PROJECT, secret)
    withdrawn = pull(client, tasks(2), secret, known)
    assert row(withdrawn, "task-3")["status"] == "withdrawn"
    assert pull(client, tasks(4), secret, withdrawn).equals(known)


def test_an_answer_taken_back_on_the_server_is_kept_and_marked(client, secret, project):
    answer_id = answer(client, project, "sample-0")
    known = pull(client, tasks(4), secret)
    client.http.delete(f"/api/annotations/{answer_id}/").raise_for_status()
    retracted = pull(client, tasks(4), secret, known)
    assert retracted["status"].to_list() == ["retracted"]
    assert pull(client, tasks(4), secret, retracted).equals(retracted)
    assert pull(client, tasks(1, version=" else"), secret, retracted)["status"].to_list() == ["retracted"]


@pytest.mark.parametrize("choices", [["a", "b"], ["something else"], []])
def test_an_answer_that_does_not_fit_the_configuration_is_invalid(client, secret, project, choices):
    task = api.find_tasks(client, project, "sample-0")[0]
    result = [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": {"choices": choices}}]
    client.http.post(f"/api/tasks/{task['id']}/annotations/", json={"result": result}).raise_for_status()
    label = row(pull(client, tasks(4), secret), "task-0")
    assert (label["value"], label["status"]) == (None, "invalid")


def test_another_key_knows_neither_models_nor_people(client, secret, project):
    answer(client, project, "sample-0")
    stranger = type(secret)(secret.email, secret.workspace, secret.password, secret.token, "another key")
    label, known = row(pull(client, tasks(4), stranger), "task-0"), row(pull(client, tasks(4), secret), "task-0")
    assert (label["model_a"], label["model_b"]) == (None, None)
    assert label["annotator"] != known["annotator"]


def test_the_state_changes_with_labels_and_only_then(client, secret, project):
    states = [state_digest(client, secret)]
    assert state_digest(client, secret) == states[0]
    first = answer(client, project, "sample-0", "a")
    states.append(state_digest(client, secret))
    result = [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": {"choices": ["b"]}}]
    client.http.patch(f"/api/annotations/{first}/", json={"result": result}).raise_for_status()
    states.append(state_digest(client, secret))
    skip = answer(client, project, "sample-1", None)
    states.append(state_digest(client, secret))
    client.http.delete(f"/api/annotations/{skip}/").raise_for_status()
    states.append(state_digest(client, secret))
    sync.synchronise(client, tasks(2), PROJECT, secret)
    states.append(state_digest(client, secret))
    assert len(set(states)) == len(states)
    sync.synchronise(client, tasks(2), PROJECT, secret)
    pull(client, tasks(2), secret)
    assert state_digest(client, secret) == states[-1]
