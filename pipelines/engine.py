"""Memoisation by content: a node runs only if its key is new, and then commits all or nothing.

The key of a node is the digest of what it is made from: its inputs' versions, its settings, its code version and the
versions of the libraries it names. The key stands in the commit of each of its tables, so a node whose key is unchanged
returns at once, in a schedule, under automation, or when a person clicks *Materialize all* (Dagster by itself runs it
again; see its issues 14842 and 25439).
"""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from curation.allocators import share_with_arrow
from curation.compiling import told_to
from pipelines.anew import why_anew
from pipelines.commits import Commit, CommitConflict
from pipelines.computing import Computation, compute
from pipelines.cut_off import noted
from pipelines.extras import version_of
from pipelines.graph import ELEMENTS, Graph, Node
from pipelines.in_use import in_use
from pipelines.inputs import MissingInput, Pinned, pin
from pipelines.launch import launcher
from pipelines.reports import REPORT
from pipelines.stages import Observation, Run
from pipelines.watching import watcher
from pipelines.workspace import Workspace
from records import Picture, digest

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
    return ".".join(platform.python_version_tuple()[:2]) if name == "python" else version_of(name)


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
    parameter = ELEMENTS.get(node.stage.kind)
    gone_through = [
        given
        for given in node.inputs
        if given.tracked or given.parameter == parameter or given.parameter in node.stage.follows
    ]
    return {name for given in gone_through for name in given.names.values()}


def heads_of(node: Node, workspace: Workspace) -> dict[str, Commit | None]:
    """The newest commit of each of a node's tables."""
    return {output.name: workspace.store.head(output.name) for output in node.outputs}


def is_hit(heads: Iterable[Commit | None], key: str, workspace: Workspace) -> bool:
    """Whether all tables of a node were made under this key, passed their checks, and have their files and pages."""
    for head in heads:
        if head is None or head.key != key or head.faults:
            return False
        folder = head.notes.get("folder")
        if folder and not (workspace.state / "store" / folder).exists():
            return False
        report = head.notes.get(REPORT)
        if report and not (workspace.state / report).exists():
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
    share_with_arrow()
    for attempt in range(TRIES):
        try:
            with in_use(workspace.store.root, partial(watcher().waits, node.name)):
                return _run_once(node, graph, workspace, seen, force)
        except CommitConflict as error:
            if attempt == TRIES - 1:
                watcher().ended(node.name, failed=True)
                raise
            watcher().restarted(node.name, str(error))
    raise AssertionError("unreachable")


def _run_once(node: Node, graph: Graph, workspace: Workspace, seen: dict[str, Observation], force: bool) -> Ran:
    pinned = pin(node, graph, workspace, seen)
    heads = heads_of(node, workspace)
    key = key_of(node, pinned)
    hit = is_hit(heads.values(), key, workspace)
    if hit and not force and not node.stage.world:
        return Ran(node.name, {name: head for name, head in heads.items() if head is not None}, computed=False)
    draft = _draft(node, pinned, key)
    if why := why_anew(node, heads[node.outputs[0].name], draft, _elements(node)):
        watcher().anew(node.name, why)
    watcher().started(node.name)
    begun = time.monotonic()
    run = Run(workspace, node.name, key, _progress(node), launcher(workspace, node.name, key))
    has_state = not force and _is_state(heads.values(), draft.recipe)
    try:
        with noted(workspace.running, node.name), told_to(partial(watcher().compiling, node.name)):
            commits, pictures = compute(Computation(node, pinned, run, draft, heads, has_state, begun))
    except CommitConflict:
        raise
    except BaseException:
        watcher().ended(node.name, failed=True)
        raise
    shutil.rmtree(run.parts, ignore_errors=True)  # not before: what a model said was paid for, and a commit may fail
    watcher().ended(node.name)
    unequal = hit and any(commits[name].version != head.version for name, head in heads.items() if head)
    return Ran(
        node.name, commits, not (hit and node.stage.world and not unequal), time.monotonic() - begun, pictures, unequal
    )


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
    def told(done: int, total: int | None = None, unit: str = "rows", beside: str = "") -> None:
        watcher().advanced(node.name, done, total, unit, beside)

    return told
