"""`headwater diff`: what came, left and changed between two releases, and why; and the changelog that is written so too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import polars as pl
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from curation.changelog import CHANGELOG, entry, with_entry
from curation.release_diff import ADDED, CHANGED, PROMPTS, REMOVED, as_samples, differences, summary, with_reasons
from curation.releases import MANIFEST, keys_of, read_manifest, read_release
from pipelines.commits import Commit
from pipelines.release_lineage import COLUMNS, beside, commit_of, lineage, tables_of
from pipelines.releases import ReleaseFolder, find_release
from pipelines.shown import shown
from pipelines.whole_files import write_whole
from pipelines.workspace import Workspace

EXAMPLES = 5
_SIGNS = {ADDED: ("+", "green"), REMOVED: ("−", "red"), CHANGED: ("±", "yellow")}
_FROM = {
    "pretraining": ("corpus",),
    "instructions": ("sample_overlaps", "samples"),
    "demonstrations": ("adjudicated_labels", "samples"),
    "preferences": ("adjudicated_labels", "samples"),
}
"""The tables that a dataset is made from, where it is not the samples alone."""


class Compared(NamedTuple):
    """Two releases: the rows that differ (`curation.release_diff.DIFFERENCES`), and what else is other, in words."""

    before: ReleaseFolder
    after: ReleaseFolder
    rows: pl.DataFrame
    beside: list[str]


def compare(workspace: Workspace, dataset: str, before: str | None, after: str | None) -> Compared:
    """Compare two releases of a dataset by their versions or tags; without names, the newest with the one before it.

    Raises LookupError where a release is not there.
    """
    later = find_release(workspace, dataset, after)
    earlier = find_release(workspace, dataset, before or _before(workspace, later))
    made = [_made_from(workspace, commit_of(workspace.store, release)) for release in (earlier, later)]
    return _compared(workspace, earlier, later, made[0], made[1], None)


def _before(workspace: Workspace, release: ReleaseFolder) -> str:
    """The release that stood before this one came."""
    versions = [str(commit.notes.get("release", "")) for commit in workspace.store.history(release.dataset)]
    since = versions.index(release.version) if release.version in versions else 0
    older = [version for version in versions[since:] if version and version != release.version]
    if not older:
        raise LookupError(
            f"{release.said} is the first release that is known; name two: `headwater diff {release.dataset} A B`"
        )
    return older[0]


def _made_from(workspace: Workspace, commit: Commit | None) -> dict[str, Commit]:
    return lineage(workspace.store, commit.inputs) if commit else {}


def _compared(
    workspace: Workspace,
    earlier: ReleaseFolder,
    later: ReleaseFolder,
    before: Mapping[str, Commit],
    after: Mapping[str, Commit],
    rows: pl.DataFrame | None,
) -> Compared:
    """`rows` are those of the later release, where they are at hand."""
    kind = read_manifest(later.folder)["kind"]
    now = read_release(later.folder, PROMPTS) if rows is None else rows
    found = differences(read_release(earlier.folder, PROMPTS), now, keys_of(kind))
    tables = [tables_of(workspace.store, commits, COLUMNS[kind]) for commits in (before, after)]
    return Compared(earlier, later, with_reasons(*as_samples(found, *tables), kind), beside(before, after))


def told(compared: Compared) -> Iterator[RenderableType]:
    """What is printed: rows by change and reason, what else is other, and some rows of each kind."""
    earlier, later = compared.before, compared.after
    yield Text.assemble((earlier.dataset, "bold"), f" {earlier.version} → {later.version}")
    counted = Table("change", "why")
    counted.add_column("rows", justify="right")
    for row in summary(compared.rows).iter_rows(named=True):
        sign, style = _SIGNS[row["change"]]
        counted.add_row(Text(f"{sign} {row['change']}", style), row["reason"], f"{row['rows']:,}")
    yield counted if compared.rows.height else Text("Both hold the same rows.")
    yield from (Text(f"  {said}", "dim") for said in compared.beside)
    for change in _SIGNS:
        yield from _examples(compared.rows.filter(change=change), change)


def _examples(rows: pl.DataFrame, change: str) -> Iterator[Text]:
    sign, style = _SIGNS[change]
    for row in rows.head(EXAMPLES).iter_rows(named=True):
        place = f"  {row['source']}:{row['locator']}" if row["locator"] else ""
        detail = f" ({row['detail']})" if row["detail"] else ""
        yield Text.assemble((f"{sign} ", style), row["sample_id"], shown(f"{place}  {row['reason']}{detail}"))
    if rows.height > EXAMPLES:
        yield Text(f"  and {rows.height - EXAMPLES:,} more that were {change}; -o FILE writes all", "dim")


def made_now(workspace: Workspace, dataset: str) -> dict[str, Commit]:
    """The commits that lead to a release which is being made, from the tables as they stand."""
    store = workspace.store
    tables = _FROM.get(dataset, ("samples",))
    return lineage(store, {name: made.version for name in tables if (made := store.head(name))})


def parent_of(
    workspace: Workspace, release: ReleaseFolder, made: Mapping[str, Commit], rows: pl.DataFrame
) -> Compared | None:
    """A new release, of these rows, compared with the one that its table speaks of; None when there is none, or it is the same."""
    head = workspace.store.head(release.dataset)
    version = str(head.notes.get("release", "")) if head else ""
    earlier = ReleaseFolder(release.dataset, version, workspace.releases / release.dataset / version)
    if head is None or version in {"", release.version} or not (earlier.folder / MANIFEST).is_file():
        return None
    return _compared(workspace, earlier, release, _made_from(workspace, head), made, rows)


def write_changelog(workspace: Workspace, release: ReleaseFolder, found: Compared | None) -> Path:
    """Put what a new release changes on top of its dataset's changelog.

    It is written before the release is committed, and stands once however often that is tried.
    """
    path = workspace.releases / release.dataset / CHANGELOG
    head = workspace.store.head(release.dataset)
    if head is not None and head.notes.get("release") == release.version:
        return path
    splits = read_manifest(release.folder)["splits"]
    if found is None:
        new = entry(release.version, splits, None, pl.DataFrame())
    else:
        new = entry(release.version, splits, found.before.version, summary(found.rows), found.beside)
    before = path.read_text(encoding="utf-8") if path.is_file() else ""
    write_whole(path, with_entry(before, release.dataset, new))
    return path
