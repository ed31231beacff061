"""Against a real server: it is told once where to send hints, and what it sends makes one look."""

import re
import threading
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation import client as api
from annotation import server, sync
from annotation.credentials import Credentials, credentials
from annotation.environment import ensure_environment
from annotation.errors import LabelStudioError
from annotation.settings import LabelStudioSettings, ProjectSettings
from annotation.webhooks import (
    ACTIONS,
    HEADER,
    LOOPBACK_NETWORK,
    PRIVATE,
    banned_but,
    ensure_webhooks,
    loopback_address,
    secret_of,
)
from pipelines.webhook import listening
from tests.annotation.building import answer, project_id, tasks

PROJECT = [ProjectSettings()]
SECRET = Credentials("a@b.org", "workspace", "password", "token", "key")


def test_each_project_is_told_once_and_again_when_the_address_changes(client, secret):
    place = project_id(sync.synchronise(client, tasks(1), PROJECT, secret))
    first = [ensure_webhooks(client, secret, "https://192.0.32.10/hint") for _ in range(2)]
    assert first == [1, 0]
    assert ensure_webhooks(client, secret, "https://192.0.32.10/other") == 1
    (found,) = api.webhooks(client, place)
    assert found["url"] == "https://192.0.32.10/other" and found["send_payload"] is False
    assert found["headers"] == {HEADER: secret_of(secret)} and sorted(found["actions"]) == sorted(ACTIONS)
    assert secret.key not in str(found)


@given(st.text(min_size=1, max_size=20))
def test_of_all_private_addresses_one_is_left(key):
    own = loopback_address(replace(SECRET, key=key))
    banned = [ip_network(each) for each in banned_but(own)]
    reached = [each for each in banned if ip_address(own) in each]
    assert reached == [] and ip_address(own) in LOOPBACK_NETWORK and ip_address(own) not in ip_network("127.0.0.0/16")
    assert (
        sum(each.num_addresses for each in banned if each.version == 4 and each.subnet_of(LOOPBACK_NETWORK))
        == 2**24 - 1
    )


def test_nothing_is_open_that_label_studio_itself_bans():
    """Its own list, as its version of now has it."""
    python = ensure_environment()
    (source,) = python.parents[1].glob("lib/*/site-packages/label_studio/core/utils/io.py")
    listed = re.search(r"default_banned_subnets = \[(.*?)\n    \]", source.read_text(), re.DOTALL)
    theirs = [ip_network(each) for each in re.findall(r"'([0-9a-f:.]+/\d+)'", listed[1])]
    ours = [ip_network(each) for each in PRIVATE]
    assert len(theirs) > 20
    left = [each for each in theirs if not any(each.version == own.version and each.subnet_of(own) for own in ours)]
    assert left == [LOOPBACK_NETWORK]


def test_loopback_is_for_our_own_server():
    with pytest.raises(ValueError, match="`loopback` is for Headwater's own server"):
        LabelStudioSettings(url="https://studio.example.org", token_env="T", webhook="loopback")


@pytest.mark.long
def test_a_label_on_our_own_server_makes_a_look_and_nothing_else_can_be_reached(tmp_path: Path):
    folder = tmp_path / "label-studio"
    running = server.start(LabelStudioSettings(port=0, webhook="loopback"), folder)
    looked, secret = threading.Event(), credentials(folder)
    own = loopback_address(secret)
    try:
        with (
            listening(secret_of(secret), 0, looked.set, quiet=0.3, host=own) as port,
            api.connect(running.url, running.token) as client,
        ):
            place = project_id(sync.synchronise(client, tasks(2), PROJECT, secret))
            for other in (
                running.url,
                "http://127.0.0.1:3000/",
                "http://localhost:3000/",
                "http://10.0.0.1/",
                "http://169.254.169.254/",
            ):
                with pytest.raises(LabelStudioError):
                    ensure_webhooks(client, secret, other)
            ensure_webhooks(client, secret, f"http://{own}:{port}/")
            assert not looked.wait(1)
            answer(client, place, "sample-0", "a")
            assert looked.wait(120), "the hint came"
    finally:
        server.stop(running)
