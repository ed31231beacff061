"""What a person sees of a table: a few rows, and what came and went.

Text stays in the workspace: Dagster's database and logs get names, numbers and lengths; the rows as they are go into a
file under `.headwater/previews/` that only the owner can read.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.commits import Books, Commit
from pipelines.lookup import SHORT
from pipelines.whole_files import write_whole
from pipelines.workspace import Workspace
from records import Picture

ROWS = 10
DIGEST = re.compile("[0-9a-f]{16,64}")
WIDTH = 30
PLAIN = frozenset(
    [
        "annotation_id",
        "annotator",
        "annotator_a",
        "annotator_b",
        "base",
        "better",
        "bytes_digest",
        "checker",
        "chosen",
        "chosen_model",
        "config_digest",
        "content_digest",
        "criterion",
        "dataset_version",
        "decided_by",
        "digest",
        "doc_id",
        "draft_model",
        "fate",
        "finish",
        "folder",
        "held_out_id",
        "held_out_split",
        "how",
        "jaccard",
        "kept_digest",
        "kept_id",
        "kept_source",
        "kind",
        "language",
        "line",
        "locator",
        "media_type",
        "metric",
        "model",
        "model_a",
        "model_b",
        "model_version",
        "normal_digest",
        "openness",
        "path",
        "phase",
        "policy",
        "project",
        "prompt",
        "purpose",
        "reason",
        "rejected_model",
        "rule",
        "sample_id",
        "set",
        "slice",
        "sliced_by",
        "source",
        "split",
        "stage",
        "state",
        "status",
        "step",
        "strength",
        "task",
        "task_digest",
        "used_by",
        "verdict",
        "version",
    ]
)
"""String columns that hold names, never text of the data."""


def preview_rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows for Dagster: names and numbers as they are, of all other columns only the length."""
    rows = []
    for row in frame.iter_rows(named=True):
        rows.append({name: _shown(name, value) for name, value in row.items()})
    return rows


def _shown(name: str, value: Any) -> str | int | float | bool | None:
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, str):
        return name_of(value) if name in PLAIN else f"({len(value):,} characters)"
    return f"({len(value):,} items)" if hasattr(value, "__len__") else str(value)


def name_of(value: str) -> str:
    """A name, short enough for a narrow column: of a digest the first digits, of a longer name its end."""
    if DIGEST.fullmatch(value):
        return value[:SHORT]
    return value if len(value) <= WIDTH else "…" + value[-WIDTH:]


def write_preview(workspace: Workspace, commit: Commit) -> Path:
    """Write a table's first rows, as they are, into a file of the workspace; returns the file."""
    workspace.previews.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = workspace.previews / f"{commit.table}.json"
    rows = workspace.store.scan(commit.table, commit.number).head(ROWS).collect()
    write_whole(path, json.dumps(rows.to_dicts(), ensure_ascii=False, indent=1, default=str), 0o600)
    return path


def books_markdown(books: Books) -> str:
    """The accounting of a stage as a Markdown table."""
    lines = [
        f"| {books.unit} | |",
        "| --- | ---: |",
        f"| **in** | {books.taken:,} |",
        f"| kept | {books.kept:,} |",
    ]
    lines += [
        f"| dropped: {_cell(reason)} | {count:,} |"
        for reason, count in sorted(books.dropped.items(), key=lambda item: -item[1])
    ]
    lines += [
        f"| failed: {_cell(reason)} | {count:,} |"
        for reason, count in sorted(books.failed.items(), key=lambda item: -item[1])
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def picture_markdown(picture: Picture) -> str:
    """A picture as Markdown that Dagster shows without asking any server."""
    return f"![{picture.title}](data:image/svg+xml;base64,{base64.b64encode(picture.svg).decode()})"
