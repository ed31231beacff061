"""How a stage makes a release: the folder named by its rows, then the changelog, then the report; the commit comes last.

Each is whole or not there, and each may be done twice: a run that is killed anywhere leaves the former release as it is,
and the next run goes on.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from curation.release_facts import PLACES, card_facts, with_places
from curation.release_kinds import Kind
from curation.releases import release_name, row_hashes, write_release
from pipelines.release_differences import made_now, parent_of, write_changelog
from pipelines.release_lineage import tables_of
from pipelines.release_reports import MIXTURE, write_pages
from pipelines.releases import ReleaseFolder
from pipelines.reports import REPORT
from pipelines.stages import Run


def released(rows: pl.DataFrame, kind: Kind, run: Run, mix: pl.DataFrame | None = None) -> dict[str, Any]:
    """Write rows as a release of that kind, with its changelog and its report; the notes of its commit.

    Without rows there is no release. `mix` is what a mixture achieved (`curation.mixture.MIX`).
    """
    if rows.is_empty():
        return {}
    workspace = run.workspace
    name = release_name(row_hashes(rows))
    version = name[:16]
    release = ReleaseFolder(kind, version, workspace.releases / kind / version)
    made = made_now(workspace, kind)
    placed = with_places(rows, tables_of(workspace.store, made, PLACES[kind]), kind)
    write_release(rows, release.folder, kind, {"workspace": workspace.root.name, **card_facts(placed)}, name)
    found = parent_of(workspace, release, made, rows)
    write_changelog(workspace, release, found)
    told = [] if mix is None else mix.to_dicts()
    report = write_pages(workspace, release, placed, made, found, told)
    folder = str(release.folder.relative_to(workspace.state / "store"))
    return {"release": version, "folder": folder, REPORT: report, **({MIXTURE: told} if told else {})}
