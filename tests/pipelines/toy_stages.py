"""A small graph on which the engine is tried: files of lines, each a content, measured, decided on and counted.

A file is `raw/<name>`. Of its lines those that begin with "!" are rejected; some lines are poison to the measure. `calls`
notes which stages computed in this process, and `meanwhile` holds what others do while a stage is on.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from curation.inventory import Source
from pipelines import measuring_worker
from pipelines.commits import Books, Change
from pipelines.digests import frame_version
from pipelines.engine import Ran, run_node
from pipelines.graph import Graph, build_graph
from pipelines.settings import Config
from pipelines.stages import Changes, Observation, Output, Run, Stage, fold, measure, observable, stage
from pipelines.workspace import Workspace
from records import Outcome, content_digest, digest

calls: list[str] = []
meanwhile: dict[str, list[Callable[[], object]]] = {}


@dataclass(frozen=True)
class ScaleSettings:
    """Settings of the measure."""

    scale: int = 1
    threads: int = field(default=1, metadata={"runtime": True})


@dataclass(frozen=True)
class LeastSettings:
    """Settings of the decision."""

    least: int = 4


class ToyConfig(Config):
    """A `headwater.yaml` with the toys' own parts."""

    scaling: ScaleSettings = ScaleSettings()
    deciding: LeastSettings = LeastSettings()

    def section_of(self, kind: Any) -> str | None:
        return {ScaleSettings: "scaling", LeastSettings: "deciding"}.get(kind) or super().section_of(kind)


def _noted(name: str) -> None:
    calls.append(name)
    for act in meanwhile.pop(name, []):
        act()


@observable(group="sources")
def notes(workspace: Workspace) -> Observation:
    """The files, by their bytes."""
    paths = sorted((workspace.root / "raw").iterdir())
    rows = [{"file": path.name, "bytes_digest": digest(path.read_bytes()), "text": path.read_text()} for path in paths]
    table = pl.DataFrame(rows, schema={"file": pl.String, "bytes_digest": pl.String, "text": pl.String})
    return Observation(frame_version(table), table)


PLACE = {"file": pl.String, "bytes_digest": pl.String, "line": pl.Int64}


def _books(state: Mapping[str, pl.LazyFrame], files: int) -> Books:
    files_read = pl.concat([table.select("file") for table in state.values()]).unique().collect().height
    return Books("files", files, files_read)


@fold(
    group="documents",
    code_version="1",
    of="notes",
    key=("file", "bytes_digest"),
    outputs=(Output("lines", ("file", "line")), Output("rejects", ("file", "line"))),
    books=_books,
)
def lines(state: Mapping[str, pl.LazyFrame], added: pl.DataFrame, removed: pl.DataFrame) -> Changes:
    """The lines of every file; those that begin with "!" stand in `rejects`."""
    _noted("lines")
    found = [
        {"file": row["file"], "bytes_digest": row["bytes_digest"], "line": place, "text": text}
        for row in added.iter_rows(named=True)
        for place, text in enumerate(row["text"].split("\n"))
    ]
    kept = [{**row, "content_digest": content_digest(row["text"])} for row in found if not row["text"].startswith("!")]
    good = pl.DataFrame(kept, schema={**PLACE, "text": pl.String, "content_digest": pl.String})
    bad = pl.DataFrame([row for row in found if row["text"].startswith("!")], schema=PLACE)
    return Changes({"lines": Change(good, removed), "rejects": Change(bad, removed)})


@measure(group="curation", code_version="1", of="lines", uses=("polars",))
def lengths(contents: pa.RecordBatch, settings: ScaleSettings) -> pa.RecordBatch:
    """How long each line is, and where its blanks stand; what poison does to it, it does here."""
    texts = contents["text"].to_pylist()
    if "raise" in texts:
        raise ValueError("a poison line")
    if "memory" in texts:
        raise MemoryError
    if "die" in texts:
        os._exit(3)
    if "killed" in texts:
        os.kill(os.getpid(), signal.SIGKILL)
    measured = pl.DataFrame(
        {
            "content_digest": contents["content_digest"].to_pylist(),
            "length": [len(text) * settings.scale for text in texts],
            "blanks": [[place for place, sign in enumerate(text) if sign == " "] for text in texts],
        },
        schema={"content_digest": pl.String, "length": pl.Int64, "blanks": pl.List(pl.Int64)},
    )
    return (
        measured.to_arrow().combine_chunks().to_batches()[0]
        if texts
        else pa.RecordBatch.from_pylist([], measured.to_arrow().schema)
    )


@stage(
    group="curation",
    code_version="1",
    primary_key="content_digest",
    outside=("file",),
    counts="lines",
    unit="lines",
    checks=("sound",),
)
def long_lines(lines: pl.LazyFrame, lengths: pl.DataFrame, settings: LeastSettings) -> Outcome:
    """One row per line that is long enough, at its first place."""
    _noted("long_lines")
    all_lines = lines.select("content_digest", "file", "text").collect().sort("file", "text")
    measured = all_lines.join(lengths, on="content_digest")
    failed = measured.filter(pl.col("error").is_not_null()).height
    kept = measured.filter(pl.col("length") >= settings.least)
    table = kept.unique("content_digest", keep="first", maintain_order=True).select("content_digest", "file", "text")
    dropped = {"copy": kept.height - table.height, "short": measured.height - failed - kept.height}
    return Outcome(
        table,
        dropped=dropped,
        failed={"not measured": failed} if failed else {},
        notes={"longest": 7},
        checks={"sound": ""},
    )


@stage(group="evaluation", code_version="1", primary_key="name", recorded=True)
def report(long_lines: pl.DataFrame, run: Run) -> Outcome:
    """How many there are, beside the table in a file too."""
    _noted("report")
    (run.folder() / "report.txt").write_text(f"{long_lines.height}")
    folder = run.folder().relative_to(run.workspace.state / "store")
    return Outcome(pl.DataFrame({"name": ["lines"], "count": [long_lines.height]}), notes={"folder": str(folder)})


outside_world: dict[str, list[str]] = {"board": []}


@stage(group="annotation", code_version="1", primary_key="notice", world=True)
def board(report: pl.DataFrame) -> Outcome:
    """What hangs on a board in the world."""
    _noted("board")
    return Outcome(pl.DataFrame({"notice": outside_world["board"]}, schema={"notice": pl.String}))


STAGES = [notes, lines, lengths, long_lines, report, board]


class ToyWorkspace(Workspace):
    """A workspace whose settings are in no file."""

    def reload(self) -> Workspace:
        return self


class House:
    """A workspace of toys: edit its files, and run it."""

    def __init__(self, root: Path, stages: Sequence[Stage] = STAGES) -> None:
        self.root, self.stages = root, list(stages)
        (root / "raw").mkdir(parents=True)
        self.settings: dict[str, Any] = {}

    def write(self, name: str, *texts: str) -> None:
        """Give a file these lines."""
        (self.root / "raw" / name).write_text("\n".join(texts))

    def remove(self, name: str) -> None:
        """Take a file away."""
        (self.root / "raw" / name).unlink()

    def revise(self, name: str, **changes: Any) -> None:
        """Change what a stage is declared to be."""
        self.stages = [replace(each, **changes) if each.name == name else each for each in self.stages]

    @property
    def workspace(self) -> Workspace:
        """The workspace under the settings of now."""
        found = ToyWorkspace(self.root)
        found.__dict__["config"] = ToyConfig(sources=(Source("unused", str(self.root)),), **self.settings)
        return found

    @property
    def graph(self) -> Graph:
        """The graph under the settings of now."""
        return build_graph(self.stages, self.workspace.config)

    def run(self, *names: str, force: bool = False) -> dict[str, Ran]:
        """Bring the named nodes (all, when none is named) up to date, in order, looking at the files once."""
        graph, workspace, seen = self.graph, self.workspace, {}
        return {
            node.name: run_node(node, graph, workspace, seen, force)
            for node in graph.stages()
            if not names or node.name in names
        }

    def computed(self) -> set[str]:
        """Run all, and say what was computed."""
        return {name for name, ran in self.run().items() if ran.computed}

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A table's rows, in an order that does not depend on how they came."""
        return sorted(self.workspace.store.scan(table).collect().to_dicts(), key=repr)

    def versions(self) -> dict[str, str]:
        """Every table's version."""
        store = self.workspace.store
        return {name: head.version for name in store.tables() if (head := store.head(name))}


class InProcess:
    """Stands in for the pool of worker processes where nothing dies."""

    def __init__(self, *_: object, initargs: tuple[object, Mapping[str, Any]], **__: object) -> None:
        measuring_worker.given.clear()
        measuring_worker.given.update(initargs[1])

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Do it now."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:  # noqa: BLE001 - the future tells
            future.set_exception(error)
        return future

    def shutdown(self, **_: object) -> None:
        """Nothing to end."""
