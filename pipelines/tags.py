"""Names that people give to releases: `latest-good` is a version that can be moved, while the versions stay what they are.

Every movement is a row of the table `tags`, and the last one of a tag holds. So its history is never lost, a commit is
there whole or not at all, and of two people who move a tag at once one comes after the other.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

import polars as pl

from pipelines.commits import Change, Commit, CommitConflict
from pipelines.store import Store

TAGS = "tags"
SCHEMA = pl.Schema({"place": pl.Int64, "dataset": pl.String, "tag": pl.String, "version": pl.String, "at": pl.String})
"""One row per movement, in their order; `version` is null where a tag was removed, `at` is the time (UTC, ISO 8601)."""
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
TRIES = 20

_VERSION = re.compile(r"[0-9a-f]+")


def movements(store: Store, dataset: str) -> pl.DataFrame:
    """All that happened to a dataset's tags (`SCHEMA`), the first one first."""
    return _all(store, store.head(TAGS)).filter(dataset=dataset)


def tags_of(store: Store, dataset: str) -> dict[str, str]:
    """The tags of a dataset, each with the version that it names, by name."""
    last = movements(store, dataset).unique("tag", keep="last", maintain_order=True)
    return dict(last.drop_nulls("version").sort("tag").select("tag", "version").iter_rows())


def set_tag(store: Store, dataset: str, tag: str, version: str) -> str | None:
    """Let a tag name a version; the version that it named before. Raises ValueError for a name that is none."""
    if not NAME.fullmatch(tag):
        raise ValueError(f"{tag!r} is no name for a tag: use letters, digits, and . _ - after a letter, 64 at most")
    if _VERSION.fullmatch(tag):
        raise ValueError(f"{tag!r} could be the first digits of a version; choose another name")
    return _moved(store, dataset, tag, version)


def remove_tag(store: Store, dataset: str, tag: str) -> str | None:
    """Take a tag away; the version that it named. Raises LookupError where there is no such tag."""
    known = tags_of(store, dataset)
    if tag not in known:
        raise LookupError(f"dataset {dataset!r} has no tag {tag!r}; there are: {', '.join(known) or 'none'}")
    return _moved(store, dataset, tag, None)


def _moved(store: Store, dataset: str, tag: str, version: str | None) -> str | None:
    for attempt in range(TRIES):
        try:
            return _commit(store, dataset, tag, version)
        except CommitConflict:
            if attempt == TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _commit(store: Store, dataset: str, tag: str, version: str | None) -> str | None:
    head = store.head(TAGS)
    known = _all(store, head)
    before = known.filter(dataset=dataset, tag=tag)
    named: str | None = before["version"][-1] if before.height else None
    if named == version:
        return named
    at = datetime.now(UTC).isoformat(timespec="seconds")
    row = pl.DataFrame([(known.height, dataset, tag, version, at)], schema=SCHEMA, orient="row")
    draft = Commit(TAGS, "", "", {}, {}, "", "", "", 0, "", 0, 0)
    if head is None:
        store.replace(row, draft, None, ("place",))
    else:
        store.change(Change(row), draft, head, ("place",))
    return named


def _all(store: Store, head: Commit | None) -> pl.DataFrame:
    return SCHEMA.to_frame() if head is None else store.scan(TAGS, head.number).sort("place").collect()
