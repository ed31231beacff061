"""What a node computes, by its kind: a whole table anew, evidence of what came, or changes to a state.

Each kind ends in commits that carry the same facts; they are written here once. The first table of a node is committed
last, so that a run killed between two commits leaves tables that are not of one run, and no state.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import polars as pl

from curation.row_index import RowIndex
from pipelines.changes import changed, changed_by, fold_elements, read_elements, seen_elements
from pipelines.commits import Books, Change, Commit
from pipelines.graph import ELEMENTS, Input, Node
from pipelines.inputs import Pinned, value_of
from pipelines.measuring import evidence
from pipelines.parts import Gathering, Parts
from pipelines.stages import Changes, Output, Pieces, Run
from pipelines.store import Store
from pipelines.tracking import all_came, difference, tracked_inputs
from records import Outcome, Picture

Pictures = tuple[Picture, ...]
Commits = dict[str, Commit]


@dataclass(frozen=True, slots=True)
class Computation:
    """One computation of a node: from which inputs, under which run, on top of which commits."""

    node: Node
    pinned: Pinned
    run: Run
    draft: Commit
    """What all commits of this computation say alike."""
    heads: Mapping[str, Commit | None]
    has_state: bool
    """Whether what the tables hold is a state to go on from; without, a measure or a fold starts from empty."""
    begun: float

    def given(self, parameter: str) -> Input:
        """The input of one parameter."""
        return next(given for given in self.node.inputs if given.parameter == parameter)

    def arguments(self, *without: str) -> dict[str, Any]:
        """The arguments of the stage's function, by parameter."""
        own = {"run": self.run, "progress": self.run.progress, "workspace": self.run.workspace}
        return {
            given.parameter: own[given.role] if given.role in own else value_of(given, self.pinned)
            for given in self.node.inputs
            if given.parameter not in without
        }

    def state(self) -> dict[str, pl.LazyFrame]:
        """The tables as they stand, by name; none when there is no state."""
        store = self.run.workspace.store
        return {output.name: store.scan(output.name) for output in self.node.outputs} if self.has_state else {}

    def found(self) -> dict[str, RowIndex]:
        """The indexes of the tables in which a fold finds rows, as of the commits that it goes on from; none without a state."""
        given = {each.parameter: each.name for each in self.node.inputs if each.tracked}
        numbers = {name: self.pinned.pins[name].number for name in given.values()}
        numbers |= {name: head.number for name, head in self.heads.items() if head is not None}
        names = {name: given.get(name, name) for name in self.node.stage.finds}
        store = self.run.workspace.store
        return {
            name: store.index(table, numbers[table], self.node.stage.finds[name])
            for name, table in names.items()
            if self.has_state and table in numbers
        }

    def commit(self, output: Output, rows: pl.DataFrame | Parts | Change, books: Books | None, **said: Any) -> Commit:
        """Commit one table: as a change to what it holds when there is a state, else as a whole."""
        store, head = self.run.workspace.store, self.heads[output.name]
        seconds = round(time.monotonic() - self.begun, 3)
        commit = replace(self.draft, table=output.name, books=books, seconds=seconds, **said)
        if isinstance(rows, Change) and self.has_state and head is not None:
            done: Commit = store.change(rows, commit, head, output.primary_key)
            return done
        frame = rows.added if isinstance(rows, Change) else rows
        if frame is None:
            raise ValueError(f"{self.node.name}: what starts from empty must give a frame for {output.name}")
        whole: Commit = store.replace(frame, commit, head, output.primary_key, output.outside)
        return whole


def compute(computation: Computation) -> tuple[Commits, Pictures]:
    """Run the stage's function and commit what it made; the commits by table, and pictures to show beside them."""
    return {"stage": _stage, "measure": _measure, "fold": _fold}[computation.node.stage.kind](computation)


def _stage(computation: Computation) -> tuple[Commits, Pictures]:
    node = computation.node
    first, *others = node.outputs
    outcome, rows = _made(node.stage.function(**computation.arguments()), first, computation.run.workspace.store)
    books = _books(computation, outcome, rows.height)
    said = {"notes": dict(outcome.notes), "checks": dict(outcome.checks)}
    made = {
        output.name: outcome.others[own.name] for output, own in zip(others, node.stage.outputs[1:], strict=True)
    }  # of a stage that is made per entry, the function knows the tables by their names without the entry's
    tables = {first.name: rows.lazy()} | {name: table.lazy() for name, table in made.items()}
    pictures = _pictures(node, tables, outcome.pictures)
    commits = {other.name: computation.commit(other, made[other.name], books) for other in reversed(others)}
    commits[first.name] = computation.commit(first, rows, books, **said)
    return commits, pictures


def _made(result: pl.DataFrame | Outcome | Pieces, first: Output, store: Store) -> tuple[Outcome, pl.DataFrame | Parts]:
    """What a stage's function gave, and the rows of its first table, written as they come where they come in pieces."""
    if not isinstance(result, Generator):
        outcome = result if isinstance(result, Outcome) else Outcome(result)
        return outcome, outcome.table
    gathering = Gathering(store.writer(first.name), first.outside)
    outcome = gathering.take(result)
    gathering.add(outcome.table)
    return outcome, gathering.done(outcome.table.schema)


def _pictures(node: Node, tables: Mapping[str, pl.LazyFrame], own: Sequence[Picture] = ()) -> Pictures:
    """Those that the function drew of what it saw, and those that the tables give as they stand now."""
    return (*own, *(node.stage.pictures(tables) if node.stage.pictures else ()))


def _notes(node: Node, tables: Mapping[str, pl.LazyFrame]) -> Mapping[str, Any]:
    return node.stage.notes(tables) if node.stage.notes else {}


def _books(computation: Computation, outcome: Outcome, rows: int) -> Books:
    stage = computation.node.stage
    kept = rows if outcome.kept is None else outcome.kept
    taken = kept + sum(outcome.dropped.values()) + sum(outcome.failed.values())
    if stage.counts:
        counted = computation.given(stage.counts).names.values()
        taken = sum(computation.pinned.pins[name].rows for name in counted)
    return Books(stage.unit, taken, kept, dict(outcome.dropped), dict(outcome.failed))


def _measure(computation: Computation) -> tuple[Commits, Pictures]:
    node, output = computation.node, computation.node.outputs[0]
    contents, came, went, others = _to_measure(computation)
    gathering = Gathering(computation.run.workspace.store.writer(output.name))
    measured = evidence(
        node.stage, contents, came, computation.arguments(ELEMENTS["measure"]), computation.run.progress
    )
    nothing = next(measured)
    units = others + gathering.take(measured)
    change = Change(gathering.done(nothing.schema), went)
    after = _after(computation.state().get(output.name), change)
    failed = _failures(after)
    tables = {output.name: after}
    pictures = _pictures(node, tables)
    books = Books(node.stage.unit, units, units - sum(failed.values()), {}, failed)
    notes = {"measured": units - others, **_notes(node, tables)}
    return {output.name: computation.commit(output, change, books, notes=notes)}, pictures


def _to_measure(computation: Computation) -> tuple[pl.LazyFrame, pl.DataFrame | None, pl.DataFrame | None, int]:
    """The table to read; which of its contents are to be measured (all, when None), and which went; how many others there are."""
    node, elements, keys = computation.node, ELEMENTS["measure"], list(computation.node.stage.key)
    contents = read_elements(computation.given(elements), computation.pinned)
    known, head = computation.state().get(node.outputs[0].name), computation.heads[node.outputs[0].name]
    if known is None or head is None:
        return contents, None, None, 0
    moved = _moved(computation, elements)
    if moved is None:
        names = contents.select(keys).unique().collect()
        came, went = changed(names, known.select(keys).collect())
        return contents, came, went, names.height - came.height
    came, went = changed_by(*moved, known, contents, keys)
    return moved[0], came, went, head.rows - went.height


def _moved(computation: Computation, parameter: str) -> tuple[pl.LazyFrame, pl.LazyFrame] | None:
    """The rows that came to a table since the head was made from it, and those that went; None when that is not known."""
    given, head = computation.given(parameter), computation.heads[computation.node.outputs[0].name]
    if head is None or len(given.names) != 1:
        return None
    before, after = head.inputs.get(given.name, ""), computation.pinned.pins[given.name].version
    return difference(computation.run.workspace.store, given.name, before, after)


def _failures(evidence: pl.LazyFrame) -> dict[str, int]:
    kinds = evidence.select("error").drop_nulls("error").select(pl.col("error").str.split(":").list.first())
    return dict(kinds.group_by("error").len().sort("error").collect(engine="streaming").iter_rows())


def _fold(computation: Computation) -> tuple[Commits, Pictures]:
    if not computation.node.stage.of:
        return _following(computation)
    node, keys = computation.node, list(computation.node.stage.key)
    elements = fold_elements(computation.given(ELEMENTS["fold"]), computation.pinned)
    state = computation.state()
    names = elements.select(keys).unique().collect()
    came, went = changed(names, seen_elements(state, keys) if state else None)
    added = elements.join(came.lazy(), on=keys, how="semi", nulls_equal=True).collect()
    options = computation.arguments("state", ELEMENTS["fold"], "removed")
    changes: Changes = node.stage.function(state, added, went, **options)
    counted = {"added": came.height, "removed": went.height}
    return _committed(computation, state, replace(changes, notes={**changes.notes, **counted}), names.height)


def _following(computation: Computation) -> tuple[Commits, Pictures]:
    """A fold of tables that it follows: from empty when there is no state, or the rows that moved are not to be told."""
    node, pinned, store = computation.node, computation.pinned, computation.run.workspace.store
    head = computation.heads[node.outputs[0].name]
    tracked = tracked_inputs(node, pinned, head, store) if computation.has_state and head else None
    if tracked is None:
        computation, tracked = replace(computation, has_state=False), all_came(node, pinned)
    state = computation.state()
    options = computation.arguments("state", "found", *tracked)
    if node.stage.finds:
        options["found"] = computation.found()
    changes: Changes = node.stage.function(state, **tracked, **options)
    units = sum(pinned.pins[name].rows for name in computation.given(node.stage.counts).names.values())
    followed = {name: rows.now for name, rows in tracked.items()}
    commits, pictures = _committed(computation, state, changes, units, followed)
    if not computation.has_state:
        replace(computation, has_state=True, heads=commits).found()  # made now, the next update finds them
    return commits, pictures


def _committed(
    computation: Computation,
    state: Mapping[str, pl.LazyFrame],
    changes: Changes,
    units: int,
    followed: Mapping[str, pl.LazyFrame] = MappingProxyType({}),
) -> tuple[Commits, Pictures]:
    node = computation.node
    after = {output.name: _after(state.get(output.name), changes.tables[output.name]) for output in node.outputs}
    books = node.stage.books(after, units) if node.stage.books else None
    pictures = _pictures(node, {**followed, **after}, changes.pictures)
    notes = {**changes.notes, **_notes(node, {**followed, **after})}
    commits = {
        output.name: computation.commit(output, changes.tables[output.name], books, notes=notes)
        for output in reversed(node.outputs)
    }
    return commits, pictures


def _after(before: pl.LazyFrame | None, change: Change) -> pl.LazyFrame:
    """What a table holds after a change; `before` is None when it starts from empty."""
    if before is None:
        return (change.added if change.added is not None else pl.DataFrame()).lazy()
    if change.removed is not None and change.removed.height:
        before = before.join(change.removed.lazy(), on=change.removed.columns, how="anti", nulls_equal=True)
    return before if change.added is None else pl.concat([before, change.added.lazy()])
