"""Parquet: a row is a document. Read in small batches, for a small file can hold very much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

from curation.formats.extracts import Item, ReadingSettings, Unreadable
from curation.formats.rows import Row, extracts

PARQUET = "application/vnd.apache.parquet"
READ_BYTES = 4 << 20
"""Of a column of a row group so much is read ahead; what PyArrow does by itself is to hold all of it."""
_BATCH = 1024


def read_parquet(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `row=` and its number from 1."""
    return extracts(parquet_rows(data, media_type, settings), media_type, settings)


def parquet_rows(
    data: bytes | BinaryIO,
    media_type: str,
    settings: ReadingSettings,
    groups: Sequence[int] | None = None,
    first: int = 1,
) -> Iterator[Row]:
    """Each row by the names of its columns; of some row groups alone, when these are given, the first row numbered so."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        number = first - 1
        source = pa.BufferReader(data) if isinstance(data, bytes) else data
        for batch in pq.ParquetFile(source, buffer_size=READ_BYTES).iter_batches(batch_size=_BATCH, row_groups=groups):
            for row in batch.to_pylist():
                number += 1
                yield f"row={number}", row
    except ConnectionError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise damaged() from error


def damaged() -> Unreadable:
    """What is said of a file that is no whole Parquet."""
    return Unreadable("malformed Parquet", "the file is cut short or damaged: write it again")
