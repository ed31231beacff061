"""The report on a release, gathered from the tables that it was made from: a page of the workspace, and Markdown beside it.

It is written when a release is made, before its commit, while the tables of that time are all there; and made again for any
release when somebody asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from curation.funnel import funnel
from curation.mixture import MIX
from curation.release_diff import summary
from curation.release_facts import PLACES, with_places
from curation.release_markdown import release_markdown
from curation.release_page import AGREEMENT, STEPS, ReleaseReport, release_page, topics_of
from curation.releases import read_manifest, read_release
from curation.rule_sets import rules_of
from pipelines.commits import Commit
from pipelines.release_differences import Compared, compare
from pipelines.release_lineage import commit_of, lineage, tables_of
from pipelines.releases import ReleaseFolder, find_release
from pipelines.reports import write_report
from pipelines.store import Store
from pipelines.workspace import Workspace

MIXTURE = "mix"
"""The note of a release's commit that holds what a mixture achieved (`MIX`, as rows)."""
_EVERYONE = "everyone"


def report_release(workspace: Workspace, dataset: str, name: str | None) -> Path:
    """Write the page of a release, by its version or tag (the newest, when none is named); where it lies.

    Raises LookupError where there is no such release.
    """
    release = find_release(workspace, dataset, name)
    commit = commit_of(workspace.store, release)
    try:
        found = compare(workspace, dataset, None, release.version)
    except LookupError:
        found = None
    mix = commit.notes.get(MIXTURE, []) if commit else []
    commits = lineage(workspace.store, commit.inputs) if commit else {}
    return workspace.state / write_pages(
        workspace, release, placed_of(workspace, release, commits), commits, found, mix
    )


def placed_of(workspace: Workspace, release: ReleaseFolder, commits: Mapping[str, Commit]) -> pl.DataFrame:
    """The rows of a release beside what is known of their documents."""
    kind = read_manifest(release.folder)["kind"]
    return with_places(read_release(release.folder), tables_of(workspace.store, commits, PLACES[kind]), kind)


def write_pages(
    workspace: Workspace,
    release: ReleaseFolder,
    placed: pl.DataFrame,
    commits: Mapping[str, Commit],
    found: Compared | None,
    mix: list[dict[str, object]],
) -> str:
    """Write the page and the Markdown of a release; where the page lies, from the workspace's state."""
    report = ReleaseReport(
        release.dataset,
        release.version,
        placed,
        found.before.version if found else None,
        summary(found.rows) if found else None,
        found.beside if found else (),
        _funnel(workspace, commits),
        _steps(commits),
        _agreement(workspace.store, commits),
        pl.DataFrame(mix, schema=MIX) if mix else None,
        topics_of(placed),
    )
    name = f"{release.dataset}-{release.version}"
    write_report(workspace, name, release_markdown(report), ".md")
    return write_report(workspace, name, release_page(report))


def _funnel(workspace: Workspace, commits: Mapping[str, Commit]) -> pl.DataFrame | None:
    """The funnel of the corpus that a release was made from, while its tables are still there.

    The asset `funnel` stands beside the release, not above it, so that a release is not made anew for a page: where it has
    not looked at this corpus yet, the same figures are counted here.
    """
    store, corpus = workspace.store, commits.get("corpus")
    same = [each for each in store.history("funnel") if corpus and each.inputs.get("corpus") == corpus.version]
    if same and not store.missing_files(same[0]):
        return store.scan("funnel", same[0].number).collect()
    tables = tables_of(store, commits, _COUNTED)
    if not _COUNTED.keys() <= tables.keys():
        return None
    made = commits["verdicts"].inputs | commits["corpus"].inputs
    found = {
        name: each for name in _EVIDENCE for each in reversed(store.history(name)) if each.version == made.get(name)
    }
    evidence = {name: store.scan(name, each.number) for name, each in found.items() if not store.missing_files(each)}
    order = [source.name for source in workspace.config.sources]
    return funnel(**tables, evidence=evidence, rules=rules_of(workspace.config.rules), source_order=order)


_COUNTED: dict[str, tuple[str, ...]] = {
    "documents": ("doc_id", "source", "locator", "content_digest"),
    "failures": ("source", "error"),
    "verdicts": ("doc_id", "verdict", "stage", "rule"),
    "corpus": ("doc_id",),
}
_EVIDENCE = ("quality", "language", "lines", "contamination", "personal_data")
"""What the funnel is counted from."""


def _steps(commits: Mapping[str, Commit]) -> pl.DataFrame:
    """The books of the stages above a release, those nearest to the sources first."""
    rows = []
    for table, commit in reversed(list(commits.items())):
        books = commit.books
        if books is not None and table != "failures":
            gone = {**books.dropped, **books.failed}
            said = ", ".join(f"{reason} {count:,}" for reason, count in sorted(gone.items(), key=lambda each: -each[1]))
            row = (
                table,
                books.unit,
                books.taken,
                books.kept,
                sum(books.dropped.values()),
                sum(books.failed.values()),
                said,
            )
            rows.append(row)
    return pl.DataFrame(rows, schema=STEPS, orient="row")


def _agreement(store: Store, commits: Mapping[str, Commit]) -> pl.DataFrame | None:
    commit = commits.get("annotator_quality")
    if commit is None or store.missing_files(commit):
        return None
    everyone = store.scan("annotator_quality", commit.number).filter(annotator=_EVERYONE)
    return everyone.select(AGREEMENT.names()).collect()
