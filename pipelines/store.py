"""The store: working tables in Delta Lake, each commit carrying what it was made from.

The store is the truth about what has been computed, and Dagster's event log a copy of it: the key, the versions of the
inputs and the digest stand in the commit itself, so that data and memory can never disagree. A commit is a
compare-and-swap: it succeeds only on the version of the table that the writer started from. Delta's column statistics are
switched off, because they would keep pieces of text in the log after the rows are gone.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import create_table_with_add_actions

from curation.row_index import IndexedFile, Layout, RowIndex
from pipelines.commits import (
    Change,
    Commit,
    CommitConflict,
    PrimaryKeyError,
    commit_of,
    finished,
    properties_of,
    says_the_same,
)
from pipelines.delta_tables import files_of, open_table, opened_before, scan_of, schema_of
from pipelines.digests import MODULUS, ROW_HASH, hash_sum, row_hashes, schema_digest
from pipelines.part_writer import Part, PartWriter
from pipelines.parts import WRITER, Gathering, Parts, addition, delta_schema, holding, removal, without
from pipelines.row_sets import Numbers, absent, check_unique, having, numbers_of, rows_with_keys

MERGE_SHARE = 0.2
"""Below this share of changed rows a change touches the files of these rows; above it the table is written anew."""
COMPACT_FILES = 24
"""A table of more small files than this is compacted after a commit."""
SMALL_BYTES = 4 << 20
"""Bytes of a file that is small; in memory it is some three times as much."""
RETENTION_HOURS = 24 * 7
"""Old versions can be read for this long after they were replaced; what nothing names any more is kept as long."""
_LOG_RETENTION = "delta.logRetentionDuration"
_LOG_KEPT = "interval 30 days"
"""Delta's own default."""
_LOG_TICK = 0.01
"""An entry of the log is past a retention of nothing when the clock has gone on."""
_CONFIGURATION = {"delta.dataSkippingNumIndexedCols": "0"}


class Store:
    """Tables under one root, by name."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def location(self, table: str) -> str:
        """Where a table lies."""
        return str(self.root / "tables" / table)

    def _open(self, table: str, number: int | None = None) -> DeltaTable | None:
        """A table to be written."""
        return open_table(self.location(table), number)

    def _read(self, table: str, number: int | None = None) -> DeltaTable | None:
        """A table to be read."""
        return opened_before(self.location(table), number)

    def writer(self, table: str) -> PartWriter:
        """What writes rows of a table ahead of the commit, in whatever process."""
        return PartWriter(self.location(table))

    def tables(self) -> list[str]:
        """The names of all tables that have been committed."""
        found = (log.parent.name for log in (self.root / "tables").glob("*/_delta_log"))
        return sorted(name for name in found if name[0] != ".")  # a hidden one is being removed

    def head(self, table: str) -> Commit | None:
        """The newest commit of a table; None when there is none yet."""
        opened = self._read(table)
        return None if opened is None else commit_of(table, opened.history(1)[0])

    def history(self, table: str) -> list[Commit]:
        """All commits of a table that are still known, newest first."""
        opened = self._read(table)
        return [] if opened is None else [commit_of(table, entry) for entry in opened.history()]

    def scan(self, table: str, number: int | None = None) -> pl.LazyFrame:
        """A table's rows, lazily, as of a commit's number (the newest when None)."""
        return self.scan_with_hashes(table, number).drop(ROW_HASH)

    def scan_with_hashes(self, table: str, number: int | None = None) -> pl.LazyFrame:
        """A table's rows beside their stored hashes."""
        opened = self._read(table, number)
        if opened is None:
            raise LookupError(f"table {table} does not exist yet; `headwater run {table}` makes it")
        return scan_of(opened)

    def files(self, table: str, number: int) -> set[str]:
        """The files that hold a table's rows as of a commit's number."""
        opened = self._read(table, number)
        return set() if opened is None else set(map(str, files_of(opened)))

    def index(self, table: str, number: int, layout: Layout) -> RowIndex:
        """The index of a table as of a commit's number; where a file has none, because it is new or was lost, it is made.

        Those of files that are gone go, and what nobody asked for since the retention: other layouts, formats, halves.
        """
        schema = self.scan(table, number).select(layout.columns).collect_schema()
        folder = self._indexes(table)
        files = [IndexedFile(Path(file), folder, layout) for file in sorted(self.files(table, number))]
        for file in files:
            file.write(lambda place: pl.read_parquet(place, columns=list(layout.columns)).cast(schema))
        oldest = time.time() - RETENTION_HOURS * 3600
        asked = {file.rows.stem for file in files}
        for other in (each for each in folder.glob("*") if each.stem not in asked):
            data = Path(self.location(table)) / other.name.rsplit(".", 2)[0]
            # another process has just put a draft in its place, or removed the same; or its owner alone may remove it
            with suppress(FileNotFoundError, PermissionError):
                if not (data.exists() or other.name.startswith(".")) or other.stat().st_mtime < oldest:
                    other.unlink()
        return RowIndex(files, layout, schema)

    def _indexes(self, table: str) -> Path:
        return self.root / "indexes" / table

    def missing_files(self, commit: Commit) -> list[str]:
        """The data files of a commit that are no longer there: they go when they are past retention."""
        opened = self._read(commit.table, commit.number)
        return [str(file) for file in files_of(opened) if not file.exists()] if opened else []

    def find(self, table: str, version: str) -> Commit:
        """The commit of a table with that number, else the newest whose digest begins so."""
        known = self.history(table)
        named = [each for each in known if str(each.number) == version] or [
            each for each in known if each.version.startswith(version)
        ]
        if named:
            return named[0]
        raise LookupError(f"table {table} has no version {version}; `headwater table {table} --versions` lists them")

    def replace(
        self,
        rows: pl.DataFrame | Parts,
        commit: Commit,
        head: Commit | None,
        primary_key: Sequence[str],
        outside: Sequence[str] = (),
    ) -> Commit:
        """Commit `rows` as the whole new state of a table: only those that differ are written when few do.

        Nothing is committed when neither the rows nor what is said of them differ from the head. What was written as
        parts is taken as it is.
        """
        check_unique(commit.table, rows.lazy(), primary_key)
        if isinstance(rows, Parts):
            return self._replaced_by(rows, commit, head, outside)
        hashed = rows.with_columns(row_hashes(rows, outside))
        came, went = self._came_and_went(commit.table, hashed, head)
        if head is None or outside or head.schema != schema_digest(rows.schema, outside):
            return self._overwrite(hashed, commit, head, came.height, went.height, outside)
        if not came.height and not went.height and says_the_same(commit, head):
            return head
        if came.height + went.height > MERGE_SHARE * max(head.rows, 1):
            return self._overwrite(hashed, commit, head, came.height, went.height, outside)
        return self._change(came, went, commit, head)

    def _replaced_by(self, rows: Parts, commit: Commit, head: Commit | None, outside: Sequence[str]) -> Commit:
        """Commit parts as the whole new state: as they are, or those of their rows alone that differ, when few do."""
        schema = schema_digest(rows.schema, outside)
        if head is None:
            return self._committed(
                finished(commit, rows.total, rows.height, schema, rows.height, 0),
                head,
                rows.parts,
                "overwrite",
                rows.schema,
            )
        before = scan_of(self._as_of(head))
        new, old = numbers_of(rows.scan()), numbers_of(before)
        came, went = absent(new, old), absent(old, new)
        is_few = len(came) + len(went) <= MERGE_SHARE * max(head.rows, 1)
        if is_few and head.schema == schema and not outside:
            gone = (
                before.filter(having(went)).select(ROW_HASH).collect()
                if len(went)
                else pl.DataFrame(schema={ROW_HASH: pl.Binary})
            )
            fresh = self._among(rows, came, commit.table)
            if (int(head.total, 16) - hash_sum(gone[ROW_HASH]) + fresh.total - rows.total) % MODULUS == 0:
                rows.discard()
                return (
                    head
                    if not len(came) + len(went) and says_the_same(commit, head)
                    else self._change(fresh, gone, commit, head)
                )
            fresh.discard()
        commit = finished(commit, rows.total, rows.height, schema, len(came), len(went))
        return self._committed(commit, head, rows.parts, "overwrite", rows.schema)

    def _among(self, rows: Parts, numbers: Numbers, table: str) -> Parts:
        """Those rows that have one of these numbers, as parts of their own."""
        some = Gathering(self.writer(table))
        for place in rows.places if len(numbers) else ():
            some.add(pl.read_parquet(place).filter(having(numbers)))
        return some.done(rows.schema)

    def change(self, change: Change, commit: Commit, head: Commit, primary_key: Sequence[str]) -> Commit:
        """Commit rows that come and rows that go; only files that hold rows which go are written anew. Of a table of one small file
        all rows are held where some go, so that it is read once."""
        opened = self._as_of(head)
        present, files, going = scan_of(opened), files_of(opened), change.removed
        is_held = going is not None and going.height and len(files) == 1 and files[0].stat().st_size <= SMALL_BYTES
        held = present.collect() if is_held else None
        present = present if held is None else held.lazy()
        came = change.added if change.added is not None else present.drop(ROW_HASH).head(0).collect()
        names = came.lazy().select(primary_key).collect()
        check_unique(commit.table, names.lazy(), primary_key)
        keys = list(primary_key)
        removed = going.unique() if going is not None and going.height else names.head(0)
        if set(removed.columns) == set(keys):  # one look at the table serves both
            named = pl.concat([removed.select(keys), names], how="vertical_relaxed").unique()
            present = rows_with_keys(present, named).collect().lazy()
        went = rows_with_keys(present, removed).select(ROW_HASH).collect()
        alike = rows_with_keys(present, names)
        if alike.join(went.lazy(), on=ROW_HASH, how="anti").head(1).collect().height:
            raise PrimaryKeyError(
                f"table {commit.table}: a row that comes has the primary key {tuple(primary_key)} of one that stays"
            )
        if isinstance(came, Parts):
            return self._change(came, went, commit, head, held)
        came = came.with_columns(row_hashes(came))
        fresh, gone = came.join(went, on=ROW_HASH, how="anti"), went.join(came, on=ROW_HASH, how="anti")
        return self._change(fresh, gone, commit, head, held)

    def _pinned(self, table: str, head: Commit, *, newest: bool = False) -> DeltaTable:
        opened = self._open(table, None if newest else head.number)
        if opened is None:
            raise CommitConflict(f"table {table} is gone")
        return opened

    def _as_of(self, head: Commit) -> DeltaTable:
        opened = self._read(head.table, head.number)
        if opened is None:
            raise CommitConflict(f"table {head.table} is gone")
        return opened

    def _came_and_went(
        self, table: str, hashed: pl.DataFrame, head: Commit | None
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        if head is None:
            return hashed, hashed.select(ROW_HASH).head(0)
        old = scan_of(self._as_of(head)).select(ROW_HASH).collect()
        return hashed.join(old, on=ROW_HASH, how="anti"), old.join(hashed.select(ROW_HASH), on=ROW_HASH, how="anti")

    def _overwrite(
        self, hashed: pl.DataFrame, commit: Commit, head: Commit | None, came: int, went: int, outside: Iterable[str]
    ) -> Commit:
        total = hash_sum(hashed[ROW_HASH])
        commit = finished(commit, total, hashed.height, schema_digest(hashed.schema, outside), came, went)
        target = self.location(commit.table) if head is None else self._pinned(commit.table, head)
        return self._written(
            commit,
            lambda properties: write_deltalake(
                target,
                hashed.to_arrow(),
                mode="error" if head is None else "overwrite",
                schema_mode=None if head is None else "overwrite",
                configuration=_CONFIGURATION if head is None else None,
                writer_properties=WRITER,
                commit_properties=properties,
            ),
        )

    def _change(
        self,
        came: pl.DataFrame | Parts,
        went: pl.DataFrame,
        commit: Commit,
        head: Commit,
        held: pl.DataFrame | None = None,
    ) -> Commit:
        """Rows that come, beside those that do not go; `came` and `went` bring their hashes, and so do the rows of a table of one
        file, if they are `held`."""
        total = int(head.total, 16) - hash_sum(went[ROW_HASH])
        total += came.total if isinstance(came, Parts) else hash_sum(came[ROW_HASH])
        rows = head.rows + came.height - went.height
        commit = finished(commit, total, rows, head.schema, came.height, went.height)
        table = self._pinned(commit.table, head)
        if isinstance(came, pl.DataFrame) and not went.height:
            return self._written(
                commit,
                lambda properties: write_deltalake(
                    table, came.to_arrow(), mode="append", writer_properties=WRITER, commit_properties=properties
                ),
            )
        files = [str(file) for file in files_of(table)]
        own = came.parts if isinstance(came, Parts) else ()
        typed = schema_of(table).to_frame()
        others = typed if isinstance(came, Parts) else came.select(typed.columns).cast(typed.schema)
        touched = holding(files, went) if held is None or not went.height else files
        before = map(pl.read_parquet, touched) if held is None else [held] * len(touched)
        parts = [*own, *without(before, went, others, self.writer(commit.table))]
        return self._committed(commit, head, parts, "append", None, touched)

    def _committed(
        self,
        commit: Commit,
        head: Commit | None,
        parts: Iterable[Part],
        mode: Literal["append", "overwrite"],
        schema: pl.Schema | None,
        gone: Iterable[str] = (),
    ) -> Commit:
        """Commit files that lie in the table's folder, and take out others; a `schema` is that of the rows."""
        actions = [*map(addition, parts), *(removal(Path(file).name) for file in gone)]
        told = None if schema is None else delta_schema(schema)
        if head is None:
            return self._written(
                commit,
                lambda properties: create_table_with_add_actions(
                    self.location(commit.table),
                    told,
                    actions,
                    mode="error",
                    configuration=_CONFIGURATION,
                    commit_properties=properties,
                ),
            )
        table = self._pinned(commit.table, head)
        return self._written(
            commit,
            lambda properties: table.create_write_transaction(
                actions, mode, table.schema() if told is None else told, commit_properties=properties
            ),
        )

    def _written(self, commit: Commit, write: Any) -> Commit:
        try:
            write(properties_of(commit))
        except CommitFailedError as error:
            raise CommitConflict(f"table {commit.table} was changed by another run") from error
        except DeltaError as error:
            if "already exists" in str(error):
                raise CommitConflict(f"table {commit.table} was made by another run") from error
            raise
        return self._tidied(commit)

    def erase_past(self, table: str) -> None:
        """Remove all of a table but its newest version: older rows, files of writes that were cut off, indexes, and the log.

        Delta's own vacuum, checkpoint and log clean-up do it, with a retention of nothing. No other writer may be at work.
        """
        opened, head = self._open(table), self.head(table)
        if opened is None or head is None:
            return
        shutil.rmtree(self._indexes(table), ignore_errors=True)
        properties = properties_of(head)
        opened.alter.set_table_properties({_LOG_RETENTION: "interval 0 seconds"}, commit_properties=properties)
        self._pinned(table, head, newest=True).vacuum(
            0, dry_run=False, enforce_retention_duration=False, full=True, commit_properties=properties
        )
        opened = self._pinned(table, head, newest=True)
        opened.create_checkpoint()
        time.sleep(_LOG_TICK)
        opened.cleanup_metadata()
        opened.alter.set_table_properties({_LOG_RETENTION: _LOG_KEPT}, commit_properties=properties)

    def _tidied(self, commit: Commit) -> Commit:
        """Compact a table of many small files and drop what is past its retention; the commit stays what it says."""
        table = self._open(commit.table)
        if table is not None:
            try:
                sizes = table.get_add_actions(flatten=True).column("size_bytes").to_pylist()
                if sum(size < SMALL_BYTES for size in sizes) > COMPACT_FILES:
                    table.optimize.compact(
                        target_size=SMALL_BYTES, writer_properties=WRITER, commit_properties=properties_of(commit)
                    )
                table.vacuum(
                    RETENTION_HOURS,
                    dry_run=False,
                    enforce_retention_duration=False,
                    full=True,  # parts that were never committed too
                    commit_properties=properties_of(commit),
                )
            except CommitFailedError as error:
                raise CommitConflict(f"table {commit.table} was changed by another run") from error
        return self.head(commit.table) or commit
