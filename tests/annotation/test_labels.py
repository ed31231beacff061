"""Against a real server: answers come back as rows that stay what they are."""

import json
import random
import time

import polars as pl
import pytest

from annotation import client as api
from annotation import labels as labels_module
from annotation import sync
from annotation.blinding import pseudonym
from annotation.labels import LABEL_SCHEMA, pull, pull_changes, state_digest
from annotation.projects import config_digest
from annotation.settings import ProjectSettings
from tests.annotation.building import answer, begin, chosen, find_tasks, project_id, tasks

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
    assert first["config_digest"] == config_digest(PROJECT[0])


def test_pulling_twice_gives_the_same_rows(client, secret, project):
    answer(client, project, "sample-0")
    answer(client, project, "sample-1", "both_bad")
    first = pull(client, tasks(4), secret)
    assert pull(client, tasks(4), secret).equals(first)
    assert pull(client, tasks(4), secret, first).equals(first)


def test_no_label_is_an_empty_table_and_a_draft_is_none(client, secret, project):
    begin(client, project, "sample-0")
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


def test_who_writes_over_the_answer_of_another_speaks_for_himself_alone(client, studio, secret, project):
    """An annotator opens a row to change his mind, sees the newest answer, which is another's, and updates that."""
    email, _ = api.add_annotator(client, "bob-over@example.org")
    bob = next(number for number, known in api.users(client).items() if known == email)
    answer(client, project, "sample-0", "a")
    task = find_tasks(client, project, "sample-0")[0]
    of_bob = client.http.post(
        f"/api/tasks/{task['id']}/annotations/", json={"result": chosen("tie"), "completed_by": bob}
    ).json()["id"]
    mine, his = (pseudonym(secret.key, address) for address in (studio.email, email))
    known = pull(client, tasks(4), secret)
    assert set(known.select("annotator", "value").rows()) == {(mine, "a"), (his, "tie")}
    time.sleep(1.1)
    client.http.patch(f"/api/annotations/{of_bob}/", json={"result": chosen("b")}).raise_for_status()
    labels = pull(client, tasks(4), secret, known).select("annotator", "ordinal", "value", "status")
    told = {(mine, 0, "a", "submitted"), (mine, 1, "b", "submitted"), (his, 0, "tie", "retracted")}
    assert set(labels.rows()) == told
    assert set(pull(client, tasks(4), secret).select("annotator", "value").rows()) == {(mine, "a"), (mine, "b")}


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
    task = find_tasks(client, project, "sample-0")[0]
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


def act(draw: random.Random, client: api.Client, project: int) -> None:
    """What a person may do: answer, skip, answer again, change or delete an answer, begin one, or delete a task."""
    sample = f"sample-{draw.randrange(6)}"
    found = find_tasks(client, project, sample)
    if not found:
        return
    given = client.http.get(f"/api/tasks/{found[0]['id']}/annotations/").json()
    deed = draw.choice(["answer", "skip", "change", "change", "delete", "begin", "remove"])
    if deed in ("answer", "skip"):
        answer(client, project, sample, draw.choice("ab") if deed == "answer" else None)
    elif deed == "begin":
        begin(client, project, sample)
    elif deed == "remove" and draw.random() < 0.5:
        api.delete_tasks(client, project, [found[0]["id"]])
    elif given and deed in ("change", "delete"):
        place = f"/api/annotations/{draw.choice(given)['id']}/"
        said = {"choices": [draw.choice(["a", "b", "tie"])]}
        result = [{"from_name": "preference", "to_name": "prompt", "type": "choices", "value": said}]
        done = client.http.delete(place) if deed == "delete" else client.http.patch(place, json={"result": result})
        done.raise_for_status()


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2, 3))])
def test_what_changed_laid_over_what_was_known_is_all_that_is_there(client, secret, monkeypatch, seed):
    """People do as they please; a pull of changes gives what a pull of everything gives, after each deed or a few."""
    monkeypatch.setattr(labels_module, "MARGIN", labels_module.timedelta(0))
    draw, desired = random.Random(seed), tasks(6)
    project = project_id(sync.synchronise(client, desired, PROJECT, secret))
    known, marks = pull_changes(client, desired, secret, None, {})
    for _ in range(6 if seed == 0 else 20):
        for _ in range(draw.randrange(1, 4)):
            act(draw, client, project)
        if draw.random() < 0.2:
            desired = tasks(draw.randrange(4, 7))
        whole = pull(client, desired, secret, known)
        known, marks = pull_changes(client, desired, secret, known, marks)
        assert known.equals(whole)
        if draw.random() < 0.3:
            sync.synchronise(client, desired, PROJECT, secret, known)
    assert known.height > 2


def test_one_more_label_fetches_one_task_and_a_strange_mark_fetches_all(client, secret, project, monkeypatch):
    monkeypatch.setattr(labels_module, "MARGIN", labels_module.timedelta(0))
    for number in range(3):
        answer(client, project, f"sample-{number}")
    fetched: list[int] = []

    def pulled(known, marks):
        told: list[int] = []
        found = pull_changes(client, tasks(4), secret, known, marks, lambda done, *_: told.append(done))
        fetched.append(sum(told))
        return found

    known, marks = pulled(None, {})
    answer(client, project, "sample-3")
    more, later = pulled(known, marks)
    assert more.height == 4 and more.equals(pull(client, tasks(4), secret))
    pulled(more, {place: mark.replace("20", "30", 1) for place, mark in later.items()})
    pulled(more.head(2), later)
    newest_again = 1
    assert fetched[:2] == [3, 1 + newest_again] and fetched[2] == 4 and fetched[3] >= 4
    api.delete_tasks(client, project, [find_tasks(client, project, "sample-0")[0]["id"]])
    kept, marks = pulled(more, later)
    answer(client, project, "sample-1", "b")
    pulled(kept, marks)
    assert kept.height == 4 and fetched[5] == 1 + newest_again, "what is gone for good is not looked for each time"
