"""`headwater forget --purge`: the bytes of what was taken back are removed, and a scan proves it.

Taking back writes, beside the tombstones, fingerprints of the texts into a file that only the owner can read. The purge
needs them to know the texts again when every table is without them, and removes them when the scan has found nothing. Each
step looks at what is there and may be done twice, so a purge that was killed is done again from the start.

Passages that documents which stay have too (a licence, a menu) are no proof of anything, and are not looked for.
"""

from __future__ import annotations

import getpass
import json
import secrets
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa

from curation.fingerprints import Hashes, Hunt, union
from curation.release_export import remove_export
from curation.releases import MANIFEST, STUB, draft_of, write_stub
from curation.tombstones import known
from pipelines import forgetting
from pipelines.cleaning import finish
from pipelines.commits import Commit
from pipelines.exports import exports_of, far_exports_of, names_in
from pipelines.forgetting import TakenBackError, key_of
from pipelines.graph import Graph
from pipelines.in_use import in_use
from pipelines.lineage import among
from pipelines.previews import write_preview
from pipelines.references import weights_recipe
from pipelines.releases import ReleaseFolder, files_of, releases_of
from pipelines.remembering import folder_of, recall, waiting
from pipelines.reports import REPORT, remove_release_pages
from pipelines.scanning import Scanned, scan, scan_file
from pipelines.store import Store
from pipelines.workspace import Workspace
from records import Progress, silent

TABLE = "purges"


@dataclass(slots=True)
class Purged:
    """What a purge did: what it removed, what it looked at (kind to files and bytes), and what still holds passages."""

    passages: int
    shared: int
    removed: list[str] = field(default_factory=list)
    looked_at: dict[str, tuple[int, int]] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)
    """Exports at addresses that hold a release which was taken back, or may hold one, and could not be removed: each with why."""


def purge(workspace: Workspace, graph: Graph, progress: Progress = silent) -> Purged:
    """Remove the bytes of all that was taken back and is not purged yet, and look for them everywhere.

    All tables must be up to date. Raises LookupError when nothing waits, TakenBackError when a table still has what was taken
    back, or a run is on.
    """
    requests = waiting(workspace, forgetting.requests(workspace.store))
    if not requests:
        raise LookupError("nothing that was taken back waits to be purged")
    _check_rebuilt(workspace)
    _check_idle(workspace)
    with in_use(workspace.store.root):  # nobody else removes what is looked into
        return _purge(workspace, graph, requests, progress)


def _purge(workspace: Workspace, graph: Graph, requests: Mapping[str, Path], progress: Progress) -> Purged:
    key = key_of(workspace)
    wanted = recall(list(requests.values()))
    shared = _standing(workspace.store, Hunt(wanted, key))
    hunt = Hunt(np.setdiff1d(wanted, shared), key)
    done = Purged(len(hunt.wanted), len(shared))
    done.removed += from_label_studio(workspace, key)
    _erase_files(workspace, hunt, key, done, progress)
    _erase_tables(workspace, graph, hunt, done)
    _prove(workspace, hunt, key, done, progress)
    if not done.left:
        _record(workspace, sorted(requests), done)
        for path in requests.values():
            path.unlink()
    return done


def _check_rebuilt(workspace: Workspace) -> None:
    names = workspace.store.scan("documents").select("content_digest").collect()["content_digest"]
    _, tombstones = forgetting.tombstones(workspace)
    if known(names, tombstones, key_of(workspace), "content").height:
        raise TakenBackError(
            "the tables still have what was taken back: `headwater run`, then `headwater forget --purge`"
        )


def _check_idle(workspace: Workspace) -> None:
    """A run that is on may still write what it read before."""
    import dagster as dg

    from pipelines.lost_runs import is_idle

    home = workspace.dagster_home
    if not (home / "dagster.yaml").is_file():
        return
    with dg.DagsterInstance.from_config(str(home)) as instance:
        if not is_idle(instance):
            raise TakenBackError("a run is on: wait until it has ended, then `headwater forget --purge`")


def _standing(store: Store, hunt: Hunt) -> Hashes:
    """The fingerprints that stand in documents which stay."""
    head = store.head("documents")
    files = store.files("documents", head.number) if head else set()
    return union(scan_file(Path(file), hunt).found for file in files)


def from_label_studio(workspace: Workspace, key: str) -> list[str]:
    """Delete the tasks of samples that were taken back, answered ones too; of a server of ours, its free pages as well."""
    from annotation.client import delete_tasks, tasks
    from annotation.projects import our_projects
    from pipelines.servers import annotation_server

    removed = []
    with annotation_server(workspace) as server:
        if server is None:
            without_free_pages(workspace)
            return []
        for project in our_projects(server.client, server.credentials.workspace):
            there = [task for task in tasks(server.client, project.id) if "sample_id" in task["data"]]
            gone = set(_gone(workspace, [str(task["data"]["sample_id"]) for task in there], key))
            ids = [int(task["id"]) for task in there if task["data"]["sample_id"] in gone]
            if ids:
                delete_tasks(server.client, project.id, ids)
                removed.append(f"{len(ids)} tasks of Label Studio")
    without_free_pages(workspace)
    return removed


def without_free_pages(workspace: Workspace) -> None:
    """What was deleted in SQLite lies on free pages until the file is written anew."""
    for path in workspace.label_studio.rglob("*.sqlite3"):
        with closing(sqlite3.connect(path, timeout=60)) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _gone(workspace: Workspace, samples: Iterable[str], key: str) -> list[str]:
    """Those of some samples that were taken back and that no document gives any more."""
    _, tombstones = forgetting.tombstones(workspace)
    names = known(samples, tombstones, key, "sample")["name"].to_list()
    left = among(workspace.store, "samples", "sample_id", names, ("sample_id",)) if names else None
    return names if left is None or left.is_empty() else sorted(set(names) - set(left["sample_id"]))


def _erase_files(workspace: Workspace, hunt: Hunt, key: str, done: Purged, progress: Progress) -> None:
    """Everything beside the tables in which passages stand, each in the way of its kind."""
    finish(workspace)
    for note in workspace.releases.glob(f"*/*/{STUB}"):
        if (note.parent / MANIFEST).exists():  # a purge was killed there
            write_stub(note.parent, json.loads(note.read_text(encoding="utf-8"))["successor"])
    for release in list(releases_of(workspace)):
        if _holds(release.folder, hunt) or _holds_samples(workspace, release, key):
            head = workspace.store.head(release.dataset)
            write_stub(release.folder, (head.notes.get("release") if head else None) or "")
            done.removed.append(f"release {release.said}")
    done.removed += remove_release_pages(workspace, _pages_of_now(workspace.store))
    for folder in _superseded(workspace):
        shutil.rmtree(folder)
        done.removed.append(f"weights {folder.name}")
    for place in exports_of(workspace):
        _erase_export(workspace, place, hunt, key, done)
    _erase_far(workspace, done, progress)
    tables = workspace.store.root / "tables"
    untouched = frozenset({tables, folder_of(workspace), workspace.dagster_home})
    for each in scan(workspace.state, hunt, untouched, progress):
        if len(each.found) and each.path.suffix != ".sqlite3":
            each.path.unlink(missing_ok=True)
            done.removed.append(str(each.path.relative_to(workspace.state)))
    for name in workspace.store.tables():
        head = workspace.store.head(name)
        if head is not None and (workspace.previews / f"{name}.json").exists():
            write_preview(workspace, head)


def _erase_export(workspace: Workspace, place: Path, hunt: Hunt, key: str, done: Purged) -> None:
    """One export, and the draft of it that a killed command left; what cannot be looked into is left for `_prove` to tell."""
    draft = draft_of(place)
    if draft.is_dir():
        shutil.rmtree(draft)
        done.removed.append(f"draft of an export {draft}")
    try:
        if not (place.is_file() or (place / MANIFEST).is_file()) or not _carries(workspace, place, hunt, key):
            return
    except (OSError, pa.ArrowException):
        return
    if place.is_file():
        place.unlink()
    else:
        write_stub(place, "")
    done.removed.append(f"export {place}")


def _erase_far(workspace: Workspace, done: Purged, progress: Progress) -> None:
    """Exports at addresses, as far as we may write there, of releases that are stubs by now."""
    gone = {note.parent.name for note in workspace.releases.glob(f"*/*/{STUB}")}
    for address in far_exports_of(workspace) if gone else ():
        try:
            if remove_export(address, gone, progress):
                done.removed.append(f"export {address}")
        except (OSError, ValueError, ModuleNotFoundError) as error:
            done.elsewhere.append(f"{address} ({error})")


def _pages_of_now(store: Store) -> set[str]:
    """The pages that the newest commits speak of; markup is escaped in pages, so a scan of the others may miss a passage."""
    heads = (store.head(name) for name in store.tables())
    return {Path(str(head.notes[REPORT])).stem for head in heads if head is not None and REPORT in head.notes}


def _holds(place: Path, hunt: Hunt) -> bool:
    if place.is_file():
        return len(scan_file(place, hunt).found) > 0
    return any(len(each.found) for each in scan(place, hunt))


def _carries(workspace: Workspace, place: Path, hunt: Hunt, key: str) -> bool:
    """Whether an export holds passages, or rows of contents or samples that were taken back: a text of few bytes has no passage."""
    if _holds(place, hunt):
        return True
    names = names_in(place)
    _, tombstones = forgetting.tombstones(workspace)
    return bool(_gone(workspace, names, key)) or not known(names, tombstones, key, "content").is_empty()


def _holds_samples(workspace: Workspace, release: ReleaseFolder, key: str) -> bool:
    paths = [path for _, path in files_of(release)]
    held = pl.concat([pl.scan_parquet(path).select("sample_id") for path in paths]).collect() if paths else None
    return held is not None and bool(_gone(workspace, held["sample_id"], key))


def _superseded(workspace: Workspace) -> Iterator[Path]:
    """Weights that were trained on what was taken back, and that no model stands on any more: those that stood when it was
    asked for, and older ones that are kept, by what their recipes say of the release."""
    store = workspace.store
    named = store.scan(forgetting.TABLE).select("models").explode("models").drop_nulls().unique().collect()["models"]
    gone = {note.parent.name for note in workspace.releases.glob(f"instructions/*/{STUB}")}
    for folder in sorted(workspace.artifacts.glob("model_*/*")):
        head, version = store.head(folder.parent.name), folder.name
        stands = head is not None and version in store.scan(head.table).select("version").collect()["version"]
        of_it = f"{folder.parent.name.removeprefix('model_')} {version}" in named
        if not stands and (of_it or weights_recipe(folder).get("dataset_version") in gone):
            yield folder


def _erase_tables(workspace: Workspace, graph: Graph, hunt: Hunt, done: Purged) -> None:
    """Old versions of all tables with their logs; and tables that no stage makes any more, if passages stand there."""
    store = workspace.store
    ours = {forgetting.TABLE, TABLE}
    for name in store.tables():
        if name not in graph.makers and name not in ours and _holds(Path(store.location(name)), hunt):
            shutil.rmtree(store.location(name))
            done.removed.append(f"table {name}, which nothing makes any more")
        else:
            store.erase_past(name)
    done.removed.append("old versions of the tables, and their logs")


def _prove(workspace: Workspace, hunt: Hunt, key: str, done: Purged, progress: Progress) -> None:
    """Look at every file once more, and count what was looked at."""
    for each in scan(workspace.state, hunt, frozenset({folder_of(workspace)}), progress):
        kind = _kind(workspace, each)
        files, size = done.looked_at.get(kind, (0, 0))
        done.looked_at[kind] = files + 1, size + each.size
        if len(each.found):
            done.left.append(f"{each.path.relative_to(workspace.state)}: {len(each.found)} passages")
    for place in exports_of(workspace):
        try:
            if place.exists() and _carries(workspace, place, hunt, key):
                done.left.append(str(place))
        except (OSError, pa.ArrowException) as error:
            said = str(error).partition("\n")[0]
            done.left.append(f"{place} cannot be looked into ({said}): remove it, or write it again")


def _kind(workspace: Workspace, each: Scanned) -> str:
    parts = each.path.relative_to(workspace.state).parts
    return "/".join(parts[:2]) if parts[0] == "store" else parts[0]


def _record(workspace: Workspace, requests: list[str], done: Purged) -> None:
    """Who purged, when, what was looked at, and that nothing was found."""
    row = {
        "purge": secrets.token_hex(4),
        "requests": requests,
        "purged_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "purged_by": getpass.getuser(),
        "passages": done.passages,
        "shared": done.shared,
        "looked_at": json.dumps(
            {kind: {"files": files, "bytes": size} for kind, (files, size) in sorted(done.looked_at.items())}
        ),
    }
    store, head = workspace.store, workspace.store.head(TABLE)
    rows = pl.DataFrame([row])
    whole = rows if head is None else pl.concat([store.scan(TABLE, head.number).collect(), rows])
    draft = Commit(TABLE, "", "", {}, {}, "1", "", "", 0, "", 0, 0)
    store.replace(whole, draft, head, ("purge",))
