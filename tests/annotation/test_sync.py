"""Against a real server: whatever happens on the way, each task is there once and no answer is lost."""

import contextlib
import dataclasses
import threading
import time

import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.errors import LabelStudioError, Unreachable
from annotation.labels import pull
from annotation.projects import CLOSED, our_projects
from annotation.settings import ProjectSettings
from tests.annotation.building import answer, begin, broken_line, find_tasks, project_id, tasks, there

PROJECT = [ProjectSettings()]
OTHER_GUIDELINES = [ProjectSettings(guidelines="Prefer the shorter one.")]


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(sync, "QUIET_SECONDS", 0.05)


def titles(client, secret) -> list[str]:
    return [ours.remote.title for ours in our_projects(client, secret.workspace)]


def test_tasks_are_imported_once_however_often_it_runs(client, secret):
    desired = tasks(30)
    first = sync.synchronise(client, desired, PROJECT, secret)
    again = sync.synchronise(client, desired.reverse(), PROJECT, secret)
    assert (first.wanted, first.imported, first.unchanged) == (30, 30, 0)
    assert (again.wanted, again.imported, again.unchanged, again.deleted) == (30, 0, 30, 0)
    assert again.there.equals(first.there)
    assert there(client, project_id(first)) == sorted(desired["task_digest"])
    assert titles(client, secret) == ["Choose the better answer"]


def test_what_annotators_can_see_names_no_model(client, secret):
    desired = tasks(2).with_columns(model_a=pl.lit("the-base-model"), model_b=pl.lit("the-finetune"))
    report = sync.synchronise(client, desired, PROJECT, secret)
    for task in api.tasks(client, project_id(report)):
        assert "the-base-model" not in str(task) and "the-finetune" not in str(task)


def test_withdrawn_tasks_go_unless_someone_has_answered_skipped_or_begun_them(client, secret):
    project = project_id(sync.synchronise(client, tasks(6), PROJECT, secret))
    answer(client, project, "sample-0")
    answer(client, project, "sample-1", None)
    begin(client, project, "sample-2")
    report = sync.synchronise(client, tasks(2, version=" new"), PROJECT, secret)
    assert (report.imported, report.deleted, report.withdrawn) == (2, 3, 3)
    assert there(client, project) == ["task-0", "task-0 new", "task-1", "task-1 new", "task-2"]
    assert sync.synchronise(client, tasks(2, version=" new"), PROJECT, secret).deleted == 0
    answer(client, project, "sample-2", "b")
    labels = pull(client, tasks(2, version=" new"), secret).filter(task_digest="task-2")
    assert labels.select("value", "status").rows() == [("b", "withdrawn")], (
        "what was begun is withdrawn once it is given"
    )


def test_a_changed_configuration_opens_a_new_project_with_the_unanswered_tasks(client, secret):
    old = project_id(sync.synchronise(client, tasks(4), PROJECT, secret))
    answer(client, old, "sample-0", "tie")
    answer(client, old, "sample-1", None)
    report = sync.synchronise(client, tasks(4), OTHER_GUIDELINES, secret)
    new = project_id(report)
    assert new != old
    assert (report.wanted, report.imported, report.answered_before) == (4, 3, 1)
    assert there(client, new) == ["task-1", "task-2", "task-3"]
    assert there(client, old) == ["task-0", "task-1"]
    assert titles(client, secret) == [CLOSED + "Choose the better answer", "Choose the better answer"]
    for rows in (report.there, sync.synchronise(client, tasks(4), OTHER_GUIDELINES, secret).there):
        assert rows["task_digest"].to_list() == ["task-0", "task-1", "task-2", "task-3"]
        assert rows["state"].to_list() == ["answered", "waiting", "waiting", "waiting"]
        assert rows["project_id"].to_list() == [old, new, new, new]
    labels = pull(client, tasks(4), secret)
    assert labels.filter(pl.col("task_digest") == "task-0")["status"].to_list() == ["submitted"]
    assert sync.synchronise(client, tasks(4), OTHER_GUIDELINES, secret).imported == 0


def test_the_old_configuration_put_back_takes_the_old_project_up_again(client, secret):
    old = project_id(sync.synchronise(client, tasks(3), PROJECT, secret))
    answer(client, old, "sample-0")
    sync.synchronise(client, tasks(3), OTHER_GUIDELINES, secret)
    report = sync.synchronise(client, tasks(3), PROJECT, secret)
    assert project_id(report) == old
    assert there(client, old) == ["task-0", "task-1", "task-2"]
    assert titles(client, secret) == ["Choose the better answer"]


def test_an_earlier_project_nobody_answered_in_is_deleted(client, secret):
    sync.synchronise(client, tasks(3), PROJECT, secret)
    sync.synchronise(client, tasks(3), OTHER_GUIDELINES, secret)
    assert titles(client, secret) == ["Choose the better answer"]


def test_a_new_title_renames_the_project(client, secret):
    first = sync.synchronise(client, tasks(1), PROJECT, secret)
    second = sync.synchronise(client, tasks(1), [ProjectSettings(title="Pick one")], secret)
    assert project_id(first) == project_id(second) and second.imported == 0
    assert titles(client, secret) == ["Pick one"]


def test_a_project_deleted_by_hand_is_rebuilt_with_its_labels(client, secret):
    first = project_id(sync.synchronise(client, tasks(4), PROJECT, secret))
    answer(client, first, "sample-0", "b")
    answer(client, first, "sample-1", "cannot_answer", note="It is broken.")
    answer(client, first, "sample-2", None)
    known = pull(client, tasks(4), secret)
    api.delete_project(client, first)
    assert pull(client, tasks(4), secret, known).equals(known)
    second = project_id(sync.synchronise(client, tasks(4), PROJECT, secret, known))
    assert second != first
    assert there(client, second) == ["task-0", "task-1", "task-2", "task-3"]
    assert pull(client, tasks(4), secret).equals(known)
    assert pull(client, tasks(4), secret, known).equals(known)


def test_labels_of_an_earlier_configuration_are_not_asked_again_when_its_project_is_gone(client, secret):
    old = project_id(sync.synchronise(client, tasks(2), PROJECT, secret))
    answer(client, old, "sample-0", "b")
    known = pull(client, tasks(2), secret)
    api.delete_project(client, old)
    report = sync.synchronise(client, tasks(2), OTHER_GUIDELINES, secret, known)
    assert (report.imported, report.answered_before) == (1, 1)


def test_tasks_that_are_there_twice_are_mended_and_the_answered_one_stays(client, secret):
    project = project_id(sync.synchronise(client, tasks(3), PROJECT, secret))
    copies = [{"data": task["data"]} for task in api.tasks(client, project)]
    api.import_tasks(client, project, copies)
    last = max(find_tasks(client, project, "sample-1"), key=lambda task: task["id"])
    made = client.http.post(f"/api/tasks/{last['id']}/annotations/", json={"result": [], "was_cancelled": True})
    made.raise_for_status()
    report = sync.synchronise(client, tasks(3), PROJECT, secret)
    assert (report.imported, report.deleted, report.unchanged) == (0, 3, 3)
    assert there(client, project) == ["task-0", "task-1", "task-2"]
    assert find_tasks(client, project, "sample-1")[0]["id"] == last["id"]


def test_tasks_that_a_person_added_are_left_alone(client, secret):
    project = project_id(sync.synchronise(client, tasks(1), PROJECT, secret))
    api.import_tasks(client, project, [{"data": {"prompt_text": "mine", "html_a": "a", "html_b": "b"}}])
    assert sync.synchronise(client, tasks(1), PROJECT, secret).deleted == 0
    assert len(list(api.tasks(client, project))) == 2
    assert pull(client, tasks(1), secret).is_empty()


def test_a_configuration_edited_by_hand_is_an_error_that_names_the_mend(client, secret):
    project = project_id(sync.synchronise(client, tasks(1), PROJECT, secret))
    ours = our_projects(client, secret.workspace)[0]
    api.update_project(
        client, project, {"label_config": ours.remote.label_config.replace("Equally good", "Much the same")}
    )
    for work in (lambda: sync.synchronise(client, tasks(1), PROJECT, secret), lambda: pull(client, tasks(1), secret)):
        with pytest.raises(LabelStudioError, match=r"edited by hand.*undo the edit"):
            work()


def test_workspaces_on_one_server_leave_each_other_alone(client, secret):
    other = dataclasses.replace(secret, workspace="another")
    first = sync.synchronise(client, tasks(2), PROJECT, secret)
    second = sync.synchronise(client, tasks(3), PROJECT, other)
    assert there(client, project_id(first)) == ["task-0", "task-1"]
    assert len(there(client, project_id(second))) == 3


def test_a_project_that_the_settings_no_longer_have_is_closed(client, secret):
    two = [ProjectSettings(), ProjectSettings(name="second", title="Choose again")]
    both = pl.concat([tasks(2), tasks(2, version=" of second", project="second")])
    report = sync.synchronise(client, both, two, secret)
    answer(client, project_id(report, "second"), "sample-0")
    closing = sync.synchronise(client, tasks(2), PROJECT, secret)
    assert (closing.deleted, closing.withdrawn) == (1, 1)
    assert titles(client, secret) == ["Choose the better answer", CLOSED + "Choose again"]


def test_tasks_of_an_unknown_project_are_refused(client, secret):
    with pytest.raises(ValueError, match=r"annotation\.projects does not: elsewhere"):
        sync.synchronise(client, tasks(1, project="elsewhere"), PROJECT, secret)


def test_text_that_json_or_a_database_cannot_hold_refuses_no_import(client, secret):
    desired = tasks(3).with_columns(
        prompt_text=pl.Series(["nul \x00 inside", "", "x" * 50_000]),
        output_a=pl.Series(["", "😀 ünïcode \u202e", "\r\n\t"]),
    )
    report = sync.synchronise(client, desired, PROJECT, secret)
    assert report.imported == 3
    assert find_tasks(client, project_id(report), "sample-0")[0]["data"]["output_a"] == "(empty answer)"


def test_a_connection_cut_during_the_import_makes_no_duplicate(studio, client, secret):
    cut = []

    def cut_first_import(_: int, method: str, path: str):
        if method == "POST" and path.endswith("/import") and not cut:
            cut.append(path)
            return "lose the answer"
        return "pass"

    with broken_line(studio.url, cut_first_import) as (url, line), api.connect(url, studio.token) as through:
        report = sync.synchronise(through, tasks(40), PROJECT, secret)
    assert cut and report.imported == 40
    assert sum(path.endswith("/import") for _, path in line.requests) == 1
    assert there(client, project_id(report)) == sorted(tasks(40)["task_digest"])


def test_an_import_that_arrives_after_its_connection_broke_is_mended_by_the_next_run(studio, client, secret):
    delayed = []

    def delay_first_import(_: int, method: str, path: str):
        if method == "POST" and path.endswith("/import") and not delayed:
            delayed.append(path)
            return "late"
        return "pass"

    with broken_line(studio.url, delay_first_import) as (url, _), api.connect(url, studio.token) as through:
        sync.synchronise(through, tasks(5), PROJECT, secret)
    report = sync.synchronise(client, tasks(5), PROJECT, secret)
    assert there(client, project_id(report)) == sorted(tasks(5)["task_digest"])


class DiesAtWrite:
    """The line breaks for good at the given request that writes; to die while reading is to die before the next write."""

    def __init__(self, last: int, fate: str) -> None:
        self.last, self.fate, self.writes = last, fate, 0

    def __call__(self, _: int, method: str, path: str) -> str:
        self.writes += method != "GET"
        return self.fate if self.writes > self.last else "pass"


@pytest.mark.parametrize(
    "fate",
    ["lose the answer", *(pytest.param(fate, marks=pytest.mark.long) for fate in ("fail", "lose the request", "late"))],
)
def test_a_run_that_dies_at_any_request_is_finished_by_the_next(studio, client, secret, fate, monkeypatch):
    """Each run meets a world with something to import, to delete, to keep and to close, and dies one request later."""
    monkeypatch.setattr(sync, "ROUNDS", 1)
    monkeypatch.setattr(api, "READ_ATTEMPTS", 1)
    desired = pl.concat([tasks(3), tasks(2, version=" new")])
    last = 0
    while True:
        workspace = dataclasses.replace(secret, workspace=f"{secret.workspace}-{last}")
        old = project_id(sync.synchronise(client, tasks(4), OTHER_GUIDELINES, workspace))
        answer(client, old, "sample-0", "b")
        death = DiesAtWrite(last, fate)
        with contextlib.suppress(Unreachable), broken_line(studio.url, death) as (url, _):
            sync.synchronise(api.connect(url, studio.token), desired, PROJECT, workspace)
        report = sync.synchronise(client, desired, PROJECT, workspace)
        assert there(client, project_id(report)) == ["task-0 new", "task-1", "task-1 new", "task-2"]
        assert there(client, old) == ["task-0"]
        assert pull(client, desired, workspace)["value"].to_list() == ["b"]
        if death.writes <= last:
            break
        last += 1
    assert last == 4, "one project made, tasks deleted, tasks imported, one project closed"


def wait_out_midnight() -> None:
    """Where a day has less than two minutes left, waits until the next has begun: what follows is done on one day."""
    left = 86_400 - time.time() % 86_400
    if left < 120:
        time.sleep(left + 1)


def test_a_day_takes_as_many_new_tasks_as_it_has_room_for_and_the_next_one_more(client, secret):
    desired = tasks(9).with_columns(rank=pl.col("rank").reverse())
    wait_out_midnight()
    created = [
        str(task["created_at"])[:10]
        for task in api.tasks(
            client,
            project_id(sync.synchronise(client, tasks(1), PROJECT, dataclasses.replace(secret, workspace="clock"))),
        )
    ]
    today = sync.Daily(4, created[0])
    first = sync.synchronise(client, desired, PROJECT, secret, daily=today)
    assert (first.wanted, first.imported, first.held_back) == (9, 4, 5)
    assert there(client, project_id(first)) == ["task-5", "task-6", "task-7", "task-8"], "the first by rank"
    again = sync.synchronise(client, desired, PROJECT, secret, daily=today)
    assert (again.imported, again.unchanged, again.held_back) == (0, 4, 5)
    answer(client, project_id(first), "sample-5")
    assert sync.synchronise(client, desired, PROJECT, secret, daily=today).imported == 0, "an answer makes no room"
    tomorrow = sync.synchronise(client, desired, PROJECT, secret, daily=sync.Daily(4, "tomorrow"))
    assert (tomorrow.imported, tomorrow.unchanged, tomorrow.held_back) == (4, 4, 1)
    assert there(client, project_id(first))[0] == "task-1"


def test_a_lost_project_is_rebuilt_with_its_labels_whatever_the_day_has_room_for(client, secret):
    first = project_id(sync.synchronise(client, tasks(4), PROJECT, secret))
    for number in range(3):
        answer(client, first, f"sample-{number}", "b")
    known = pull(client, tasks(4), secret)
    api.delete_project(client, first)
    report = sync.synchronise(client, tasks(4), PROJECT, secret, known, daily=sync.Daily(1, "tomorrow"))
    assert (report.imported, report.held_back) == (4, 0)
    assert pull(client, tasks(4), secret).equals(known)


def test_a_line_that_repeats_every_request_leaves_each_task_once_after_the_next_run(studio, client, secret):
    """A proxy may send a POST again by itself; what came twice is taken away by the next look."""

    def repeat_posts(_: int, method: str, __: str):
        return "twice" if method == "POST" else "pass"

    with broken_line(studio.url, repeat_posts) as (url, _), api.connect(url, studio.token) as through:
        report = sync.synchronise(through, tasks(6), PROJECT, secret)
    assert report.imported == 6
    report = sync.synchronise(client, tasks(6), PROJECT, secret)
    found = [there(client, ours.id) for ours in our_projects(client, secret.workspace)]
    assert sorted(task for each in found for task in each) == sorted(tasks(6)["task_digest"])
    answer(client, project_id(report), "sample-0", "b")
    assert pull(client, tasks(6), secret)["value"].to_list() == ["b"]


def test_a_server_that_is_slow_is_an_error_that_names_the_mend(studio, secret):
    over = threading.Event()

    def keep_waiting(number: int, *_: str):
        if number > 1:
            over.wait(60)
        return "pass" if number < 2 else "lose the request"

    with broken_line(studio.url, keep_waiting) as (url, _), api.connect(url, studio.token) as slow:
        slow.http.timeout = 0.2  # only now: to connect takes what it takes
        with pytest.raises(Unreachable, match=r"no answer from Label Studio at .*start it \(headwater up\), or check"):
            our_projects(slow, secret.workspace)
        over.set()
