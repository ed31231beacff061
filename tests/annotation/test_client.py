"""Against a real server, and against what is none: errors name the thing and the mend."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

from annotation import client as api
from annotation import sync
from annotation.errors import LabelStudioError, Refused, Unreachable
from annotation.settings import ProjectSettings
from tests.annotation.building import answer, begin, chosen, project_id, tasks, there


@contextmanager
def impostor(status: int, body: str, by_path: dict[str, tuple[int, str]] | None = None):
    """Something that answers every request in the same way, but for some paths."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            code, said = (by_path or {}).get(self.path.partition("?")[0], (status, body))
            self.send_response(code)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            """The tests' output is for their results."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_wrong_token_says_where_to_get_a_right_one(studio):
    with pytest.raises(Refused, match=r"refuses the token.*token_env") as refusal:
        api.connect(studio.url, "0" * 40)
    assert refusal.value.status == 401


def test_a_wrong_access_token_is_refused_too(studio):
    with pytest.raises(Refused, match="refuses the token"):
        api.connect(studio.url, "not.an.accesstoken")


def test_a_server_that_is_down_says_how_to_start_it():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="headwater up"):
            api.connect(f"http://127.0.0.1:{taken.getsockname()[1]}", "token")


@pytest.mark.parametrize("body", ["<html>hello</html>", "{}", '{"release": "one"}', "[]"])
def test_another_program_is_not_taken_for_label_studio(body):
    with impostor(200, body) as url, pytest.raises(LabelStudioError, match="is not Label Studio: check the url"):
        api.connect(url, "token")


def test_an_old_server_is_refused():
    complaint = pytest.raises(LabelStudioError, match=r"is 1\.13\.1; Headwater needs 1\.23 or newer")
    with impostor(200, json.dumps({"release": "1.13.1"})) as url, complaint:
        api.connect(url, "token")


@pytest.mark.parametrize("projects", [(404, "{}"), (200, "[]"), (200, '{"items": []}')], ids=["gone", "list", "other"])
def test_a_newer_server_that_answers_otherwise_is_an_error_that_names_both_versions(projects):
    answers = {"/api/version": (200, json.dumps({"release": "2.1.0"})), "/api/current-user/whoami": (200, "{}")}
    complaint = pytest.raises(LabelStudioError, match=r"2\.1\.0 .*newer than 1\.23.*upgrade Headwater, or use 1\.23")
    with (
        impostor(200, "", {**answers, "/api/projects/": projects}) as url,
        api.connect(url, "token") as newer,
        complaint,
    ):
        api.projects(newer)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_that_is_starting_is_unreachable_for_now(status, monkeypatch):
    monkeypatch.setattr(api.time, "sleep", lambda _: None)
    with impostor(status, "") as url, pytest.raises(Unreachable, match=str(status)):
        api.connect(url, "token")


def test_a_personal_access_token_works_and_is_renewed(studio, client):
    made = client.http.post("/api/token/")
    made.raise_for_status()
    with api.connect(studio.url, made.json()["token"]) as by_token:
        assert by_token.version == client.version
        by_token.http.auth._access = by_token.http.auth._access[:-4] + "AAAA"
        assert studio.email in api.users(by_token).values()


def test_an_annotator_gets_an_account_whose_password_works(studio, client):
    email, password = api.add_annotator(client, " Nina@Example.org ")
    assert email == "nina@example.org" and email in api.users(client).values()
    with httpx.Client(base_url=studio.url) as visitor:
        visitor.get("/user/login/")
        form = {"email": email, "password": password, "csrfmiddlewaretoken": visitor.cookies["csrftoken"]}
        assert visitor.post("/user/login/", data=form).status_code == 302
        assert visitor.get("/api/current-user/whoami").json()["email"] == email


def test_an_address_that_has_an_account_is_refused(client):
    api.add_annotator(client, "twice@example.org")
    with pytest.raises(LabelStudioError, match=r"twice@example\.org already has an account"):
        api.add_annotator(client, "Twice@example.org")


def test_what_is_no_address_is_refused(client):
    with pytest.raises(LabelStudioError, match="valid e-mail address"):
        api.add_annotator(client, "nobody")


def test_only_what_nobody_has_touched_is_deleted(client, secret):
    project = project_id(sync.synchronise(client, tasks(5), [ProjectSettings()], secret))
    answer(client, project, "sample-0")
    answer(client, project, "sample-1", None)
    begin(client, project, "sample-2")
    everything = [task["id"] for task in api.tasks(client, project)]
    assert api.delete_unanswered(client, project, everything) == 2
    assert there(client, project) == ["task-0", "task-1", "task-2"]
    assert api.delete_unanswered(client, project, []) == 0


def test_pages_hold_every_task_once(client, secret, monkeypatch):
    project = project_id(sync.synchronise(client, tasks(23), [ProjectSettings()], secret))
    for task in list(api.tasks(client, project))[::2]:
        given = {"result": chosen("a"), "was_cancelled": task["id"] % 4 < 2}
        client.http.post(f"/api/tasks/{task['id']}/annotations/", json=given).raise_for_status()
    monkeypatch.setattr(api, "PAGE", 7)
    seen: list[tuple[int, int | None, str]] = []
    assert there(client, project) == sorted(tasks(23)["task_digest"])
    answered = list(api.tasks(client, project, "answered", lambda *progress: seen.append(progress)))
    assert len(answered) == 12 and all(len(task["annotations"]) == 1 for task in answered)
    assert [done for done, *_ in seen] == [7, 12] and {total for _, total, _ in seen} == {12}


def test_errors_hold_no_text_of_the_data(client, secret):
    project = project_id(sync.synchronise(client, tasks(1), [ProjectSettings()], secret))
    with pytest.raises(Refused) as refusal:
        api.import_tasks(client, project, [{"data": {"prompt_text": "a secret of mine"}}])
    assert "secret of mine" not in str(refusal.value) and refusal.value.status == 400
