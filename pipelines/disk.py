"""`headwater status --disk`: what takes room, what is held and by whom, and what is removed when. It changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from pipelines.cleaning import Thing, due_at, place_of, size_of, things, waits
from pipelines.graph import Graph
from pipelines.shown import shown
from pipelines.workspace import Workspace

UNITS = ("bytes", "kB", "MB", "GB", "TB")
WEIGHTS = ("artifacts", "bases")


def told(size: float) -> str:
    """Bytes as people read them."""
    for unit in UNITS[:-1]:
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit in UNITS[:2] else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} {UNITS[-1]}"


def look(workspace: Workspace, graph: Graph, now: float) -> Iterator[Table]:
    """Tables to print: the room by place, what is held though the settings do not ask for it, and what nobody needs."""
    found = things(workspace, graph)
    sizes = {thing.path: size_of(thing.path) for thing in found}
    yield _by_place(workspace, found, sizes)
    current = {each.path for each in found if each.kind == "tables" and each.path.name in graph.makers}
    held = [
        each
        for each in found
        if each.why and sizes[each.path] and each.kind in ("tables", *WEIGHTS) and each.path not in current
    ]
    if held:
        yield _held(workspace, held, sizes)
    needless = [each for each in found if not each.why]
    if needless:
        yield _needless(workspace, needless, sizes, now)


def _by_place(workspace: Workspace, found: Sequence[Thing], sizes: dict[Path, int]) -> Table:
    """The room that each part of the workspace's state takes, and how much of that nobody needs."""
    table = Table("place", "size", "nobody needs", title="What takes room in .headwater", title_justify="left")
    total = spare = 0
    store = workspace.store.root
    parts = sorted(path for path in workspace.state.glob("*") if path != store) + sorted(store.glob("*"))
    for part in parts:
        size = size_of(part)
        needless = sum(sizes[each.path] for each in found if not each.why and each.path.is_relative_to(part))
        total, spare = total + size, spare + needless
        if part.is_dir():
            place = part.relative_to(workspace.state).as_posix()
            table.add_row(escape(place), told(size), told(needless) if needless else "")
    table.add_row("all", told(total), told(spare) if spare else "", style="bold")
    return table


def _held(workspace: Workspace, held: Sequence[Thing], sizes: dict[Path, int]) -> Table:
    table = Table("kept", "size", "because of", title="Weights, and what no setting asks for", title_justify="left")
    for each in held:
        table.add_row(escape(place_of(workspace, each.path)), told(sizes[each.path]), escape(shown(each.why)))
    return table


def _needless(workspace: Workspace, needless: Sequence[Thing], sizes: dict[Path, int], now: float) -> Table:
    """What nothing names, and from when on the next run, or the daemon, removes it."""
    waited = waits(workspace, now)
    table = Table("place", "size", "is removed", title="What nobody needs", title_justify="left")
    for each in needless:
        place = place_of(workspace, each.path)
        due = due_at(each.path, waited.get(place, 0.0), now)
        when = (
            datetime.fromtimestamp(due, UTC).strftime("from %Y-%m-%d %H:%M UTC on") if due > now else "at the next look"
        )
        table.add_row(escape(place), told(sizes[each.path]), when)
    return table
