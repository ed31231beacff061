"""Parquet as columns: the same documents as row by row, the texts never leaving Arrow's memory.

Only the columns that can say something of a document are read. Tables of chats, records or telemetry go the general way,
as do columns whose type means more than it holds. (`curation.formats.row_tables` says how the two ways stay one.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, BinaryIO

import polars as pl

from curation.formats.extracts import Extract, Poison, ReadingSettings, checked
from curation.formats.parquet import Group, batches, first_rows, groups_of, lost, opened
from curation.formats.record_batches import Damaged, is_valid, unread, values_of
from curation.formats.row_tables import EXTRACTS, GeneralWay, Layout, Table
from curation.formats.rows import NO_TEXT, SAMPLE_ROWS, TOLD, facts_of, longest_column
from records import series

_BATCH = 4096
_GROUP_BATCH = 512


def parquet_table(data: bytes, media_type: str, settings: ReadingSettings) -> Table:
    """A document per row. Raises GeneralWay, and Unreadable for the whole file."""
    file = opened(data)
    if file.metadata.num_rows > settings.max_records:
        raise GeneralWay
    columns = _Columns.of(file.schema_arrow, settings)
    longest = None if columns.known else _longest(data)
    try:
        return _Gathering(media_type, settings, columns, longest).table(file)
    except Damaged:
        return _Gathering(media_type, settings, columns, longest).table_of_groups(file)


def row_groups(file: BinaryIO, most: int) -> Iterator[list[Group]]:
    """The row groups of a file in runs of about so many bytes. Raises Unreadable for a damaged footer."""
    known = opened(file)
    run: list[Group] = []
    held = 0
    for group in groups_of(known):
        run.append(group)
        held += known.metadata.row_group(group.number - 1).total_byte_size
        if held >= most:
            yield run
            run, held = [], 0
    if run:
        yield run


def group_tables(
    data: BinaryIO,
    groups: Sequence[Group],
    column: tuple[str, ...],
    media_type: str,
    settings: ReadingSettings,
    most: int,
) -> Iterator[Table]:
    """Some row groups of a file, so much at a time; `column` is the file's own column of text.

    Raises GeneralWay before the first table, Damaged where something of them cannot be read, and Unreadable for the whole
    file.
    """
    file = opened(data)
    columns = _Columns.of(file.schema_arrow, settings)
    if not columns.known and not column:
        raise GeneralWay
    gathering = _Gathering(media_type, settings, columns, column)
    yield from gathering.tables(batches(file, groups, _GROUP_BATCH, gathering.names()), groups[0].first, most)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which columns of a schema are read: those that may hold the text, and those that say more."""

    known: tuple[str, ...]
    strings: frozenset[str]
    told: tuple[str, ...]

    @classmethod
    def of(cls, schema: Any, settings: ReadingSettings) -> _Columns:
        """Raises GeneralWay for a schema that is not of the usual kind."""
        import pyarrow as pa

        layout = Layout.of(schema.names, settings)
        odd = any(isinstance(column.type, pa.BaseExtensionType) for column in schema)
        if odd or not layout.plain or len(set(schema.names)) < len(schema.names):
            raise GeneralWay
        strings = frozenset(column.name for column in schema if _is_string(column.type))
        told = tuple(name for name in TOLD if name in schema.names) if layout.told else ()
        return cls(tuple(name for name in layout.columns if name in strings), strings, told)


def _is_string(kind: Any) -> bool:
    import pyarrow as pa

    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner))


def _longest(data: bytes) -> tuple[str, ...]:
    rows = islice(first_rows(data), SAMPLE_ROWS)
    return longest_column(row[1] for row in rows if not isinstance(row, Poison))


@dataclass(slots=True)
class _Gathering:
    """A table in the making, batch by batch."""

    media_type: str
    settings: ReadingSettings
    columns: _Columns
    longest: tuple[str, ...] | None
    """The file's own column of text; None when it was not looked for."""
    frames: list[pl.DataFrame] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    characters: int = 0

    def table(self, file: Any) -> Table:
        """All rows, in order. Raises GeneralWay where no column of text is known."""
        if not self.columns.known and not self.longest:
            if file.metadata.num_rows:
                raise GeneralWay  # there is no text, or else it lies in what is damaged
            return Table(EXTRACTS.to_frame(), [])
        (table,) = self.tables(batches(file, groups_of(file), _BATCH, self.names()), 1, None)
        return table

    def table_of_groups(self, file: Any) -> Table:
        """The rows of the groups that can be read, in order, and why the others cannot."""
        tables, poisons = [EXTRACTS.to_frame()], list[Poison]()
        for group in groups_of(file):
            try:
                (table,) = self.tables(batches(file, [group], _BATCH, self.names()), group.first, None)
            except Damaged:
                self._taken()
                table = Table(EXTRACTS.to_frame(), [lost(group)])
            tables.append(table.extracts)
            poisons += table.poisons
        return Table(pl.concat(tables), poisons)

    def names(self) -> list[str]:
        """The columns that are read."""
        return [*dict.fromkeys((*self._texts(), *self._titles(), *self.columns.told))]

    def tables(self, batches: Iterable[Any], first: int, most: int | None) -> Iterator[Table]:
        """The rows in order, the first numbered so; a table for about as many bytes of text as are given, else one."""
        held = 0
        for batch in batches:
            if batch.num_rows:
                self._take(*self._readable(batch, first))
            first += batch.num_rows
            held += batch.nbytes
            if self.characters > self.settings.max_characters:
                raise GeneralWay
            if most is not None and held > most:
                yield self._taken()
                held = 0
        yield self._taken()

    def _taken(self) -> Table:
        taken = Table(pl.concat([EXTRACTS.to_frame(), *self.frames]), self.poisons)
        self.frames, self.poisons = [], []
        return taken

    def _texts(self) -> tuple[str, ...]:
        return (*self.columns.known, *(self.longest or ()))

    def _titles(self) -> tuple[str, ...]:
        return ("title",) if "title" in self.columns.strings else ()

    def _readable(self, batch: Any, first: int) -> tuple[Any, pl.Expr, list[Any]]:
        """The batch, the numbers of its rows, and what else they say, without those that hold what cannot be read."""
        import pyarrow as pa

        if is_valid(batch):
            told = values_of(batch.select(self.columns.told)) if self.columns.told else []
            if not any(isinstance(row, Exception) for row in told):
                return batch, pl.int_range(first, first + batch.num_rows), told
        rows = dict(enumerate(values_of(batch), first))
        self.poisons += (unread(number, row) for number, row in rows.items() if isinstance(row, Exception))
        kept = {number: row for number, row in rows.items() if not isinstance(row, Exception)}
        whole = pa.RecordBatch.from_pylist(list(kept.values()), batch.schema)
        return whole, pl.lit(pl.Series(list(kept), dtype=pl.Int64)), list(kept.values())

    def _take(self, batch: Any, numbers: pl.Expr, rows: list[Any]) -> None:
        names = self._texts()
        strings = pl.DataFrame({name: _strings(batch, name) for name in {*names, *self._titles()}})
        frame = strings.select(
            part=pl.format("row={}", numbers),
            media_type=pl.lit(self.media_type),
            text=pl.coalesce(*names),
            title=pl.col("title") if self._titles() else pl.lit(None, pl.String),
        )
        if self.columns.told:
            told = [facts_of(row) for row in rows]
            frame = frame.with_columns(
                pl.Series("date", [date for _, date, _ in told], pl.String),
                pl.Series("metadata", [metadata for _, _, metadata in told], pl.String),
            )
        else:
            frame = frame.with_columns(date=pl.lit(None, pl.String), metadata=pl.lit(None, pl.String))
        if frame["text"].null_count() and self.longest is None:
            raise GeneralWay  # the file's own column of text may hold what the known ones lack
        self.characters += int(frame["text"].str.len_chars().sum())
        self._set_apart(frame)

    def _set_apart(self, frame: pl.DataFrame) -> None:
        """The rows with a text, and the others as poison."""
        bad = frame["text"].is_null() | frame["text"].str.contains("\0", literal=True)
        for part, text in frame.filter(bad.fill_null(True)).select("part", "text").iter_rows():
            item = replace(NO_TEXT, part=part) if text is None else checked(Extract(part, self.media_type, text))
            assert isinstance(item, Poison)
            self.poisons.append(item)
        self.frames.append(frame.filter(~bad.fill_null(True)).select(EXTRACTS.names()))


def _strings(batch: Any, name: str) -> pl.Series:
    return series(batch.column(name)).cast(pl.String)
