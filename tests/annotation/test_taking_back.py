"""What was taken back goes from a real Label Studio server too, though people answered it; the rest stays as it is."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from annotation import client as api
from annotation import sync
from annotation.client import Client
from annotation.credentials import credentials
from annotation.server import Server
from annotation.settings import ProjectSettings
from curation.tombstones import tombstones_of
from pipelines.forgetting import AUDIT, key_of, write_tombstones
from pipelines.purging import from_label_studio
from pipelines.workspace import Workspace
from tests.annotation.building import answer, project_id, tasks, there


def test_tasks_of_samples_that_were_taken_back_are_deleted_with_their_answers(
    tmp_path: Path, studio: Server, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = f"label_studio: {{url: '{studio.url}', token_env: TOKEN_OF_THE_TEST}}\n"
    (tmp_path / "headwater.yaml").write_text(f"sources: [{{name: web, path: .}}]\n{settings}")
    monkeypatch.setenv("TOKEN_OF_THE_TEST", studio.token)
    workspace = Workspace(tmp_path)
    key = key_of(workspace)
    secret = credentials(workspace.label_studio)
    project = project_id(sync.synchronise(client, tasks(5), [ProjectSettings()], secret))
    answer(client, project, "sample-0", "a")
    answer(client, project, "sample-2", "b")
    rows = tombstones_of(key, "sample", ["sample-0", "sample-1"], "why")
    audit = [pl.lit(None, kind).alias(name) for name, kind in AUDIT.items()]
    write_tombstones(workspace, rows.with_columns(audit), key)

    assert from_label_studio(workspace, key) == ["2 tasks of Label Studio"]
    gone = set(tasks(5).filter(pl.col("sample_id").is_in(["sample-0", "sample-1"]))["task_digest"])
    assert set(there(client, project)) == set(tasks(5)["task_digest"]) - gone
    assert [each["data"]["sample_id"] for each in api.tasks(client, project, "answered")] == ["sample-2"]
    assert from_label_studio(workspace, key) == []
