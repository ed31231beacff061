"""The report on a release, gathered from the tables that it was made from and written as a page of the workspace."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from curation.release_diff import summary
from curation.release_facts import PLACES, with_places
from curation.release_page import ReleaseReport, release_page
from curation.releases import read_release
from pipelines.release_differences import compare
from pipelines.release_lineage import commit_of, lineage, tables_of
from pipelines.releases import find_release
from pipelines.reports import write_report
from pipelines.store import Commit, Store
from pipelines.workspace import Workspace


def report_release(workspace: Workspace, dataset: str, name: str | None) -> Path:
    """Write the page of a release, by its version or tag (the newest, when none is named); where it lies.

    Raises LookupError where there is no such release.
    """
    release = find_release(workspace, dataset, name)
    commit = commit_of(workspace.store, release)
    commits = lineage(workspace.store, commit.inputs) if commit else {}
    placed = with_places(read_release(release.folder), tables_of(workspace.store, commits, PLACES))
    try:
        found = compare(workspace, dataset, None, release.version)
    except LookupError:
        report = ReleaseReport(dataset, release.version, placed, funnel=_funnel(workspace.store, commits))
    else:
        parent, counts = found.before.version, summary(found.rows)
        funnel = _funnel(workspace.store, commits)
        report = ReleaseReport(dataset, release.version, placed, parent, counts, found.beside, funnel)
    return workspace.state / write_report(workspace, f"{dataset}-{release.version}", release_page(report))


def _funnel(store: Store, commits: Mapping[str, Commit]) -> pl.DataFrame | None:
    """The funnel of the corpus that a release was made from, while it is still there."""
    corpus = commits.get("corpus")
    same = [each for each in store.history("funnel") if corpus and each.inputs.get("corpus") == corpus.version]
    return store.scan("funnel", same[0].number).collect() if same and not store.missing_files(same[0]) else None
