"""The real server, as it is started, found, killed and stopped."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from annotation import client as api
from annotation import server
from annotation.credentials import credentials
from annotation.environment import ensure_environment
from annotation.errors import LabelStudioError
from annotation.settings import LabelStudioSettings, PostgresSettings
from pipelines.workspace import Workspace
from tests.forked_commands import environment, run

SETTINGS = LabelStudioSettings(port=0)


def folder_of(studio: server.Server):
    assert studio.log is not None
    return studio.log.parent


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_it_listens_on_loopback_and_lets_nobody_sign_up(studio):
    assert studio.url.startswith("http://127.0.0.1:")
    assert httpx.get(f"{studio.url}/health").json()["status"] == "UP"
    with httpx.Client(base_url=studio.url) as visitor:
        visitor.get("/user/signup/")
        form = {
            "email": "eve@example.org",
            "password": "long enough",
            "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
        }
        assert visitor.post("/user/signup/", data=form).status_code == 403


def test_one_that_runs_is_used_again(studio):
    again = server.start(SETTINGS, folder_of(studio))
    assert again.reused and (again.url, again.pid, again.token) == (studio.url, studio.pid, studio.token)
    assert server.find(SETTINGS, folder_of(studio)) == again


def test_its_secrets_are_in_no_log_and_no_argument(studio):
    assert studio.log is not None and studio.password is not None
    log = studio.log.read_text()
    arguments = " ".join(path.read_text() for path in Path("/proc").glob(f"{studio.pid}/cmdline"))
    for hidden in (studio.password, studio.token):
        assert hidden not in log and hidden not in arguments and hidden not in repr(studio)


@pytest.mark.parametrize("state", ["", "[]", '{"pid": 1}', '{"pid": "x", "url": "y", "born": "z"}', "null"])
def test_a_spoilt_state_file_means_that_nothing_runs(tmp_path, state):
    (tmp_path / server.STATE).write_text(state)
    assert server.running(tmp_path) is None


def test_a_stranger_is_not_taken_for_ours(studio, tmp_path):
    """The server of another workspace, and a process that took over a number, are not this workspace's server."""
    own = json.loads((folder_of(studio) / server.STATE).read_text())
    (tmp_path / server.STATE).write_text(json.dumps(own))
    assert server.running(tmp_path) is None
    own["pid"] = os.getpid()
    (folder_of(studio) / "moved").write_text("")
    kept = (folder_of(studio) / server.STATE).read_text()
    (folder_of(studio) / server.STATE).write_text(json.dumps(own))
    try:
        assert server.running(folder_of(studio)) is None
    finally:
        (folder_of(studio) / server.STATE).write_text(kept)


def what_a_kill_left(studio: server.Server, folder: Path) -> None:
    """The folder of a server that was killed: the data of one that runs, and the state of a process that is gone."""
    shutil.copytree(folder_of(studio), folder, dirs_exist_ok=True)
    gone = subprocess.Popen(["sleep", "600"], start_new_session=True)
    state = {"pid": gone.pid, "url": studio.url, "born": server._birth(gone.pid)}
    (folder / server.STATE).write_text(json.dumps(state))
    gone.kill()
    gone.wait()


def test_it_survives_a_kill_and_a_busy_port_and_ends_when_asked(studio, client, tmp_path):
    assert run(["init", str(tmp_path)], "/", environment()).returncode == 0
    folder = Workspace(tmp_path).label_studio
    api.create_project(client, {"title": "Kept"})
    what_a_kill_left(studio, folder)
    assert server.running(folder) is None
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        taken = busy.getsockname()[1]
        started = server.start(LabelStudioSettings(port=taken), folder)
    try:
        assert not started.reused and started.password == studio.password
        assert started.url not in (studio.url, f"http://127.0.0.1:{taken}")
        with api.connect(started.url, started.token) as again:
            assert "Kept" in [project.title for project in api.projects(again)]
            api.add_annotator(again, "forgetful@example.org")
            with pytest.raises(LabelStudioError, match=r"`headwater annotators password forgetful@example\.org` gives"):
                api.add_annotator(again, "forgetful@example.org")
        said = run(["annotators", "password", "forgetful@example.org", "-w", str(tmp_path)], "/", environment())
        assert said.returncode == 0 and started.url in said.stdout, said.stderr
        password = said.stdout.split("password:")[1].strip()
        with httpx.Client(base_url=started.url) as visitor:
            visitor.get("/user/login/")
            form = {
                "email": "forgetful@example.org",
                "password": password,
                "csrfmiddlewaretoken": visitor.cookies["csrftoken"],
            }
            assert visitor.post("/user/login/", data=form).status_code == 302
    finally:
        server.stop(started)
    assert started.pid is not None and not is_alive(started.pid)
    assert server.running(folder) is None and not (folder / server.STATE).exists()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{started.url}/health")


@pytest.mark.parametrize(
    "program",
    ["print('not found')", pytest.param(server.PROGRAM, marks=pytest.mark.long)],
    ids=["what it says", "Label Studio"],
)
def test_who_has_no_account_gets_no_password(studio, monkeypatch, program):
    monkeypatch.setattr(server, "PROGRAM", program)
    with pytest.raises(LabelStudioError, match=r"nobody@example\.org no new password"):
        server.reset_password(SETTINGS, folder_of(studio), "nobody@example.org")


def test_an_answer_does_not_wait_until_its_head_is_acknowledged(tmp_path):
    """What Label Studio's server is made of, as its program finds it."""
    (tmp_path / "label_studio").mkdir()
    (tmp_path / "label_studio" / "__init__.py").touch()
    (tmp_path / "label_studio" / "server.py").write_text(
        "from django.core.servers.basehttp import WSGIRequestHandler\n"
        "def main():\n    return 0 if WSGIRequestHandler.disable_nagle_algorithm else 'it waits'\n"
    )
    told = {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([ensure_environment(), "-c", server.PROGRAM], env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_start_that_was_cut_short_leaves_no_second_server(tmp_path, monkeypatch):
    """A server whose starter was killed still lives, does not answer, and is ended by the next start."""
    monkeypatch.setattr(server, "PROGRAM", "import time; time.sleep(600)")
    hung = server._spawn(Path(sys.executable), 1, {}, tmp_path / server.LOG)
    state = {"pid": hung.pid, "url": "http://127.0.0.1:1", "born": server._birth(hung.pid)}
    (tmp_path / server.STATE).write_text(json.dumps(state))
    monkeypatch.setattr(server, "PROGRAM", "raise SystemExit(1)")
    with pytest.raises(LabelStudioError):
        server.start(SETTINGS, tmp_path)
    assert hung.wait(timeout=60) in (-signal.SIGTERM, -signal.SIGKILL)


def test_a_server_that_dies_at_its_start_names_its_log(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "PROGRAM", "raise SystemExit('no luck today')")
    with pytest.raises(LabelStudioError, match=r"did not start; the last lines of .*label-studio\.log say why"):
        server.start(SETTINGS, tmp_path)
    assert "no luck today" in (tmp_path / server.LOG).read_text()
    assert server.running(tmp_path) is None


def test_an_existing_server_is_only_connected_to(tmp_path, monkeypatch):
    settings = LabelStudioSettings(url="http://studio.example.org/", token_env="STUDIO_TOKEN")
    monkeypatch.setenv("STUDIO_TOKEN", " abc ")
    found = server.start(settings, tmp_path)
    assert (found.url, found.token, found.pid) == ("http://studio.example.org", "abc", None)
    server.stop(found)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_server_needs_a_token(tmp_path, monkeypatch):
    monkeypatch.delenv("STUDIO_TOKEN", raising=False)
    with pytest.raises(LabelStudioError, match="set token_env to the name"):
        server.find(LabelStudioSettings(url="http://studio.example.org"), tmp_path)
    with pytest.raises(LabelStudioError, match="STUDIO_TOKEN, named by token_env, is not set"):
        server.find(LabelStudioSettings(url="http://studio.example.org", token_env="STUDIO_TOKEN"), tmp_path)


def test_without_a_server_there_is_none(tmp_path):
    assert server.find(SETTINGS, tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_postgresql_is_told_by_its_own_variables_and_its_password_by_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("STUDIO_DATABASE_PASSWORD", "a secret")
    settings = LabelStudioSettings(
        postgres=PostgresSettings(host="db", name="labels", password_env="STUDIO_DATABASE_PASSWORD")
    )
    told = server._environment(settings, credentials(tmp_path), tmp_path)
    assert (told["DJANGO_DB"], told["POSTGRE_HOST"], told["POSTGRE_NAME"]) == ("default", "db", "labels")
    assert told["POSTGRE_PASSWORD"] == "a secret"
    monkeypatch.delenv("STUDIO_DATABASE_PASSWORD")
    with pytest.raises(LabelStudioError, match=r"named by postgres\.password_env"):
        server._environment(settings, credentials(tmp_path), tmp_path)
