"""What taking samples back would touch, as rows: the preview of `headwater forget`, for samples that people found private.

A person who labels must not take anything back, nor need to know the command: the preview is laid before the one who may.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from pipelines.forgetting import Asked, touched
from pipelines.workspace import Workspace

TAKEDOWNS = {
    "sample_id": pl.String,
    "source": pl.String,
    "locator": pl.String,
    "documents": pl.Int64,
    "copies": pl.Int64,
    "samples": pl.Int64,
    "tasks": pl.Int64,
    "annotations": pl.Int64,
    "releases": pl.Int64,
    "models": pl.Int64,
    "scores": pl.Int64,
    "command": pl.String,
}
"""One row per sample: its first place, how much of each sort would be touched (`copies` are among the `documents`), and the
command that shows the same, asks, and takes it back."""


def takedowns(workspace: Workspace, samples: list[str]) -> pl.DataFrame:
    """The previews (`TAKEDOWNS`) of some samples that are there, by sample_id."""
    return pl.DataFrame([_takedown(workspace, name) for name in sorted(samples)], schema=TAKEDOWNS)


def _takedown(workspace: Workspace, sample: str) -> dict[str, Any]:
    found = touched(workspace, Asked("id", sample))
    place = found.places.sort("source", "locator").row(0, named=True)
    return {
        "sample_id": sample,
        "source": place["source"],
        "locator": place["locator"],
        "documents": found.places.height,
        "copies": found.places.filter(pl.col("content_digest").is_in(found.near)).height,
        "samples": found.samples.height,
        "tasks": len(found.tasks),
        "annotations": len(found.annotations),
        "releases": len(found.releases),
        "models": len(found.models),
        "scores": len(found.scores),
        "command": f'headwater forget {sample} --reason "an annotator says that it is private"',
    }
