"""Pinning: what a stage reads is fixed, by version, before it starts.

Each input of a node becomes a version (which enters the key) and a value (which is loaded only if the stage computes).
What is observed is looked at once, here; tables are read at the commit that was pinned, however they move meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import polars as pl

from pipelines.commits import Commit
from pipelines.graph import SETTINGS, Graph, Input, Node
from pipelines.settings import canonical, settings_version
from pipelines.stages import Observation, Release
from pipelines.watching import watcher
from pipelines.workspace import Workspace


class MissingInput(LookupError):
    """A table that a stage reads has not been made yet, or did not pass its checks."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One input, pinned."""

    version: str
    load: Callable[[bool], Any]
    """The value; the argument says whether lazily, where that is a difference."""
    rows: int = 0
    number: int = -1
    """Of the commit, for a table."""


@dataclass(frozen=True, slots=True)
class Pinned:
    """All inputs of a node at one moment."""

    pins: Mapping[str, Pin]
    settings: Mapping[str, Any]

    @property
    def versions(self) -> dict[str, str]:
        """Input to version, as it stands in the commit."""
        return {name: pin.version for name, pin in self.pins.items()}


_looks: ContextVar[dict[str, Observation] | None] = ContextVar("looks", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """In this block every entry of a list (a source, a base) is looked at once: a look is a walk over all its files."""
    token = _looks.set({})
    try:
        yield
    finally:
        _looks.reset(token)


def observe(node: Node, workspace: Workspace) -> Observation:
    """Look at an observable now, or take what this run has seen of it."""
    looks = _looks.get()
    if looks is None or not node.stage.each:
        return _look(node, workspace)
    if node.name not in looks:
        looks[node.name] = _look(node, workspace)
    return looks[node.name]


def _look(node: Node, workspace: Workspace) -> Observation:

    def told(done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None:
        watcher().advanced(node.name, done, total, unit, beside)

    values = {"entry": node.entry, "workspace": workspace, "progress": told}
    seen: Observation = node.stage.function(**{given.parameter: values[given.role] for given in node.inputs})
    return seen


def _whole(value: Any, lazy: bool) -> Any:
    """A value that is no table is the same, lazy or not."""
    return value


def pin(node: Node, graph: Graph, workspace: Workspace, seen: dict[str, Observation]) -> Pinned:
    """Pin every input of a node. `seen` keeps what was observed, so that one look serves a whole run.

    Raises MissingInput when a table has never been committed, or has faults.
    """
    pins: dict[str, Pin] = {}
    settings: dict[str, Any] = {}
    for given in node.inputs:
        for entry, name in given.names.items():
            if given.role in {"settings", "entry"}:
                value = node.entry if given.role == "entry" else workspace.config.part(name)
                pins[SETTINGS + name] = Pin(settings_version(value), partial(_whole, value))
                settings[name] = canonical(value)
            elif given.role in {"observed", "observeds"}:
                pins[name] = _observed(graph.nodes[name], workspace, seen)
            elif given.role in {"table", "tables", "release"}:
                pins[name] = _table(name, workspace, given.role == "release", entry)
    return Pinned(pins, settings)


def _observed(node: Node, workspace: Workspace, seen: dict[str, Observation]) -> Pin:
    found = seen.get(node.name)
    if found is None:
        found = seen[node.name] = observe(node, workspace)
    value = found.value
    rows = value.height if isinstance(value, pl.DataFrame) else 0
    return Pin(found.version, lambda lazy: value.lazy() if lazy and isinstance(value, pl.DataFrame) else value, rows)


def _table(name: str, workspace: Workspace, release: bool, entry: str) -> Pin:
    head = workspace.store.head(name)
    if head is None:
        raise MissingInput(f"table {name} does not exist yet; `headwater run {name}` makes it")
    if head.faults:
        raise MissingInput(
            f"table {name} did not pass its checks ({'; '.join(head.faults)}); mend its stage and run again"
        )
    if release:
        return Pin(head.version, lambda lazy: released(workspace, head), head.rows)

    def load(lazy: bool) -> pl.LazyFrame | pl.DataFrame:
        rows = workspace.store.scan(name, head.number)
        return rows if lazy else rows.collect()

    return Pin(head.version, load, head.rows, head.number)


def released(workspace: Workspace, head: Commit) -> Release:
    """The release that a commit of a dataset's table speaks of."""
    version = head.notes.get("release")
    if not version:
        raise MissingInput(f"table {head.table} has no release; `headwater run {head.table} --force` makes one")
    return Release(version, workspace.releases / head.table / version)


def value_of(given: Input, pinned: Pinned) -> Any:
    """The value of one parameter."""
    if given.role in {"tables", "observeds"}:
        return {entry: pinned.pins[name].load(given.lazy) for entry, name in given.names.items()}
    if given.role == "absent":
        return None
    prefix = SETTINGS if given.role in {"settings", "entry"} else ""
    return pinned.pins[prefix + given.name].load(given.lazy)
