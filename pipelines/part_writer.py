"""Writing parts of a table, in whatever process has the rows. It imports little, for each process imports it.

Text is compressed by zstd in pages of 32 KB, so that a few texts are fetched without unpacking their neighbours.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipelines.digests import ROW_HASH, hash_sum, row_hashes
from records import slice_rows

PART_BYTES = 64 << 20
"""Bytes of rows, uncompressed, that one part holds at most, unless a single row is larger."""
PAGE_BYTES = 32 << 10
GROUP_ROWS = 1 << 16
GROUP_BYTES = 8 << 20
"""Of rows, uncompressed, in one row group: who reads the table holds some of them."""
LEVEL = 1


@dataclass(frozen=True, slots=True)
class Part:
    """One written file of a table: its name, its bytes, its rows, and the sum of their hashes."""

    name: str
    size: int
    rows: int
    total: int


@dataclass(frozen=True, slots=True)
class PartWriter:
    """Writes parts of one table; it can be sent to a process that works."""

    folder: str

    def __call__(self, frame: pl.DataFrame) -> Part:
        """Write rows, with their hashes unless they bring them; the part counts once it is committed."""
        hashed = frame if ROW_HASH in frame.columns else frame.with_columns(row_hashes(frame))
        name = f"part-{uuid.uuid4()}.zstd.parquet"
        place = Path(self.folder) / name
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            hashed.write_parquet(
                place,
                compression="zstd",
                compression_level=LEVEL,
                data_page_size=PAGE_BYTES,
                row_group_size=slice_rows(hashed, GROUP_ROWS, GROUP_BYTES),
            )
        except BaseException as error:
            place.unlink(missing_ok=True)
            if isinstance(error, pl.exceptions.ComputeError):  # what the system says of a file comes as this
                raise OSError(f"{place}: not written: {error}; see that there is room, and run again") from error
            raise
        return Part(name, place.stat().st_size, hashed.height, hash_sum(hashed[ROW_HASH]))

    def whole(self, frame: pl.DataFrame) -> Iterator[Part]:
        """Write rows as few enough parts."""
        return (self(piece) for piece in cut(frame))


def cut(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """A frame in pieces of about as many bytes as a part holds."""
    if frame.height:
        count = int(frame.estimated_size()) // PART_BYTES + 1
        yield from frame.iter_slices(-(-frame.height // count))
