"""What a commit of a table says: by whom the rows were made, from what, how many there are, and where each unit went.

It stands in Delta's log beside the rows, so that data and the memory of what was computed cannot disagree.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import polars as pl
from deltalake import CommitProperties

from pipelines.digests import table_version
from pipelines.parts import Parts

METADATA = "headwater"
"""The key of Delta's log under which it stands."""


class CommitConflict(Exception):
    """Another writer committed to the table since this one read it: start again from what is there now."""


class PrimaryKeyError(ValueError):
    """Two rows of a table have the same primary key."""


@dataclass(frozen=True, slots=True)
class Books:
    """The accounting of one stage: taken in = kept + dropped + failed, in a unit that the stage names."""

    unit: str
    taken: int
    kept: int
    dropped: dict[str, int] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)

    @property
    def missing(self) -> int:
        """How many units are in no book; 0 when nothing was lost (negative when some were counted twice)."""
        return self.taken - self.kept - sum(self.dropped.values()) - sum(self.failed.values())


@dataclass(frozen=True, slots=True)
class Commit:
    """What one commit of one table says of itself."""

    table: str
    key: str
    recipe: str
    inputs: dict[str, str]
    settings: dict[str, Any]
    code_version: str
    version: str
    total: str
    rows: int
    schema: str
    added: int
    removed: int
    books: Books | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    number: int = -1

    @property
    def faults(self) -> list[str]:
        """What the stage's checks found wrong; nothing may be made of a table with faults."""
        missing = self.books.missing if self.books else 0
        lost = [f"accounted: {missing} {self.books.unit} are in no book"] if self.books and missing else []
        return lost + [f"{name}: {said}" for name, said in self.checks.items() if said]


@dataclass(frozen=True, slots=True)
class Change:
    """Rows that come to a table, and the keys (a frame of one or more of its columns) of rows that go."""

    added: pl.DataFrame | Parts | None = None
    removed: pl.DataFrame | None = None


def commit_of(table: str, entry: dict[str, Any]) -> Commit:
    """The commit that an entry of Delta's history is. Raises ValueError where another program wrote it."""
    if METADATA not in entry:
        raise ValueError(
            f"table {table}: version {entry['version']} was not written by Headwater; "
            "restore the table to the version before it, or remove the table's folder and run again"
        )
    said = json.loads(entry[METADATA])
    books = Books(**said.pop("books")) if said.get("books") else None
    said.pop("books", None)
    return Commit(**said, books=books, number=entry["version"])


def properties_of(commit: Commit) -> CommitProperties:
    """What Delta writes into its log beside the rows."""
    said = asdict(commit)
    said.pop("number")
    return CommitProperties(custom_metadata={METADATA: json.dumps(said, ensure_ascii=False)}, max_commit_retries=0)


def says_the_same(commit: Commit, head: Commit) -> bool:
    """Whether a commit says of its rows what the head says of the same rows."""

    def said(of: Commit) -> str:
        return json.dumps([of.key, of.books and asdict(of.books), of.notes, of.checks], sort_keys=True, default=str)

    return said(commit) == said(head)


def finished(commit: Commit, total: int, rows: int, schema: str, added: int, removed: int) -> Commit:
    """A commit with what is known once its rows are: digest, number, schema, and what came and went."""
    total %= 1 << 128
    version = commit.version or table_version(total, rows, schema)
    return replace(
        commit, version=version, total=f"{total:032x}", rows=rows, schema=schema, added=added, removed=removed
    )
