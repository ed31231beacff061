"""A new day is news to the graph only where a day has a limit."""

from pathlib import Path

import pytest

import assets.annotation as stages
from annotation import sync
from annotation.client import Client
from annotation.credentials import credentials
from annotation.server import Server
from annotation.settings import ProjectSettings
from pipelines.workspace import Workspace
from tests.annotation.building import tasks

SETTINGS = """
sources: [{{name: web, path: .}}]
task: {{recipe: qa}}
models: [{{name: finetune, base: ./base}}]
annotation: {{routing: {{{routing}}}}}
label_studio: {{url: '{url}', token_env: TOKEN_OF_THE_TEST}}
"""


@pytest.mark.parametrize(("routing", "is_news"), [("per_day: 3", True), ("budget: 9", False)], ids=["limit", "none"])
def test_a_new_day_is_seen(
    tmp_path: Path, studio: Server, client: Client, monkeypatch: pytest.MonkeyPatch, routing: str, is_news: bool
) -> None:
    (tmp_path / "headwater.yaml").write_text(SETTINGS.format(routing=routing, url=studio.url))
    monkeypatch.setenv("TOKEN_OF_THE_TEST", studio.token)
    workspace = Workspace(tmp_path)
    sync.synchronise(client, tasks(1), [ProjectSettings()], credentials(workspace.label_studio))
    versions = []
    for day in ("2026-01-01", "2026-01-01", "2026-01-02"):
        monkeypatch.setattr(stages, "today", lambda day=day: day)
        versions.append(stages.labels_on_server(workspace).version)
    assert versions[0] == versions[1] and (versions[1] != versions[2]) is is_news
