"""Tables of any size joined in the memory of a block.

A join holds one of its tables whole. So tables that are larger than a block are first parted by a hash of the column that
joins: rows of one value fall into one block, wherever they stand, and blocks are joined one after the other. Parts wait
in files without a name, as Arrow has them; a million rows of thirty numbers cost some half a CPU second, there and back.

Digests spread evenly, so a block has about as many rows as asked for; only beyond `MOST_BLOCKS` blocks they grow.

Rows that are to stand in the order of their digests are parted by the first bits of these, and what is still too many bytes
by the next ones.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import chain
from tempfile import TemporaryFile, gettempdir
from typing import IO, Any

import numpy as np
import polars as pl
import pyarrow as pa

BLOCK_ROWS = 1 << 16
"""Rows of each table that are held at a time."""
MOST_BLOCKS = 1024
ORDERED_BYTES = 32 << 20
"""Bytes of rows that are put in order at a time."""
_BITS, _BITS_IN_ALL = 7, 28
_AHEAD = ("POLARS_ROW_GROUP_PREFETCH_SIZE", "POLARS_MAX_CONCURRENT_SCANS")
"""What Polars reads ahead: row groups of a file, and files."""


def parts_of(table: pl.LazyFrame, rows: int) -> Iterator[pl.DataFrame]:
    """The rows of a table, in order, about as many at a time; and little is read ahead, which Polars is told by variables."""
    ours = [name for name in _AHEAD if name not in os.environ]
    os.environ.update(dict.fromkeys(ours, "1"))
    try:
        yield from table.collect_batches(chunk_size=rows, maintain_order=True, engine="streaming")
    finally:
        for name in ours:
            os.environ.pop(name, None)


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

        def parted(pieces: Iterable[pl.DataFrame]) -> Parted:
            return Parted(pieces, pl.col(on).hash() % n_blocks, n_blocks, files.enter_context(scratch()))

        others = {name: parted(parts_of(table, block_rows)) for name, table in tables.items()}
        own = parted(rows)
        empty = {name: pl.DataFrame(schema=table.collect_schema()) for name, table in tables.items()}
        for number in range(n_blocks):
            beside = {
                name: pl.concat([empty[name], *other.block(number, block_rows)]) for name, other in others.items()
            }
            yield partial(own.block, number, block_rows), beside


def ordered(pieces: Iterable[pl.DataFrame], by: str, most_bytes: int | None = None) -> Iterator[pl.DataFrame]:
    """Rows by a column of digests: frames of ascending digests, each of about so many bytes at most; equal ones in one frame.

    Within a frame the rows are in no order.
    """
    return _ordered(pieces, by, most_bytes or ORDERED_BYTES, _BITS_IN_ALL - _BITS)


def _ordered(pieces: Iterable[pl.DataFrame], by: str, most_bytes: int, bit: int) -> Iterator[pl.DataFrame]:
    held = gathered(pieces, most_bytes)
    first, more = next(held, None), next(held, None)
    if first is None:
        return
    if more is None or bit < 0:
        yield pl.concat([first, *([] if more is None else [more]), *held])
        return
    place = pl.col(by).str.head(8).str.to_integer(base=16, dtype=pl.UInt32) // (16 << bit) % (1 << _BITS)
    with scratch() as file:
        parted = Parted(chain([first, more], held), place, 1 << _BITS, file)
        del first, more
        for number in range(1 << _BITS):
            yield from _ordered(parted.block(number, BLOCK_ROWS, most_bytes), by, most_bytes, bit - _BITS)


def gathered(pieces: Iterable[pl.DataFrame], most_bytes: int) -> Iterator[pl.DataFrame]:
    """The rows in frames of so many bytes, but for the last one."""
    held: list[pl.DataFrame] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += int(piece.estimated_size())
        if size >= most_bytes:
            yield pl.concat(held)
            held, size = [], 0
    if held:
        yield pl.concat(held)


@contextmanager
def scratch() -> Iterator[IO[bytes]]:
    """A file without a name in the folder for temporary ones."""
    file = TemporaryFile()  # noqa: SIM115 - closed below
    try:
        yield file
    finally:
        with suppress(OSError):  # of what a full disk did not take, which was told when it was written
            file.close()


@contextmanager
def _told_of_room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        told = f"{error.strerror}, in a temporary file in {gettempdir()}"
        raise OSError(error.errno, f"{told}; make room there, or name another folder in TMPDIR") from error


class Parted:
    """Rows that wait in a file, each in the block whose number an expression tells."""

    def __init__(self, pieces: Iterable[pl.DataFrame], by: pl.Expr, n_blocks: int, file: IO[bytes]) -> None:
        self._batches: list[list[int]] = [[] for _ in range(n_blocks)]
        self._written, self._file = 0, file
        self._schema, writer = pl.Schema(), None
        for piece in pieces:
            numbers = piece.select(by).to_series().to_numpy()
            order = np.argsort(numbers, kind="stable")
            ends = np.searchsorted(numbers[order], np.arange(n_blocks + 1))
            table = piece[order].to_arrow(compat_level=pl.CompatLevel.oldest())
            with _told_of_room():
                if writer is None:
                    self._schema, writer = piece.schema, pa.ipc.new_file(file, table.schema)
                for number, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
                    self._write(writer, table.slice(start, end - start), number)
        with _told_of_room():
            if writer is not None:
                writer.close()
            file.flush()

    def _write(self, writer: Any, rows: pa.Table, number: int) -> None:
        for batch in rows.to_batches():
            if batch.num_rows:
                writer.write_batch(batch)
                self._batches[number].append(self._written)
                self._written += 1

    def block(self, number: int, rows: int, most_bytes: int | None = None) -> Iterator[pl.DataFrame]:
        """The rows of a block in pieces of about so many, or so many bytes."""
        held: list[pa.RecordBatch] = []
        n_rows = size = 0
        reader: Any = pa.ipc.open_file(self._file) if self._batches[number] else None
        for place in self._batches[number]:
            held.append(reader.get_batch(place))
            n_rows += held[-1].num_rows
            size += held[-1].nbytes if most_bytes else 0
            if n_rows >= rows or (most_bytes and size >= most_bytes):
                yield self._frame(held)
                held, n_rows, size = [], 0, 0
        if held:
            yield self._frame(held)

    def _frame(self, batches: list[pa.RecordBatch]) -> pl.DataFrame:
        frame = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)))
        return frame.cast(self._schema)
