"""Parquet: a row is a document. Read in small batches, for a small file can hold very much.

What is damaged costs its row group, and that as a whole: a page that tells a wrong number of values moves all behind it to
other rows, so no row of such a group is what its number says. A string that is no UTF-8 costs its row, as does a date out of
range; a damaged footer costs the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

from curation.formats.extracts import Item, Poison, ReadingSettings, Unreadable, is_elsewhere, may_die
from curation.formats.record_batches import Damaged, check_names, is_valid, unread, values_of
from curation.formats.rows import NO_TEXT, Row, extracts

PARQUET = "application/vnd.apache.parquet"
READ_BYTES = 4 << 20
"""Of a column of a row group so much is read ahead; what PyArrow does by itself is to hold all of it."""
_BATCH = 1024
_HELD_BYTES = 32 << 20
_MALFORMED = "malformed Parquet"


@dataclass(frozen=True, slots=True)
class Group:
    """A row group: its number and that of its first row, both from 1, and how many rows it has."""

    number: int
    first: int
    rows: int

    def __str__(self) -> str:
        return f"rows {self.first} to {self.first + self.rows - 1} (row group {self.number})"


def read_parquet(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `row=` and its number from 1."""
    return extracts(parquet_rows(data, media_type, settings), media_type, settings)


def parquet_rows(
    data: bytes | BinaryIO, media_type: str, settings: ReadingSettings, groups: Sequence[Group] | None = None
) -> Iterator[Row]:
    """Each row by the names of its columns; of some row groups alone, when these are given.

    A group is looked through before its rows are given, for none of them is where something is damaged. Raises Unreadable
    for a damaged footer.
    """
    file = opened(data)
    for group in groups_of(file) if groups is None else groups:
        try:
            found = _looked_through(file, group)
        except Damaged:
            yield lost(group)
        else:
            yield from _rows(found, group)


def _looked_through(file: Any, group: Group) -> Iterable[Any]:
    """The batches of a group, all of which can be read; a large one is unpacked twice, so that it is not held. Raises Damaged."""
    held: list[Any] = []
    size = 0
    for batch in batches(file, [group], _BATCH):
        if not is_valid(batch):
            values_of(batch)
        size += batch.nbytes
        if size <= _HELD_BYTES:
            held.append(batch)
    return held if size <= _HELD_BYTES else batches(file, [group], _BATCH)


def first_rows(data: bytes | BinaryIO) -> Iterator[Row]:
    """The rows as far as they can be read, to tell the column of text by; groups are not looked through before, for they may be large."""
    file = opened(data)
    for group in groups_of(file):
        try:
            yield from _rows(batches(file, [group], _BATCH), group)
        except Damaged:
            continue


def opened(data: bytes | BinaryIO) -> Any:
    """The file as PyArrow reads it. Raises Unreadable where its footer is damaged or names no columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if isinstance(data, bytes):
            file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        else:
            file = pq.ParquetFile(data, buffer_size=READ_BYTES, page_checksum_verification=True)
        is_whole = sum(group.rows for group in groups_of(file)) == file.metadata.num_rows
        check_names(file.schema_arrow)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_elsewhere(error):
            raise
        raise damaged() from error
    if not is_whole:
        raise damaged()
    if not file.metadata.num_columns:
        raise Unreadable(NO_TEXT.error, "the file has no columns: write it with them, or exclude it")
    return file


def groups_of(file: Any) -> list[Group]:
    """The row groups as the footer has them."""
    found, first = [], 1
    for number in range(file.metadata.num_row_groups):
        found.append(Group(number + 1, first, file.metadata.row_group(number).num_rows))
        first += found[-1].rows
    return found


def batches(file: Any, groups: Sequence[Group], size: int, columns: Sequence[str] | None = None) -> Iterator[Any]:
    """The rows of some groups, so many at a time. Raises Damaged where not all of them can be read."""
    import pyarrow as pa

    left = sum(group.rows for group in groups)
    numbers = [group.number - 1 for group in groups if group.rows]
    try:
        for batch in file.iter_batches(batch_size=size, row_groups=numbers, columns=columns):
            left -= batch.num_rows
            yield batch
    except (pa.ArrowException, OSError) as error:
        if is_elsewhere(error) or (isinstance(error, MemoryError) and may_die.get()):
            raise  # without a limit it is the size that a damaged page tells
        raise Damaged from error
    if left:
        raise Damaged


def _rows(found: Iterable[Any], group: Group) -> Iterator[Row]:
    values = chain.from_iterable(map(values_of, found))
    for number, value in enumerate(values, group.first):
        yield unread(number, value) if isinstance(value, Exception) else (f"row={number}", value)


def lost(group: Group) -> Poison:
    """The failure of a row group that is damaged, at its first row."""
    return Poison(f"row={group.first}", _MALFORMED, f"{group}: a page is damaged; write the file again")


def damaged() -> Unreadable:
    """What is said of a file that is no whole Parquet."""
    return Unreadable(_MALFORMED, "the file is cut short or damaged: write it again")
