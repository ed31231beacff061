"""A model, its answers, scores and people's answers, written into a store as their stages would: no training for a tree."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipelines.commits import Commit
from pipelines.workspace import Workspace
from records import digest

VERSION = "feedfacefeedface"


def commit(workspace: Workspace, table: str, rows: list[dict[str, object]], key: tuple[str, ...]) -> None:
    """Commit rows as a stage would."""
    draft = Commit(table, "key", "recipe", {}, {}, "1", "", "", 0, "", 0, 0)
    workspace.store.replace(pl.DataFrame(rows, infer_schema_length=None), draft, workspace.store.head(table), key)


def plant_models(root: Path) -> None:
    """A model on the newest release, one answer, one task with one annotation, and scores."""
    workspace = Workspace(root)
    head = workspace.store.head("instructions")
    assert head is not None
    release = head.notes["release"]
    sample = workspace.store.scan("samples").filter(split="test").sort("sample_id").collect()["sample_id"][0]
    commit(
        workspace,
        "base_model_tiny",
        [{"name": "tiny", "origin": "folder", "digest": "beef" * 8, "path": "x"}],
        ("name",),
    )
    made = {"model": "tuned", "version": VERSION, "base": "tiny", "dataset_version": release}
    commit(
        workspace,
        "model_tuned",
        [{**made, "phase": "sft", "settings": "{}", "folder": "model_tuned/1/adapter"}],
        ("model",),
    )
    key = ("sample_id", "purpose", "prompt", "model")
    answer = {"sample_id": sample, "purpose": "test", "prompt": "none", "model": "tuned", "model_version": VERSION}
    commit(workspace, "answers_tuned", [{**answer, "output": "It carries some."}], key)
    task = {"task_digest": digest("task", sample), "sample_id": sample, "project": "answers"}
    commit(workspace, "annotation_tasks", [{**task, "prompt_text": "How many?"}], ("task_digest",))
    there = {**task, "state": "answered", "config_digest": "c", "project_id": 1}
    commit(workspace, "label_studio_projects", [there], ("task_digest",))
    given = {
        "annotation_id": digest("annotation", sample),
        **task,
        "annotator": "a1",
        "ordinal": 0,
        "kind": "preference",
        "value": "b",
    }
    shown = {"prompt_text": "How many?", "output_a": "Some.", "output_b": "It carries some."}
    label = {**given, "status": "submitted", "model_a": "base", "model_b": "tuned", **shown}
    commit(workspace, "annotations", [label], ("annotation_id",))
    figures = {
        "split": "test",
        "metric": "chrf",
        "dataset_version": release,
        "value": 20.0,
        "low": 19.0,
        "high": 21.0,
        "n": 9,
    }
    of = [("tuned", "none", VERSION), ("base", "none", "beef" * 4), ("base", "plain", "beef" * 4)]
    scores = [{"model": model, "prompt": prompt, "model_version": version, **figures} for model, prompt, version in of]
    commit(workspace, "scores", scores, ("model", "prompt", "split", "metric"))
    compared = {
        "metric": "chrf",
        "split": "test",
        "model_a": "base",
        "model_b": "tuned",
        "p_value": 0.04,
        "better": "tuned",
    }
    commit(workspace, "comparisons", [compared], ("metric", "split", "model_a", "model_b"))
