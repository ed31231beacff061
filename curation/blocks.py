"""Tables of any size joined in the memory of a block.

A join holds one of its tables whole. So tables that are larger than a block are first parted by a hash of the column that
joins: rows of one value fall into one block, wherever they stand, and blocks are joined one after the other. Parts wait
in files without a name, as Arrow has them; a million rows of thirty numbers cost some half a CPU second, there and back.

Digests spread evenly, so a block has about as many rows as asked for; only beyond `MOST_BLOCKS` blocks they grow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa

BLOCK_ROWS = 1 << 16
"""Rows of each table that are held at a time."""
MOST_BLOCKS = 1024
_BLOCK = "block"
_AHEAD = "POLARS_ROW_GROUP_PREFETCH_SIZE"


def parts_of(table: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a table, in order, about as many at a time; and little is read ahead, which Polars is told by a variable."""
    before = os.environ.get(_AHEAD)
    os.environ.setdefault(_AHEAD, "1")
    try:
        yield from table.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
    finally:
        if before is None:
            os.environ.pop(_AHEAD, None)


def height_of(table: pl.LazyFrame) -> int:
    """How many rows a table has."""
    return int(table.select(pl.len()).collect(engine="streaming").item())


def joinable(
    rows: Iterable[pl.DataFrame], tables: Mapping[str, pl.LazyFrame], on: str, block_rows: int = BLOCK_ROWS
) -> Iterator[tuple[pl.DataFrame, dict[str, pl.DataFrame]]]:
    """All of `rows` piece by piece, each beside those rows of the tables that it can be joined with by the column `on`.

    A table has each value about once; of `rows` many may have the same. Their order is kept only where no table is larger
    than a block.
    """
    largest = max(map(height_of, tables.values()), default=0)
    if largest <= block_rows:
        whole = {name: table.collect(engine="streaming") for name, table in tables.items()}
        for piece in rows:
            yield from ((some, whole) for some in piece.iter_slices(block_rows))
        return
    for pieces, beside in blocks(rows, largest, tables, on, block_rows):
        yield from ((piece, beside) for piece in pieces())


def blocks(
    rows: Iterable[pl.DataFrame],
    height: int,
    tables: Mapping[str, pl.LazyFrame],
    on: str,
    block_rows: int = BLOCK_ROWS,
) -> Iterator[tuple[Callable[[], Iterator[pl.DataFrame]], dict[str, pl.DataFrame]]]:
    """All of `rows` and of the tables block by block: what has the same value in the column `on` is in the same block.

    The rows of a block can be gone through piece by piece, more than once. `height` is about how many values there are.
    """
    n_blocks = max(1, min(-(-height // block_rows), MOST_BLOCKS))
    with ExitStack() as files:

        def parted(pieces: Iterable[pl.DataFrame]) -> _Parted:
            return _Parted(pieces, on, n_blocks, files.enter_context(TemporaryFile()))

        others = {name: parted(parts_of(table, block_rows)) for name, table in tables.items()}
        own = parted(rows)
        empty = {name: pl.DataFrame(schema=table.collect_schema()) for name, table in tables.items()}
        for number in range(n_blocks):
            beside = {
                name: pl.concat([empty[name], *other.block(number, block_rows)]) for name, other in others.items()
            }
            yield partial(own.block, number, block_rows), beside


class _Parted:
    """Rows that wait in a file, each in its block."""

    def __init__(self, pieces: Iterable[pl.DataFrame], by: str, n_blocks: int, file: IO[bytes]) -> None:
        self._batches: list[list[int]] = [[] for _ in range(n_blocks)]
        self._written, self._file = 0, file
        self._schema, writer = pl.Schema(), None
        for piece in pieces:
            rows = piece.with_columns((pl.col(by).hash() % n_blocks).alias(_BLOCK)).sort(_BLOCK)
            ends = np.searchsorted(rows[_BLOCK].to_numpy(), np.arange(n_blocks + 1))
            table = rows.drop(_BLOCK).to_arrow(compat_level=pl.CompatLevel.oldest())
            if writer is None:
                self._schema, writer = piece.schema, pa.ipc.new_file(file, table.schema)
            for number, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
                self._write(writer, table.slice(start, end - start), number)
        if writer is not None:
            writer.close()
        file.flush()

    def _write(self, writer: Any, rows: pa.Table, number: int) -> None:
        for batch in rows.to_batches():
            if batch.num_rows:
                writer.write_batch(batch)
                self._batches[number].append(self._written)
                self._written += 1

    def block(self, number: int, rows: int) -> Iterator[pl.DataFrame]:
        """The rows of a block in pieces of about so many."""
        held: list[pa.RecordBatch] = []
        reader: Any = pa.ipc.open_file(self._file) if self._batches[number] else None
        for place in self._batches[number]:
            held.append(reader.get_batch(place))
            if sum(batch.num_rows for batch in held) >= rows:
                yield self._frame(held)
                held = []
        if held:
            yield self._frame(held)

    def _frame(self, batches: list[pa.RecordBatch]) -> pl.DataFrame:
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)))
        return frame.cast(self._schema)
