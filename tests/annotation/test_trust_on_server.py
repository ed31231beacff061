"""Against a real server: two people disagree, a third decides, and only then there is a label."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.adjudication import adjudication_projects, labels_of, open_disagreements
from annotation.client import Client
from annotation.labels import pull
from annotation.projects import our_projects
from annotation.server import Server
from annotation.settings import ADJUDICATION, ProjectSettings, TrustSettings
from tests.annotation.building import answer, project_id, tasks

TRUST = TrustSettings()
OF_TWO = [ProjectSettings(annotators=2)]


@pytest.fixture(scope="module")
def second_person(client, studio) -> Iterator[Client]:
    """Somebody else's account on the server."""
    with account(client, studio, "second") as other:
        yield other


@contextmanager
def account(client: Client, studio: Server, name: str) -> Iterator[Client]:
    """A new account on the server, signed in."""
    email, password = api.add_annotator(client, f"{name}@example.org")
    with httpx.Client(base_url=studio.url) as visitor:
        visitor.get("/user/login/")
        form = {"email": email, "password": password, "csrfmiddlewaretoken": visitor.cookies["csrftoken"]}
        signed_in = visitor.post("/user/login/", data=form, headers={"Referer": f"{studio.url}/user/login/"})
        assert signed_in.is_redirect, "the sign-in page came again"
        token = visitor.get("/api/current-user/token").json()["token"]
    with api.connect(studio.url, token) as other:
        yield other


def test_a_disagreement_is_decided_in_a_project_of_its_own(client, second_person, secret) -> None:
    asked = tasks(3)
    place = project_id(sync.synchronise(client, asked, OF_TWO, secret))
    answer(client, place, "sample-0", "a")
    answer(second_person, place, "sample-0", "b")
    answer(client, place, "sample-1", "b")
    answer(second_person, place, "sample-1", "b")
    labels = pull(client, asked, secret)
    assert labels["annotator"].n_unique() == 2
    disagreements = open_disagreements(labels, TRUST).table
    assert disagreements["sample_id"].to_list() == ["sample-0"]

    report = sync.synchronise(client, disagreements, adjudication_projects(OF_TWO), secret, adjudication=True)
    again = sync.synchronise(client, disagreements, adjudication_projects(OF_TWO), secret, adjudication=True)
    assert (report.imported, again.imported) == (1, 0)
    sync.synchronise(client, asked, OF_TWO, secret)
    assert {ours.name for ours in our_projects(client, secret.workspace)} == {"preference", ADJUDICATION}

    answer(second_person, project_id(report, ADJUDICATION), "sample-0", "b")
    decisions = pull(client, disagreements, secret, adjudication=True)
    assert pull(client, asked, secret).equals(labels), "a decision is not one more vote"
    table = labels_of(labels, decisions, TRUST).table
    told = {row["sample_id"]: (row["how"], row["value"]) for row in table.to_dicts()}
    assert told == {"sample-0": ("adjudicated", "b"), "sample-1": ("consensus", "b")}
    assert set(table["model_a"]) == {"base"}


def test_a_mended_disagreement_leaves_the_project(client, second_person, secret) -> None:
    asked = tasks(1)
    place = project_id(sync.synchronise(client, asked, OF_TWO, secret))
    answer(client, place, "sample-0", "a")
    answer(second_person, place, "sample-0", "b")
    project = adjudication_projects(OF_TWO)
    before = open_disagreements(pull(client, asked, secret), TRUST).table
    sync.synchronise(client, before, project, secret, adjudication=True)
    answer(client, place, "sample-0", "b")
    after = open_disagreements(pull(client, asked, secret), TRUST).table
    assert (before.height, after.height) == (1, 0)
    assert sync.synchronise(client, after, project, secret, adjudication=True).deleted == 1


def test_more_people_per_task_is_no_other_question(client, secret) -> None:
    asked = tasks(2)
    place = project_id(sync.synchronise(client, asked, [ProjectSettings()], secret))
    answer(client, place, "sample-0", "a")
    report = sync.synchronise(client, asked, OF_TWO, secret)
    assert project_id(report) == place and report.imported == 0
    (ours,) = our_projects(client, secret.workspace)
    assert ours.remote.maximum_annotations == 2
    assert pull(client, asked, secret).filter(pl.col("status") == "submitted").height == 1


def test_a_share_of_the_tasks_is_for_two_people(client, second_person, secret) -> None:
    asked = tasks(10)
    shared = [ProjectSettings(annotators=2, annotators_share=0.3)]
    place = project_id(sync.synchronise(client, asked, shared, secret))
    assert sync.synchronise(client, asked, shared, secret).imported == 0
    for number in range(10):
        answer(client, place, f"sample-{number}", "a")
    left = sum(not each["is_labeled"] for each in api.tasks(client, place))
    assert left == 3, "three tasks in ten wait for somebody else"
    more = [ProjectSettings(annotators=2)]
    assert project_id(sync.synchronise(client, asked, more, secret)) == place
    assert sum(not each["is_labeled"] for each in api.tasks(client, place)) == 10


def next_task(person: Client, project: int) -> int | None:
    """The task that *Label All Tasks* shows a person next."""
    asked = {"id": "next_task", "project": project}
    answer = person.http.post("/api/dm/actions", params=asked, json={})
    assert answer.status_code in (200, 404), answer.text
    return int(answer.json()["id"]) if answer.is_success else None


@pytest.mark.parametrize(("share", "answers"), [pytest.param(1.0, 12, marks=pytest.mark.long), (0.5, 9)])
def test_nobody_is_shown_a_task_twice_and_no_task_to_more_people_than_it_is_for(
    client, studio, second_person, secret, share, answers
) -> None:
    project = [ProjectSettings(annotators=2, annotators_share=share)]
    place = project_id(sync.synchronise(client, tasks(6), project, secret))
    given: list[tuple[int, str]] = []
    with account(client, studio, f"third-{answers}") as third:
        people = {"first": client, "second": second_person, "third": third}
        while people:
            for name, person in list(people.items()):
                task = next_task(person, place)
                if task is None:
                    del people[name]
                    continue
                body = {"result": [], "was_cancelled": False, "lead_time": 1.0}
                person.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status()
                given.append((task, name))
    assert len(set(given)) == len(given) == answers
    counts = {task: sum(each == task for each, _ in given) for task, _ in given}
    assert len(counts) == 6 and set(counts.values()) <= {1, 2}
