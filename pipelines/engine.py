"""Memoisation by content: a node runs only if its key is new, and then commits all or nothing.

The key of a node is the digest of what it is made from: its inputs' versions, its settings, its code version and the
versions of the libraries it names. The key stands in the commit of each of its tables, so a node whose key is unchanged
returns at once, in a schedule, under automation, or when a person clicks *Materialize all* (Dagster by itself runs it
again; see its issues 14842 and 25439).
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pipelines.changes import changed, fold_elements, read_elements, seen_elements
from pipelines.graph import Graph, Node
from pipelines.inputs import MissingInput, Pinned, pin, value_of
from pipelines.launch import launcher
from pipelines.measuring import evidence
from pipelines.stages import Changes, Observation, Run
from pipelines.store import Books, Change, Commit, CommitConflict
from pipelines.watching import watcher
from pipelines.workspace import Workspace
from records import Outcome, Picture, digest

TRIES = 3


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a node: its commits, by table, and whether anything was computed."""

    node: str
    commits: dict[str, Commit]
    computed: bool
    seconds: float = 0.0
    pictures: tuple[Picture, ...] = ()
    unequal: bool = False
    """It was computed again by force, from the same inputs, and came out different."""


def libraries(node: Node) -> dict[str, str]:
    """The versions of the distributions that a node's key names."""
    return {name: _version(name) for name in node.stage.uses}


def _version(name: str) -> str:
    return ".".join(platform.python_version_tuple()[:2]) if name == "python" else importlib.metadata.version(name)


def recipe_of(node: Node, pinned: Pinned) -> str:
    """All of the key but the elements that a measure or a fold goes through: what its state is valid for."""
    elements = _elements(node)
    given = [f"{name}={version}" for name, version in sorted(pinned.versions.items()) if name not in elements]
    used = [f"{name}=={version}" for name, version in sorted(libraries(node).items())]
    return digest("recipe", node.name, node.stage.code_version, *used, *given)


def key_of(node: Node, pinned: Pinned) -> str:
    """The key of a node."""
    return digest(
        "key", recipe_of(node, pinned), *(f"{name}={version}" for name, version in sorted(pinned.versions.items()))
    )


def _elements(node: Node) -> set[str]:
    if node.stage.kind not in {"measure", "fold"}:
        return set()
    return {name for given in node.inputs if given.parameter in {"contents", "added"} for name in given.names.values()}


def heads_of(node: Node, workspace: Workspace) -> dict[str, Commit | None]:
    """The newest commit of each of a node's tables."""
    return {output.name: workspace.store.head(output.name) for output in node.outputs}


def is_hit(heads: Iterable[Commit | None], key: str, workspace: Workspace) -> bool:
    """Whether all tables of a node were made under this key, passed their checks, and have their files."""
    for head in heads:
        if head is None or head.key != key or head.faults:
            return False
        folder = head.notes.get("folder")
        if folder and not (workspace.state / "store" / folder).exists():
            return False
    return True


def reasons(node: Node, graph: Graph, workspace: Workspace, seen: dict[str, Observation]) -> list[str]:
    """Why a node is out of date, in words; empty when it is fresh."""
    heads = heads_of(node, workspace)
    head = next(iter(heads.values()))
    if any(found is None for found in heads.values()) or head is None:
        return ["never made"]
    try:
        pinned = pin(node, graph, workspace, seen)
    except MissingInput as error:
        return [str(error)]
    if is_hit(heads.values(), key_of(node, pinned), workspace):
        return []
    changed_inputs = [name for name, version in pinned.versions.items() if head.inputs.get(name) != version]
    gone = [name for name in head.inputs if name not in pinned.versions]
    said = [f"{name} changed" for name in changed_inputs] + [f"{name} is gone" for name in gone]
    if head.code_version != node.stage.code_version:
        said.append(f"code version {head.code_version} → {node.stage.code_version}")
    said += [f"check {fault}" for fault in head.faults]
    return said or ["a library's version changed, a table is of another run, or its files are gone"]


def run_node(node: Node, graph: Graph, workspace: Workspace, seen: dict[str, Observation], force: bool = False) -> Ran:
    """Bring one node up to date. Its inputs must exist.

    Raises MissingInput, CommitConflict (after three tries against other writers), and whatever the stage raises.
    """
    for attempt in range(TRIES):
        try:
            return _run_once(node, graph, workspace, seen, force)
        except CommitConflict:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _run_once(node: Node, graph: Graph, workspace: Workspace, seen: dict[str, Observation], force: bool) -> Ran:
    pinned = pin(node, graph, workspace, seen)
    heads = heads_of(node, workspace)
    key = key_of(node, pinned)
    hit = is_hit(heads.values(), key, workspace)
    if hit and not force and not node.stage.world:
        return Ran(node.name, {name: head for name, head in heads.items() if head is not None}, computed=False)
    watcher().started(node.name)
    begun = time.monotonic()
    try:
        commits, pictures = _compute(node, pinned, heads, key, workspace, force)
    finally:
        watcher().ended(node.name)
    unequal = hit and any(commits[name].version != head.version for name, head in heads.items() if head)
    return Ran(
        node.name, commits, not (hit and node.stage.world and not unequal), time.monotonic() - begun, pictures, unequal
    )


def _compute(
    node: Node, pinned: Pinned, heads: dict[str, Commit | None], key: str, workspace: Workspace, force: bool
) -> tuple[dict[str, Commit], tuple[Picture, ...]]:
    begun = time.monotonic()
    draft = _draft(node, pinned, key)
    run = Run(workspace, node.name, key, _progress(node), launcher(workspace, node.name, key))
    if node.stage.kind == "stage":
        outcome = _outcome(node.stage.function(**_arguments(node, pinned, run)))
        commits = _replace(node, outcome, draft, heads, pinned, workspace, begun)
        return commits, tuple(outcome.pictures)
    valid = not force and _is_state(heads.values(), draft.recipe)
    if node.stage.kind == "measure":
        return _measure(node, pinned, run, draft, heads, valid, workspace, begun), ()
    return _fold(node, pinned, run, draft, heads, valid, workspace, begun), ()


def _is_state(heads: Collection[Commit | None], recipe: str) -> bool:
    """Whether the tables are of one run under this recipe: a run that was killed between two commits leaves no state."""
    return (
        all(head is not None and head.recipe == recipe for head in heads)
        and len({head.key for head in heads if head}) == 1
    )


def _draft(node: Node, pinned: Pinned, key: str) -> Commit:
    recipe = recipe_of(node, pinned)
    version = key if node.stage.recorded else ""
    return Commit(
        "", key, recipe, pinned.versions, dict(pinned.settings), node.stage.code_version, version, "", 0, "", 0, 0
    )


def _progress(node: Node) -> Any:
    def told(done: int, total: int | None = None, unit: str = "rows") -> None:
        watcher().advanced(node.name, done, total, unit)

    return told


def _arguments(node: Node, pinned: Pinned, run: Run, without: tuple[str, ...] = ()) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for given in node.inputs:
        if given.parameter in without:
            continue
        if given.role == "run":
            arguments[given.parameter] = run
        elif given.role == "progress":
            arguments[given.parameter] = run.progress
        elif given.role == "workspace":
            arguments[given.parameter] = run.workspace
        else:
            arguments[given.parameter] = value_of(given, pinned)
    return arguments


def _outcome(result: Any) -> Outcome:
    return result if isinstance(result, Outcome) else Outcome(result)


def _taken(node: Node, pinned: Pinned, otherwise: int) -> int:
    if not node.stage.counts:
        return otherwise
    given = next(given for given in node.inputs if given.parameter == node.stage.counts)
    return sum(pinned.pins[name].rows for name in given.names.values())


def _replace(
    node: Node,
    outcome: Outcome,
    draft: Commit,
    heads: dict[str, Commit | None],
    pinned: Pinned,
    workspace: Workspace,
    begun: float,
) -> dict[str, Commit]:
    kept = outcome.table.height if outcome.kept is None else outcome.kept
    counted = kept + sum(outcome.dropped.values()) + sum(outcome.failed.values())
    books = Books(node.stage.unit, _taken(node, pinned, counted), kept, dict(outcome.dropped), dict(outcome.failed))
    commits = {}
    for place, output in reversed(list(enumerate(node.outputs))):
        frame = outcome.table if place == 0 else outcome.others[output.name]
        said = {"notes": dict(outcome.notes), "checks": dict(outcome.checks)} if place == 0 else {}
        commit = replace(draft, table=output.name, books=books, seconds=round(time.monotonic() - begun, 3), **said)
        commits[output.name] = workspace.store.replace(
            frame, commit, heads[output.name], output.primary_key, output.outside
        )
    return commits


def _measure(
    node: Node,
    pinned: Pinned,
    run: Run,
    draft: Commit,
    heads: dict[str, Commit | None],
    valid: bool,
    workspace: Workspace,
    begun: float,
) -> dict[str, Commit]:
    output = node.outputs[0]
    given = next(given for given in node.inputs if given.parameter == "contents")
    contents = read_elements(given, pinned)
    known = workspace.store.scan(output.name) if valid else None
    names = contents.select("content_digest").unique().collect()
    came, went = changed(names, None if known is None else known.select("content_digest").collect())
    options = _arguments(node, pinned, run, without=("contents",))
    rows = evidence(node.stage, contents, came, options, run.progress)
    if known is None:
        rows_failed = _failures(rows)
    else:
        rows_failed = _failures(
            pl.concat(
                [
                    known.select("content_digest", "error")
                    .join(went.lazy(), on="content_digest", how="anti")
                    .collect(),
                    rows.select("content_digest", "error"),
                ]
            )
        )
    books = Books("contents", names.height, names.height - sum(rows_failed.values()), {}, rows_failed)
    commit = replace(
        draft,
        table=output.name,
        books=books,
        notes={"measured": came.height},
        seconds=round(time.monotonic() - begun, 3),
    )
    head = heads[output.name]
    if known is None or head is None:
        return {output.name: workspace.store.replace(rows, commit, head, output.primary_key)}
    return {output.name: workspace.store.change(Change(rows, went), commit, head, output.primary_key)}


def _failures(rows: pl.DataFrame) -> dict[str, int]:
    failed = (
        rows.filter(pl.col("error").is_not_null())
        .group_by(pl.col("error").str.split(":").list.first())
        .len()
        .sort("error")
    )
    return dict(failed.iter_rows())


def _fold(
    node: Node,
    pinned: Pinned,
    run: Run,
    draft: Commit,
    heads: dict[str, Commit | None],
    valid: bool,
    workspace: Workspace,
    begun: float,
) -> dict[str, Commit]:
    given = next(given for given in node.inputs if given.parameter == "added")
    elements = fold_elements(given, pinned)
    keys = list(node.stage.key)
    state = {output.name: workspace.store.scan(output.name) for output in node.outputs} if valid else {}
    came, went = changed(elements.select(keys).unique().collect(), seen_elements(state, keys) if state else None)
    added = elements.join(came.lazy(), on=keys, how="semi", nulls_equal=True).collect()
    options = _arguments(node, pinned, run, without=("state", "added", "removed"))
    changes: Changes = node.stage.function(state, added, went, **options)
    commits = {}
    for output in reversed(node.outputs):
        change = changes.tables[output.name]
        after = _after(state.get(output.name), change)
        state = {**state, output.name: after}
    books = node.stage.books(state, elements.select(keys).unique().collect().height) if node.stage.books else None
    for output in reversed(node.outputs):
        head, change = heads[output.name], changes.tables[output.name]
        notes = dict(changes.notes) | {"added": came.height, "removed": went.height}
        commit = replace(draft, table=output.name, books=books, notes=notes, seconds=round(time.monotonic() - begun, 3))
        if valid and head is not None:
            commits[output.name] = workspace.store.change(change, commit, head, output.primary_key)
        else:
            frame = change.added
            assert frame is not None, (
                f"{node.name}: a fold that starts from empty must return a frame for {output.name}"
            )
            commits[output.name] = workspace.store.replace(frame, commit, head, output.primary_key, output.outside)
    return commits


def _after(state: pl.LazyFrame | None, change: Change) -> pl.LazyFrame:
    if state is None:
        assert change.added is not None
        return change.added.lazy()
    if change.removed is not None and change.removed.height:
        state = state.join(change.removed.lazy(), on=change.removed.columns, how="anti", nulls_equal=True)
    return state if change.added is None else pl.concat([state, change.added.lazy()])
