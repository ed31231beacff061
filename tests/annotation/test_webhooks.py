"""Against a real server: it is told once where to send hints, and what it sends makes one look."""

import threading
from pathlib import Path

import pytest

from annotation import client as api
from annotation import server, sync
from annotation.credentials import credentials
from annotation.settings import LabelStudioSettings, ProjectSettings
from annotation.webhooks import ACTIONS, HEADER, ensure_webhooks, secret_of
from pipelines.webhook import listening
from tests.annotation.building import answer, project_id, tasks

PROJECT = [ProjectSettings()]


def test_each_project_is_told_once_and_again_when_the_address_changes(client, secret):
    place = project_id(sync.synchronise(client, tasks(1), PROJECT, secret))
    first = [ensure_webhooks(client, secret, "https://192.0.32.10/hint") for _ in range(2)]
    assert first == [1, 0]
    assert ensure_webhooks(client, secret, "https://192.0.32.10/other") == 1
    (found,) = api.webhooks(client, place)
    assert found["url"] == "https://192.0.32.10/other" and found["send_payload"] is False
    assert found["headers"] == {HEADER: secret_of(secret)} and sorted(found["actions"]) == sorted(ACTIONS)
    assert secret.key not in str(found)


@pytest.mark.long
def test_a_label_on_a_server_that_may_reach_us_makes_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Label Studio sends nothing to private addresses, unless its operator allows it, as this test does."""
    as_it_is = server._environment
    allowed = {"LABEL_STUDIO_USE_DEFAULT_BANNED_SUBNETS": "false", "USE_DEFAULT_BANNED_SUBNETS": "false"}
    monkeypatch.setattr(server, "_environment", lambda *given: as_it_is(*given) | allowed)
    running = server.start(LabelStudioSettings(port=0), tmp_path / "label-studio")
    looked, secret = threading.Event(), credentials(tmp_path / "secrets")
    try:
        with (
            listening(secret_of(secret), 0, looked.set, quiet=0.3) as port,
            api.connect(running.url, running.token) as client,
        ):
            place = project_id(sync.synchronise(client, tasks(2), PROJECT, secret))
            ensure_webhooks(client, secret, f"http://127.0.0.1:{port}/")
            assert not looked.wait(1)
            answer(client, place, "sample-0", "a")
            assert looked.wait(15), "the hint came"
    finally:
        server.stop(running)
