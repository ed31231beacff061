"""What came of what: from a document's places to its samples, and from samples to all that they touched.

`headwater trace` shows these steps as a tree, `headwater forget` counts what it would touch by the same ones. Each reads
the columns that it needs, and rows by a condition, so that a table of a million documents is never in memory.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from pipelines.lookup import Row, rows_where
from pipelines.releases import ReleaseFolder, files_of
from pipelines.store import Store
from pipelines.workspace import Workspace

SAMPLE = ("sample_id", "doc_id", "source", "locator", "split", "slice", "openness", "line", "name")
PLACE = ("doc_id", "source", "locator", "path", "bytes_digest", "content_digest")


def among(store: Store, table: str, column: str, names: Collection[str], columns: Sequence[str]) -> pl.DataFrame:
    """The rows of a table whose column holds one of many names; none where the table does not exist yet."""
    wanted = pl.LazyFrame({column: list(names)}, schema={column: pl.String})
    try:
        rows = store.scan(table)
    except LookupError:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    return rows.join(wanted, on=column, how="semi").select(columns).collect()


def places_of(store: Store, contents: Collection[str]) -> list[Row]:
    """All places where these contents stand, their texts left out."""
    return rows_where(store, "documents", pl.col("content_digest").is_in(list(contents)), PLACE)


def samples_of(store: Store, documents: Collection[str]) -> list[Row]:
    """The samples that belong to one of these documents, in the order of their places."""
    found = rows_where(store, "samples", pl.col("doc_id").is_in(list(documents)), SAMPLE)
    return sorted(found, key=lambda row: (row["source"], row["locator"], row["line"] or 0, row["sample_id"]))


def tables_like(store: Store, *stems: str) -> Iterator[str]:
    """The tables that are made once per entry of a list in the settings, by the beginning of their names."""
    yield from (name for name in store.tables() if name.startswith(tuple(f"{stem}_" for stem in stems)))


def answers_to(store: Store, samples: Collection[str]) -> dict[tuple[str, str, str], int]:
    """How many answers there are to these samples: by model, its version, and the prompt it was asked under."""
    found: dict[tuple[str, str, str], int] = {}
    for table in tables_like(store, "answers", "base_answers"):
        wanted = pl.col("sample_id").is_in(list(samples))
        for row in rows_where(store, table, wanted, ("model", "model_version", "prompt")):
            key = (row["model"], row["model_version"], row["prompt"])
            found[key] = found.get(key, 0) + 1
    return found


def models_on(store: Store, releases: Collection[ReleaseFolder]) -> list[Row]:
    """The models, as they stand, that were trained on one of these releases."""
    versions = [release.version for release in releases if release.dataset == "instructions"]
    found = [
        row
        for table in tables_like(store, "model")
        for row in rows_where(store, table, pl.col("dataset_version").is_in(versions))
    ]
    return sorted(found, key=lambda row: str(row["model"]))


def scores_of(store: Store, versions: Collection[str]) -> list[Row]:
    """The scores of models of these versions."""
    found = rows_where(store, "scores", pl.col("model_version").is_in(list(versions)))
    return sorted(found, key=lambda row: (row["model"], row["metric"], row["split"], row["prompt"]))


def tasks_on(store: Store, samples: Collection[str]) -> list[Row]:
    """What people were or will be asked about these samples, with the state on the server where it is known."""
    wanted = pl.col("sample_id").is_in(list(samples))
    asked = rows_where(store, "annotation_tasks", wanted, ("task_digest", "sample_id", "project"))
    there = rows_where(store, "label_studio_projects", wanted, ("task_digest", "sample_id", "project", "state"))
    states = {row["task_digest"]: row for row in asked} | {row["task_digest"]: row for row in there}
    return [states[name] for name in sorted(states)]


def annotations_on(store: Store, samples: Collection[str]) -> list[Row]:
    """What people answered about these samples."""
    columns = ("annotation_id", "sample_id", "task_digest", "project", "annotator", "kind", "value", "status")
    found = rows_where(store, "annotations", pl.col("sample_id").is_in(list(samples)), columns)
    return sorted(found, key=lambda row: str(row["annotation_id"]))


def sources_of(workspace: Workspace, release: ReleaseFolder) -> list[Row]:
    """What a release was made of, by source: `source`, `samples`, `documents`; a null source where it is known no more."""
    held = pl.concat([pl.scan_parquet(path).select("sample_id") for _, path in files_of(release)])
    try:
        known = workspace.store.scan("samples").select("sample_id", "source", "doc_id")
    except LookupError:
        known = pl.LazyFrame(schema={"sample_id": pl.String, "source": pl.String, "doc_id": pl.String})
    counted = (
        held.unique()
        .join(known, on="sample_id", how="left")
        .group_by("source")
        .agg(samples=pl.len(), documents=pl.col("doc_id").n_unique())
    )
    return counted.sort("source", nulls_last=True).collect().to_dicts()
