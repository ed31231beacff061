"""Models that were trained on samples which stand in the validation or test split by now.

A sample moves to a more protected side when something near to it came that is there. What was trained before has seen it,
so a score on the new test split would flatter that model: it is flagged until it is trained anew.
"""

from __future__ import annotations

import polars as pl

from pipelines.lineage import tables_like
from pipelines.lookup import rows_where
from pipelines.releases import files_of, releases_of
from pipelines.workspace import Workspace

SAMPLES = "samples"
"""The table in which samples move."""


def models_before_moves(workspace: Workspace) -> dict[str, str]:
    """The tables of models whose newest version was trained on what is held out by now: what to say of each."""
    store = workspace.store
    if store.head(SAMPLES) is None:
        return {}
    held_out = store.scan(SAMPLES).filter(pl.col("split") != "train").select("sample_id", "split")
    known = {release.version: release for release in releases_of(workspace, "instructions")}
    found: dict[str, str] = {}
    for table in tables_like(store, "model"):
        for row in rows_where(store, table, pl.lit(value=True), ("dataset_version",)):
            release = known.get(row["dataset_version"])
            trained = [path for split, path in files_of(release) if split == "train"] if release else []
            if trained:
                moved = pl.scan_parquet(trained).select("sample_id").unique().join(held_out, on="sample_id")
                counts = dict(moved.group_by("split").len().sort("split").collect().iter_rows())
                if counts:
                    said = ", ".join(f"{count:,} of the {split} split" for split, count in counts.items())
                    found[table] = (
                        f"trained on samples that are held out by now ({said}); `headwater run` trains it anew"
                    )
    return found
