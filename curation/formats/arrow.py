"""Arrow: what `datasets` saves to disk, and Arrow files of others. A row is a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from curation.formats.extracts import Item, ReadingSettings, Unreadable
from curation.formats.rows import Row, extracts

ARROW_FILE = "application/vnd.apache.arrow.file"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
_PIECE = 1024


def read_arrow(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `row=` and its number from 1."""
    return extracts(arrow_rows(data, media_type, settings), media_type, settings)


def arrow_stream(opened: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents of a file of any size, of which one record batch is held."""
    return extracts(arrow_rows(opened, media_type, settings), media_type, settings)


def arrow_rows(data: bytes | BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """Each row by the names of its columns."""
    import pyarrow as pa

    number = 0
    try:
        is_file = media_type == ARROW_FILE
        with pa.ipc.open_file(data) if is_file else pa.ipc.open_stream(data) as reader:
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            for batch in batches:
                batch.validate(full=True)  # offsets of a damaged file lead anywhere
                for start in range(0, batch.num_rows, _PIECE):
                    for row in batch.slice(start, _PIECE).to_pylist():
                        number += 1
                        yield f"row={number}", row
    except ConnectionError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # the last where a column's name is damaged
        raise Unreadable("malformed Arrow", "the file is cut short or damaged: write it again") from error
