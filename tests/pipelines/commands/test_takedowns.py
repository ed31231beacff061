"""What an annotator finds private is laid before the one who may take it back: the same figures as `headwater forget` shows."""

from __future__ import annotations

import shlex
from pathlib import Path

import polars as pl

from annotation.answers import answer_of
from annotation.labels import LABEL_SCHEMA, private_samples
from pipelines.forgetting import Asked, preview, touched
from pipelines.takedowns import TAKEDOWNS, takedowns
from pipelines.workspace import Workspace
from tests.pipelines.commands.planted import plant_models
from tests.pipelines.test_cli import headwater


def test_the_figures_are_those_that_forget_shows_and_the_command_is_one(edited: Path) -> None:
    plant_models(edited)
    workspace = Workspace(edited)
    sample = workspace.store.scan("annotation_tasks").collect()["sample_id"][0]
    table = takedowns(workspace, [sample])
    assert dict(table.schema) == TAKEDOWNS
    row = table.row(0, named=True)
    shown = {what: count for what, count, _ in preview(touched(workspace, Asked("id", sample)))}
    assert (row["documents"], row["copies"]) == (shown["documents"], shown["of these, near copies in other words"])
    for name, what in (
        ("releases", "dataset versions"),
        *((each, each) for each in ("samples", "tasks", "annotations", "models", "scores")),
    ):
        assert row[name] == shown[what]
    assert row["tasks"] == row["annotations"] == row["models"] == 1 and row["releases"] >= 1
    assert workspace.store.head("tombstones") is None, "nothing is taken back"
    program, *arguments = shlex.split(row["command"])
    assert program == "headwater"
    done = headwater(*arguments, "--yes", "-w", edited)
    assert done.returncode == 0 and "taken back: request" in done.stdout, done.stdout + done.stderr


def test_only_what_somebody_calls_private_and_has_not_taken_back_is_shown() -> None:
    said = [
        ("s1", "private", "submitted"),
        ("s2", "private", "retracted"),
        ("s3", "expert", "submitted"),
        ("s1", "private", "withdrawn"),
    ]
    rows = [
        {"annotation_id": str(n), "sample_id": sample, "value": "cannot_answer", "why": why, "status": status}
        for n, (sample, why, status) in enumerate(said)
    ]
    assert private_samples(pl.DataFrame(rows, schema=LABEL_SCHEMA)) == ["s1"]
    told = answer_of(
        {"result": [{"from_name": "cannot", "value": {"choices": ["cannot_answer"]}}], "was_cancelled": False}, "rating"
    )
    assert told["why"] is None, "a reason that was not given is not made up"
