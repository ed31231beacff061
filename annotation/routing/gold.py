"""Questions whose answer is known, mixed in to see how careful annotators are.

An annotator cannot tell one from another task: it is named, shown and sealed like any other. It makes no label.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

import records
from annotation.settings import ProjectSettings

GOLD = {
    "project": pl.String,
    "kind": pl.String,
    "prompt_text": pl.String,
    "output_a": pl.String,
    "output_b": pl.String,
    "gold": pl.String,
}
"""One row per known question. `gold` is JSON: of each criterion the accepted values."""

PREFERENCES = ("a", "b", "tie", "both_bad")


def gold_questions(projects: Sequence[ProjectSettings], folder: Path) -> pl.DataFrame:
    """The known questions (`GOLD`) of all projects; their files' paths are relative to `folder`.

    A file is a list of `question`, `a`, `answer` and, for a preference, `b`. The answer is a value or a list of accepted
    ones; for a rating a mapping of criteria to them. Raises ValueError that names the file, the entry and the mend.
    """
    rows = [row for project in projects if project.gold for row in _rows(project, folder / project.gold)]
    return pl.DataFrame(rows, schema=GOLD).unique(maintain_order=True)


def _rows(project: ProjectSettings, path: Path) -> list[dict[str, Any]]:
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(
            f"annotation.projects, {project.name}: gold: {path} cannot be read as YAML: {error}"
        ) from error
    if not isinstance(entries, list):
        raise ValueError(f"annotation.projects, {project.name}: gold: {path} should be a list of questions")
    return [_row(project, entry, f"{path}, entry {number}") for number, entry in enumerate(entries, 1)]


def _row(project: ProjectSettings, entry: Any, where: str) -> dict[str, Any]:
    needed = {"question", "a", "answer"} | ({"b"} if project.kind == "preference" else set())
    if not isinstance(entry, dict) or set(entry) != needed:
        raise ValueError(f"{where}: should have {', '.join(sorted(needed))}, and nothing else")
    shown = {"prompt_text": str(entry["question"]), "output_a": str(entry["a"])}
    about = {"project": project.name, "kind": project.kind, **shown}
    return about | {
        "output_b": str(entry["b"]) if "b" in needed else None,
        "gold": json.dumps(_accepted(project, entry["answer"], where), sort_keys=True),
    }


def _accepted(project: ProjectSettings, answer: Any, where: str) -> dict[str, list[str]]:
    """Of each criterion the accepted values."""
    if project.kind == "preference":
        return {"preference": _values(answer, PREFERENCES, where)}
    levels = {each.name: [str(place) for place in range(1, len(each.levels) + 1)] for each in project.criteria}
    if not isinstance(answer, dict) or not answer or not set(answer) <= set(levels):
        raise ValueError(f"{where}: the answer to a rating names a level of {', '.join(levels)}")
    return {name: _values(given, levels[name], where) for name, given in answer.items()}


def _values(given: Any, allowed: Sequence[str], where: str) -> list[str]:
    values = [str(each) for each in (given if isinstance(given, list) else [given])]
    if not values or not set(values) <= set(allowed):
        raise ValueError(f"{where}: an answer is one or several of {', '.join(allowed)}, not {given!r}")
    return sorted(values)


def gold_sample(row: dict[str, Any]) -> str:
    """The name of a known question in place of a sample's: it looks like one."""
    return records.digest("gold", row["prompt_text"], row["output_a"], row["output_b"] or "")
