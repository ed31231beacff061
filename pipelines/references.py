"""What names what lies in the store. By this, and by nothing else, it is known what nobody can need any more.

A table is held if the settings ask for it, if people said what is in it, or if a table that is held was made of it.
Weights are held while the newest rows of any table name them: those of a model, of what it answered and reached, of the
promoted model and of each decision on it, also where those are a base's own. Who holds weights holds the table of their
stage too, by which a takedown finds them, and the base that they stand on. Releases are not looked at: they are kept for ever.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from pipelines.graph import Graph
from pipelines.lookup import Row, rows_where
from pipelines.releases import ReleaseFolder
from pipelines.reports import REPORT
from pipelines.settings import slug
from pipelines.store import Store
from pipelines.workspace import Workspace
from training.checkpoint import RECIPE

NAMING = ("folder", "version", "weights", "model_version", "stood")
"""The columns, of whatever table, whose values name weights: by their version, or by the folder that it is a part of."""
PEOPLE = ("annotator",)
"""A table with one of these columns holds what people said. It may be the only copy."""
KEPT = {
    "tombstones": "it says what was taken back",
    "purges": "it says what was purged",
    "tags": "it names releases",
    "overruled": "it says what people decided",
    "promoted_model": "it says what is promoted",
    "promotion_rules": "it says why that is promoted",
    "promoted_scores": "it says what the promoted version reached",
}
"""Tables that commands write, or that say what was decided, whether or not the settings ask for them now."""
VERSION = re.compile("[0-9a-f]{16}")
"""How a folder of artifacts is called: by the first digits of the key that it was made under."""
BASE = "base_model_"
"""How the table of a base is called, before the base's name; the version of its weights begins its column `digest`."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a table names, by its newest commit and the rows of that: tables, versions, and places in the workspace's state."""

    tables: frozenset[str] = frozenset()
    versions: frozenset[str] = frozenset()
    places: frozenset[str] = frozenset()
    is_of_people: bool = False
    bases: frozenset[str] = frozenset()
    """The versions of the bases whose table this is."""


def said_by(store: Store, table: str) -> Said:
    """What a table names; nothing where it was never committed."""
    head = store.head(table)
    if head is None:
        return Said()
    rows = store.scan(table, head.number)
    schema = rows.collect_schema()
    folder, report = (str(head.notes.get(note) or "") for note in ("folder", REPORT))
    named = [folder, head.key[:16], *_values(rows, schema)]
    return Said(
        frozenset(head.inputs),
        frozenset(part for name in named for part in name.split("/") if VERSION.fullmatch(part)),
        frozenset(place for place in (f"store/{folder}" if folder else "", report) if place),
        any(column in schema for column in PEOPLE),
        frozenset(rows.select("digest").collect()["digest"].str.head(16)) if table.startswith(BASE) else frozenset(),
    )


def _values(rows: pl.LazyFrame, schema: pl.Schema) -> Iterator[str]:
    """What stands in the columns that name weights."""
    naming = [name for name in NAMING if schema.get(name) in (pl.String, pl.List(pl.String))]
    found = rows.select(naming).unique().collect() if naming else pl.DataFrame()
    for values in found:
        yield from (values.explode() if values.dtype == pl.List else values).drop_nulls().unique()


def weights_recipe(folder: Path) -> dict[str, Any]:
    """What weights were made by, as it stands beside them; nothing where no weights lie in a folder.

    Raises:
        ValueError: it is damaged.
    """
    for path in folder.glob(f"*/{RECIPE}"):
        try:
            return dict[str, Any](json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{path} cannot be read ({error}): these weights are damaged; remove {folder} and run again"
            ) from error
    return {}


def kept_on(workspace: Workspace, releases: Collection[ReleaseFolder]) -> list[Row]:
    """Weights that were trained on one of these releases and that lie here, though their model's table has newer ones."""
    versions = {release.version for release in releases if release.dataset == "instructions"}
    found: list[Row] = []
    for folder in sorted(workspace.artifacts.glob("model_*/*")) if versions else ():
        release, table = weights_recipe(folder).get("dataset_version"), folder.parent.name
        if release in versions and not rows_where(workspace.store, table, pl.col("version") == folder.name):
            model = table.removeprefix("model_")
            found.append({"model": model, "version": folder.name, "dataset_version": release})
    return found


def held_tables(workspace: Workspace, graph: Graph, said: Mapping[str, Said]) -> dict[str, str]:
    """Which of these tables are held, each with why."""
    waiting = deque((name, "the settings ask for it") for name in graph.makers)
    waiting += KEPT.items()
    waiting += ((name, "people said what is in it") for name, each in said.items() if each.is_of_people)
    made, bases = _folders(workspace), _bases(said)
    held: dict[str, str] = {}
    while waiting:
        table, why = waiting.popleft()
        if table not in said or table in held:
            continue
        held[table] = why
        waiting += ((name, f"{table} was made of it") for name in sorted(said[table].tables))
        for version in sorted(said[table].versions):
            owners = (*_owners(made.get(version, ())), *bases.get(version, ()))
            waiting += ((name, f"{table} names weights of it") for name in owners)
    return held


def _folders(workspace: Workspace) -> dict[str, list[Path]]:
    """The folders of artifacts by their versions."""
    found: dict[str, list[Path]] = {}
    for folder in sorted(workspace.artifacts.glob("*/*")):
        if VERSION.fullmatch(folder.name):
            found.setdefault(folder.name, []).append(folder)
    return found


def _bases(said: Mapping[str, Said]) -> dict[str, list[str]]:
    """The tables of bases by the versions of their weights."""
    found: dict[str, list[str]] = {}
    for table, each in said.items():
        for version in each.bases:
            found.setdefault(version, []).append(table)
    return found


def _owners(folders: Collection[Path]) -> Iterator[str]:
    """The tables by which artifacts are found, and those of the bases that they stand on."""
    for folder in folders:
        yield folder.parent.name
        base = weights_recipe(folder).get("base", {}).get("name")
        if base:
            yield f"{BASE}{slug(base)}"
