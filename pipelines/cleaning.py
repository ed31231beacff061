"""Clearing away what nobody can need any more: what is named by nothing (`references.py`), and was so for `RETENTION_HOURS`.

A look writes down for how long each thing is unnamed; what is named again is forgotten there. It counts the time since the
look before, a day at most: whatever was named meanwhile, or wherever the clock jumped to, nothing goes before a week of looks.
What was unnamed for long enough, and was not written to meanwhile, goes: it is renamed, at which moment it is gone, and then
deleted, so that a process killed anywhere leaves nothing by halves. Tables go before what they name. All of this happens while
nobody uses the store (`in_use.py`), and whatever cannot be read stops it before anything is removed.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipelines.extras import version_of
from pipelines.graph import Graph
from pipelines.in_use import alone
from pipelines.references import VERSION, Said, held_tables, said_by
from pipelines.store import RETENTION_HOURS
from pipelines.whole_files import PARTIAL, write_whole
from pipelines.workspace import Workspace

RETENTION_SECONDS = RETENTION_HOURS * 3600
LOOK_SECONDS = 3600
"""Looks of a run and of the daemon are at least so far apart: a look reads the head of every table."""
COUNTED_SECONDS = 24 * 3600
"""The most that one look adds to the time for which a thing is unnamed."""
MARKS = "unneeded.json"
VERSION_HERE = version_of("headwater")
"""Of the code that runs; what is installed may have become newer since."""
REMOVED = ".removed-"
"""How the name of what is being deleted begins."""
PARTS = "parts"
WRITTEN_WHOLE = ("store", "store/releases/*", "previews", "reports", "exports", "forgotten", "dagster")
"""Where files are written beside their place first (`pipelines.whole_files`)."""
LEFT = (
    *("store/artifacts/*/*/.*", "store/bases/.*", "tmp????????"),
    *(f"{place}/.*{PARTIAL}" for place in WRITTEN_WHOLE),
)
"""What only a process that was killed leaves: drafts of weights, bases, releases and files, and folders for a moment."""
PLACES = (
    *("store/tables", "store/indexes", "store/artifacts/*", "store/artifacts/*/*", "store/bases", "jobs", "."),
    *WRITTEN_WHOLE,
)
"""Where things lie that may be removed, and so what is left of them when a process is killed over it."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that may be removed as a whole, and who names it; nobody, where that is empty."""

    kind: str
    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Cleared:
    """What was removed: its path from the workspace's state, and its bytes."""

    place: str
    size: int


def things(workspace: Workspace, graph: Graph) -> list[Thing]:
    """All that may be removed, each with who names it: tables first, then what they name."""
    said = {path.name: said_by(workspace.store, path.name) for path in _in(workspace.store.root / "tables")}
    held = held_tables(workspace, graph, said)
    found = [Thing("tables", workspace.store.root / "tables" / name, held.get(name, "")) for name in said]
    found += _beside_tables(workspace, {*said, *graph.makers})
    found += _of_runs(workspace, graph, said)
    found += (Thing("left behind", path, "") for pattern in LEFT for path in sorted(workspace.state.glob(pattern)))
    return [thing for thing in found if not thing.path.name.startswith(REMOVED)]


def _in(folder: Path) -> list[Path]:
    """What lies in a folder under a name that is not hidden."""
    return sorted(path for path in folder.glob("*") if not path.name.startswith("."))


def _beside_tables(workspace: Workspace, tables: set[str]) -> Iterator[Thing]:
    """What belongs to a table and is made again with it: also that of a table which waits to be removed is held."""
    root = workspace.store.root
    for path in _in(root / "indexes"):
        yield Thing("indexes", path, path.name if path.name in tables else "")
    for path in _in(workspace.previews):
        yield Thing("previews", path, path.stem if path.stem in tables else "")
    for path in _in(root / "bases"):
        table = f"base_model_{path.name}"
        yield Thing("bases", path, table if table in tables else "")


def _of_runs(workspace: Workspace, graph: Graph, said: Mapping[str, Said]) -> Iterator[Thing]:
    """What runs of stages wrote beside their tables."""
    namers: dict[str, list[str]] = {}
    for table, each in said.items():
        for name in (*each.versions, *each.places):
            namers.setdefault(name, []).append(table)
    for path in (path for node in _in(workspace.artifacts) for path in _in(node)):
        if VERSION.fullmatch(path.name):
            yield Thing("artifacts", path, ", ".join(namers.get(path.name, ())))
        elif path.name == PARTS:
            node = path.parent.name
            yield Thing("artifacts", path, f"the next run of {node}" if node in graph.nodes else "")
    for path in _in(workspace.state / "jobs"):
        yield Thing("jobs", path, ", ".join(namers.get(path.name.rpartition("-")[2], ())))
    for path in (path for path in _in(workspace.reports) if "-" in path.stem):
        page = place_of(workspace, path.with_suffix(".html"))  # what lies beside a page under its name goes with it
        yield Thing("reports", path, ", ".join(namers.get(page, ())))


def place_of(workspace: Workspace, path: Path) -> str:
    """The path of something from the workspace's state."""
    return path.relative_to(workspace.state).as_posix()


class Marks(NamedTuple):
    """When a look was last taken, for how many seconds what it found was unnamed, by its path from the workspace's state,
    and the version of the package that looked."""

    looked: float
    waited: dict[str, float]
    version: str = ""

    @property
    def is_of_newer(self) -> bool:
        """Whether that package knows stages that this one may not: what is theirs is named by nothing here."""
        return _release(self.version) > _release(VERSION_HERE)


def _release(version: str) -> list[int]:
    """The numbers of a version, without what says that it is a draft of it."""
    found = re.match(r"\d+(\.\d+)*", version)
    return [int(number) for number in found[0].split(".")] if found else []


def is_time(workspace: Workspace, now: float) -> bool:
    """Whether the last look is long enough ago for another, and was not that of a newer version."""
    last = marks(workspace)
    return abs(now - last.looked) >= LOOK_SECONDS and not last.is_of_newer


def clear(workspace: Workspace, graph: Graph, now: float) -> list[Cleared]:
    """Remove what nothing has named for `RETENTION_HOURS` at the time `now` (seconds since 1970); what that was.

    `graph` must be that of the settings as they are now. Nothing is removed, or looked at, while somebody uses the store, or
    after a newer version of this package has looked.

    Raises:
        ValueError: something cannot be read by which it is told what is needed; nothing is removed.
        OSError: what cannot be removed; the rest is.
    """
    stuck: list[OSError] = []
    with alone(workspace.store.root) as is_alone:
        if not is_alone or marks(workspace).is_of_newer:
            return []
        needless = [thing.path for thing in things(workspace, graph) if not thing.why]
        before = waits(workspace, now)
        waited = {place_of(workspace, path): before.get(place_of(workspace, path), 0.0) for path in needless}
        _write_marks(workspace, now, waited)
        due = [path for path in needless if due_at(path, waited[place_of(workspace, path)], now) <= now]
        present = (path for path in due if os.path.lexists(path))  # one may lie within another
        moved = [each for path in present if (each := _moved(workspace, path, stuck))]
    cleared = [Cleared(place, size_of(aside)) for place, aside in moved]  # nobody waits for this, or for the deletion
    finish(workspace, stuck)
    return cleared


def due_at(path: Path, waited: float, now: float) -> float:
    """When something may go that waited for so many seconds by now: it is written to for the last time as long ago, too."""
    return max(now - waited, _touched(path)) + RETENTION_SECONDS


def waits(workspace: Workspace, now: float) -> dict[str, float]:
    """For how many seconds what is unnamed would be so at a look now, by its path from the workspace's state."""
    last = marks(workspace)
    passed = max(0.0, min(now - last.looked, COUNTED_SECONDS))
    return {place: seconds + passed for place, seconds in last.waited.items()}


def _touched(path: Path) -> float:
    """When something was written for the last time, or anything in it."""
    return max((entry.st_mtime for entry in _entries(path)), default=0.0)


def size_of(path: Path) -> int:
    """The bytes of a file, or of all files in a folder."""
    return sum(entry.st_size for entry in _entries(path) if stat.S_ISREG(entry.st_mode))


def _entries(path: Path) -> Iterator[os.stat_result]:
    for each in (path, *path.rglob("*")):
        with suppress(FileNotFoundError):  # while one only looks, others may be at work
            yield each.lstat()


def _moved(workspace: Workspace, path: Path, stuck: list[OSError]) -> tuple[str, Path] | None:
    """Put something out of the way: its place, and where it waits to be deleted; None where it cannot be, and why in `stuck`."""
    aside = path.with_name(f"{REMOVED}{path.name}-{secrets.token_hex(4)}")
    try:
        path.rename(aside)
    except OSError as error:
        stuck.append(error)
        return None
    return place_of(workspace, path), aside


def finish(workspace: Workspace, stuck: Iterable[OSError] = ()) -> None:
    """Delete what was put out of the way, now or before a process was killed; others may be at it too.

    Raises:
        OSError: what cannot be deleted, with what was `stuck` before, each with its path; the rest is deleted.
    """
    failed = [*stuck]
    for path in sorted(path for place in PLACES for path in workspace.state.glob(f"{place}/{REMOVED}*")):
        try:
            _delete(path)
        except OSError as error:
            failed.append(error)
    if failed:
        raise OSError(f"mend its permissions, for this cannot be deleted: {'; '.join(map(str, failed))}")


def _delete(path: Path) -> None:
    while path.is_dir() and not path.is_symlink():
        with suppress(FileNotFoundError):  # another was faster with a part of it
            shutil.rmtree(path)
    path.unlink(missing_ok=True)


def marks(workspace: Workspace) -> Marks:
    """What the last look wrote down."""
    path = workspace.store.root / MARKS
    if not path.is_file():
        return Marks(0.0, {})
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        waited = {str(place): float(seconds) for place, seconds in said["waited"].items()}
        return Marks(float(said["looked"]), waited, str(said.get("version", "")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}): delete it, and what nobody needs is kept for another {RETENTION_HOURS // 24} days"
        ) from error


def _write_marks(workspace: Workspace, now: float, waited: Mapping[str, float]) -> None:
    path = workspace.store.root / MARKS
    said = {"looked": now, "waited": waited, "version": VERSION_HERE}
    write_whole(path, json.dumps(said, indent=1, sort_keys=True))
