"""What a look at a source found: how many files are new, changed or gone since they were read.

An observation tells Dagster a version and nothing else, and of a tick without a run Dagster says "skipped", whether it found
something or not. So the counts stand beside the version on the source's page, and in the words of the tick. They are taken
against what `documents` and `failures` hold, for that is what the next run will make good, whatever was seen in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl

from curation.inventory import FILE
from pipelines.graph import Graph, Node
from pipelines.inputs import observe
from pipelines.store import Store
from pipelines.workspace import Workspace

Facts = Mapping[str, int | str]
PLACE = ("source", "path")
READ = ("documents", "failures")
"""The tables that together name every file that was read."""


def facts_by(graph: Graph, workspace: Workspace) -> Callable[[str], Facts]:
    """Gives, by the name of an observable, what a look at it finds: counts of files of a source, nothing of all others."""

    def facts(name: str) -> Facts:
        node = graph.nodes.get(name)
        if node is None or node.stage.name != "source":
            return {}
        try:
            return _of_source(node, workspace.reload())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with counting, that something is new must be told
            return {"not counted": f"{type(error).__name__}: {error}"}

    return facts


def _of_source(node: Node, workspace: Workspace) -> Facts:
    files: pl.DataFrame = observe(node, workspace).value
    return files_found(files, workspace.store, node.entry_name)


def files_found(files: pl.DataFrame, store: Store, source: str) -> Facts:
    """How many of the files (`FILE`) of a source are new, changed or gone against what was read of it."""
    now, read = files.select(FILE), _read(store, source)
    came, went = now.join(read, on=FILE, how="anti"), read.join(now, on=FILE, how="anti")
    changed = came.join(went, on=PLACE, how="semi").height
    return {
        "files": now.height,
        "new files": came.height - changed,
        "changed files": changed,
        "gone files": went.join(now, on=PLACE, how="anti").height,
    }


def _read(store: Store, source: str) -> pl.DataFrame:
    tables = [store.scan(name).filter(source=source).select(FILE) for name in READ if store.head(name) is not None]
    nothing = pl.LazyFrame(schema=dict.fromkeys(FILE, pl.String))
    return pl.concat([nothing, *tables]).unique().collect(engine="streaming")


def in_words(name: str, facts: Facts) -> str:
    """`source_docs: 3 new, 1 changed, 2 gone files`."""
    counts = [f"{facts[f'{kind} files']:,} {kind}" for kind in ("new", "changed", "gone") if facts.get(f"{kind} files")]
    others = [f"{key} {value}" for key, value in facts.items() if isinstance(value, str)]
    said = "; ".join([", ".join(counts) + " files" if counts else "", *others]).strip("; ")
    return f"{name}: {said}" if said else name
