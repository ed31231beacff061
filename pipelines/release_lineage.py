"""The tables that a release was made from, as they stood then: what tells why a row came or left.

A commit names the versions of its inputs, so the commits themselves lead from a release to its samples, and from these
to the documents and verdicts of that time. Old versions of tables are cleared away after their retention; what is left
is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

import polars as pl

from pipelines.commits import Commit
from pipelines.graph import SETTINGS
from pipelines.releases import ReleaseFolder
from pipelines.store import Store

FOLLOWED = (
    "sample_overlaps",
    "samples",
    "adjudicated_labels",
    "annotator_quality",
    "annotations",
    "candidates",
    "corpus",
    "verdicts",
    "duplicates",
    "documents",
    "failures",
    "language",
    "contamination",
)
_DOCUMENTS: dict[str, tuple[str, ...]] = {
    "documents": ("doc_id", "content_digest"),
    "failures": ("source", "locator", "error"),
    "verdicts": ("doc_id", "verdict", "rule", "detail"),
}
_SAMPLES = ("sample_id", "doc_id", "source", "locator", "reference", "split")
COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "pretraining": {"corpus": ("content_digest", "doc_id", "source", "locator"), **_DOCUMENTS},
    "instructions": {"samples": _SAMPLES, "sample_overlaps": ("sample_id",), **_DOCUMENTS},
    "demonstrations": {"samples": _SAMPLES, **_DOCUMENTS},
    "preferences": {"samples": _SAMPLES, **_DOCUMENTS},
    "evaluation": {"samples": _SAMPLES, **_DOCUMENTS},
}
"""What of each table tells why, by the kind of release."""


def commit_of(store: Store, release: ReleaseFolder) -> Commit | None:
    """The newest commit that speaks of a release; None where none is known any more."""
    known = (commit for commit in store.history(release.dataset) if commit.notes.get("release") == release.version)
    return next(known, None)


def lineage(store: Store, inputs: Mapping[str, str]) -> dict[str, Commit]:
    """The commits of the tables that lead to these inputs (table to version), by table.

    Of a table that several others name, the one that is named nearest to the release counts: a table that is equal at
    two times has a commit for each, and what the later one was made from is not of the former time.
    """
    found: dict[str, Commit] = {}
    open_ = deque(inputs.items())
    while open_:
        table, version = open_.popleft()
        if table in FOLLOWED and table not in found:
            commit = next((each for each in store.history(table) if each.version == version), None)
            if commit is not None:
                found[table] = commit
                open_ += commit.inputs.items()
    documents = found.get("documents")
    if documents is not None:
        same = [each for each in store.history("failures") if each.key == documents.key]
        found |= {"failures": same[0]} if same else {}
    return found


def tables_of(
    store: Store, commits: Mapping[str, Commit], columns: Mapping[str, Sequence[str]]
) -> dict[str, pl.LazyFrame]:
    """Those columns of these tables; without tables whose rows were cleared away."""
    there = {name: commits[name] for name in columns if name in commits and not store.missing_files(commits[name])}
    return {name: store.scan(name, commit.number).select(columns[name]) for name, commit in there.items()}


def beside(before: Mapping[str, Commit], after: Mapping[str, Commit]) -> list[str]:
    """What of the settings and of the code is other, in words."""
    was, now = ({name: version for each in side.values() for name, version in each.inputs.items()} for side in (before, after))  # fmt: skip
    settings = sorted(name for name in was.keys() | now.keys() if name.startswith(SETTINGS) and was.get(name) != now.get(name))  # fmt: skip
    said = [f"{name.removeprefix(SETTINGS).replace('__', '.')} is other in headwater.yaml" for name in settings]
    both = sorted(before.keys() & after.keys())
    codes = [(name, before[name].code_version, after[name].code_version) for name in both]
    return said + [f"code of {name}: version {old} → {new}" for name, old, new in codes if old != new]
