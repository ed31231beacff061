"""Arrow: what `datasets` saves to disk, and Arrow files of others. A row is a document."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, BinaryIO

from curation.formats.arrow_footer import sound_batches
from curation.formats.extracts import Item, Poison, ReadingSettings, Unreadable, is_elsewhere
from curation.formats.record_batches import Damaged, check_names, is_valid, unread, values_of
from curation.formats.rows import Row, extracts

ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
_PIECE = 1024
_BEHIND = 4096
"""Bytes behind the end of a stream that are looked at."""
_MALFORMED, _MEND = "malformed Arrow", "write the file again"


def read_arrow(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `row=` and its number from 1."""
    return extracts(arrow_rows(data, media_type, settings), media_type, settings)


def arrow_stream(opened: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents of a file of any size, of which one record batch is held."""
    return extracts(arrow_rows(opened, media_type, settings), media_type, settings)


def arrow_rows(data: bytes | BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """Each row by the names of its columns; a record batch that is damaged fails alone, and with it those behind it where nothing
    says how many rows it has. Raises Unreadable for a damaged schema or footer."""
    first = 1
    for number, found in enumerate((_of_file if media_type == ARROW_FILE else _of_stream)(data), 1):
        if found is None:
            what = f"row {first} and all behind it: record batch {number} is damaged, and nothing says how many rows it has"
            yield Poison(f"row={first}", _MALFORMED, f"{what}; {_MEND}")
            return
        rows = found if isinstance(found, int) else found.num_rows
        if isinstance(found, int):
            yield _lost(first, rows, number)
        else:
            for start in range(0, rows, _PIECE):
                yield from _rows(found.slice(start, _PIECE), first + start, number)
        first += rows


def _rows(batch: Any, first: int, number: int) -> list[Row]:
    """The rows of a piece of a record batch, which may turn out to be damaged only now: then it fails alone."""
    try:
        values = enumerate(values_of(batch), first)
    except Damaged:
        return [_lost(first, batch.num_rows, number)]
    return [unread(row, value) if isinstance(value, Exception) else (f"row={row}", value) for row, value in values]


def _lost(first: int, rows: int, number: int) -> Poison:
    what = f"rows {first} to {first + rows - 1} (record batch {number}): damaged"
    return Poison(f"row={first}", _MALFORMED, f"{what}; {_MEND}")


def _of_file(data: bytes | BinaryIO) -> Iterator[Any]:
    """Each record batch; of one that is damaged the number of its rows, None where that is lost too, as are batches that the
    footer does not name."""
    import pyarrow as pa

    with _opened(pa.ipc.open_file, data) as reader:
        count, is_whole = sound_batches(data)
        for number in range(count):
            batch = _read(partial(reader.get_batch, number))
            yield _sound(_rows_in(data, number, len(reader.schema)) if batch is None else batch)
        if not is_whole:
            yield None


def _of_stream(data: bytes | BinaryIO) -> Iterator[Any]:
    """Each record batch, as `_of_file` gives it, up to the first of which nothing says how many rows it has."""
    import pyarrow as pa

    file = pa.BufferReader(data) if isinstance(data, bytes) else data
    with _opened(pa.ipc.open_stream, file) as reader:
        batch = True
        while batch is not None:
            try:
                batch = _read(reader.read_next_batch)
            except StopIteration:
                if file.read(_BEHIND).strip(b"\0"):
                    yield None  # a message whose length is damaged into that of none is the mark of the end
                return
            yield _sound(batch)


def _opened(opens: Callable[..., Any], data: bytes | BinaryIO) -> Any:
    import pyarrow as pa

    try:
        reader = opens(data)
        check_names(reader.schema)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if is_elsewhere(error):
            raise
        raise Unreadable(_MALFORMED, f"the file is cut short or damaged: {_MEND}") from error
    return reader


def _read(read: Callable[[], Any]) -> Any:
    """What is read; None of what is damaged, which may tell a size that there is no memory for."""
    import pyarrow as pa

    try:
        return read()
    except (pa.ArrowException, OSError) as error:
        if is_elsewhere(error):
            raise
        return None


def _sound(batch: Any) -> Any:
    """A record batch that may be read; of another the number of its rows: its offsets lead anywhere."""
    return batch if batch is None or isinstance(batch, int) or is_valid(batch) else batch.num_rows


def _rows_in(data: bytes | BinaryIO, number: int, columns: int) -> int | None:
    """How many rows a record batch has, by any of its columns that can be read."""
    import pyarrow as pa

    for column in range(columns):
        own = pa.ipc.IpcReadOptions(included_fields=[column])
        batch = _read(partial(_batch, data, number, own))
        if batch is not None:
            return int(batch.num_rows)
    return None


def _batch(data: bytes | BinaryIO, number: int, options: Any) -> Any:
    import pyarrow as pa

    return pa.ipc.open_file(data, options=options).get_batch(number)
