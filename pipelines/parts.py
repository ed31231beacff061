"""Parts of a table: Parquet files that lie in its folder and wait for the commit that makes them rows.

Workers write them, each its own, with the rows' hashes beside; one driver commits them all. So a table of any size is
made with the memory of a batch, and what goes from process to process is a file's name. A part that is never committed
is no row of any version; it is vacuumed like what was removed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl
from deltalake import ColumnProperties, Schema, WriterProperties
from deltalake.transaction import AddAction, RemoveAction

from pipelines.digests import MODULUS, ROW_HASH, row_hashes
from pipelines.part_writer import GROUP_ROWS, LEVEL, PAGE_BYTES, PART_BYTES, Part, PartWriter

Made = TypeVar("Made")
_FILE = "file of the table"
GATHERED_BYTES = PART_BYTES // 2
"""Bytes of rows, uncompressed, that wait until they are written as a part."""

WRITER = WriterProperties(
    compression="ZSTD",
    compression_level=LEVEL,
    data_page_size_limit=PAGE_BYTES,
    write_batch_size=8,  # the limit of a page is looked at between batches only, and texts are long
    max_row_group_size=GROUP_ROWS,
    default_column_properties=ColumnProperties(statistics_enabled="CHUNK"),
)
"""How Delta's own writer writes: as parts are."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Rows that come to a table as parts which lie in its folder already; `schema` is that of the rows."""

    folder: str
    parts: tuple[Part, ...]
    schema: pl.Schema

    @property
    def height(self) -> int:
        """How many rows there are."""
        return sum(part.rows for part in self.parts)

    @property
    def total(self) -> int:
        """The sum of the rows' hashes."""
        return sum(part.total for part in self.parts) % MODULUS

    @property
    def places(self) -> list[Path]:
        """The files."""
        return [Path(self.folder) / part.name for part in self.parts]

    def scan(self) -> pl.LazyFrame:
        """The rows beside their hashes."""
        return pl.scan_parquet(self.places) if self.parts else pl.LazyFrame(schema=stored(self.schema))

    def lazy(self) -> pl.LazyFrame:
        """The rows."""
        return self.scan().drop(ROW_HASH)

    def discard(self) -> None:
        """Remove the files, which no commit names."""
        for place in self.places:
            place.unlink(missing_ok=True)


class Gathering:
    """Rows that come piece by piece, written as parts as soon as there are enough for one."""

    def __init__(self, write: PartWriter, outside: Sequence[str] = ()) -> None:
        self._write, self._outside = write, outside
        self._held: list[pl.DataFrame] = []
        self._bytes = 0
        self._parts: list[Part] = []

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows; they bring their hashes, or are given them."""
        if rows.height:
            self._held.append(rows)
            self._bytes += int(rows.estimated_size())
        if self._bytes > GATHERED_BYTES:
            self._flush()

    def take(self, pieces: Generator[pl.DataFrame, None, Made]) -> Made:
        """Take all that comes; what is told in the end. Where that fails, what was written is removed: the next try writes its own."""
        while True:
            try:
                self.add(next(pieces))
            except StopIteration as ended:
                told: Made = ended.value
                return told
            except BaseException:
                Parts(self._write.folder, tuple(self._parts), pl.Schema()).discard()
                raise

    def done(self, schema: pl.Schema) -> Parts:
        """All rows, whose schema is this."""
        self._flush()
        return Parts(self._write.folder, tuple(self._parts), schema)

    def _flush(self) -> None:
        if self._held:
            rows = pl.concat(self._held)
            hashed = rows if ROW_HASH in rows.columns else rows.with_columns(row_hashes(rows, self._outside))
            self._parts += self._write.whole(hashed.cast(stored(hashed.schema)))
        self._held, self._bytes = [], 0


def addition(part: Part) -> AddAction:
    """What a commit says of a part that comes: no more of its content than the number of rows."""
    return AddAction(part.name, part.size, {}, _now(), True, json.dumps({"numRecords": part.rows}))


def removal(name: str) -> RemoveAction:
    """What a commit says of a part that is no more of the table."""
    return RemoveAction(name, True, _now())


def holding(files: Sequence[str], going: pl.DataFrame) -> list[str]:
    """The files among these that hold rows of those hashes."""
    if not files or not going.height:
        return []
    rows = pl.scan_parquet(list(files), include_file_paths=_FILE).select(_FILE, ROW_HASH)
    found = rows.join(going.lazy(), on=ROW_HASH, how="semi").select(pl.col(_FILE).unique()).collect()
    return sorted(found.to_series().to_list())


def stored(schema: pl.Schema) -> pl.Schema:
    """The schema of rows and their hashes as they are read again: Delta knows no unsigned numbers."""
    return pl.Schema(delta_schema(schema).to_arrow())


def delta_schema(schema: pl.Schema) -> Schema:
    """The schema of rows and their hashes as Delta writes it down."""
    return Schema.from_arrow(pl.DataFrame(schema={**schema, ROW_HASH: pl.Binary}).to_arrow().schema)


def without(files: Iterable[pl.DataFrame], going: pl.DataFrame, came: pl.DataFrame, write: PartWriter) -> list[Part]:
    """What stays of the rows in some files of a table, and `came` (all with hashes), as new parts; `going` names hashes of rows.

    One file after the other is asked for, and at most a part's bytes are held beside it.
    """
    parts: list[Part] = []
    held = [came]
    for rows in files:
        held.append(rows.join(going, on=ROW_HASH, how="anti").select(came.columns).cast(came.schema))
        if sum(frame.estimated_size() for frame in held) > PART_BYTES:
            parts += write.whole(pl.concat(held))
            held = []
    return parts + list(write.whole(pl.concat(held)) if held else ())


def _now() -> int:
    return time.time_ns() // 1_000_000
