"""Against a real server: two people disagree, a third decides, and only then there is a label."""

import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.adjudication import adjudication_projects, labels_of, open_disagreements
from annotation.client import Client
from annotation.labels import pull
from annotation.projects import our_projects
from annotation.settings import ADJUDICATION, ProjectSettings, TrustSettings
from tests.annotation.building import answer, project_id, tasks

TRUST = TrustSettings()
OF_TWO = [ProjectSettings(annotators=2)]


@pytest.fixture(scope="module")
def second_person(client, studio) -> Client:
    """Somebody else's account on the server."""
    import httpx

    email, password = api.add_annotator(client, "second@example.org")
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
