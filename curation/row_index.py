"""Rows found by what stands in a column, at the cost of what is found: an index beside each file of a table.

A file of a table never changes, so its index is written once and holds for ever; a table is a set of files, so what is
appended brings its own small index, and where small files are joined theirs are too (a log-structured merge; O'Neil et
al., 1996). An index is two files that are mapped into memory, of which a search touches a few pages: the narrow columns as
an Arrow file, and for each column that rows are found by the sorted keys (`sorted_keys.py`).
Two values may share a key, so what is found is compared with what was asked for. Digests are kept as the two numbers that
they are, a third of a string's bytes: whoever computes with them asks by numbers and gets numbers. Of a wide column that is
read by the numbers of rows it is kept where each page lies (`parquet_pages.py`). All of it can be made again from the table,
so nothing is lost with it; each file appears whole or not at all.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import xxhash

from curation import index_kernels
from curation.deduplication.numbering import Digests, digests_of, names_of
from curation.kernel_arguments import fixed
from curation.parquet_pages import NO_PAGES, Pages, pages_of, strings
from curation.sorted_keys import OfOneKind, SortedKeys, mapped_keys, sorted_by_hash, write_keys
from records import digest, large_binary, numbers_in, series, taken, valid_in

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]
"""Digests, a row each: the number that their first 16 hexadecimal digits are, and that of the others."""

FORMAT = "4"
"""Of the files; another one is looked for under other names."""
WIDTH = 32
"""Bytes of a digest in hexadecimal, and the most of a value that is hashed without becoming an object."""
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
_HALF = np.uint64(32)


@dataclass(frozen=True, slots=True)
class Layout:
    """What an index holds: the columns that rows are found by, and all that are kept beside.

    A column of `pieces` holds bytes, and each four of them, at their place, are something to find the row by (`pieces` of
    an open file). One of `digests` holds 32 hexadecimal digits. Of `texts`, which are read a few at a time, the pages are known.
    """

    found_by: tuple[str, ...]
    columns: tuple[str, ...]
    pieces: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What tells indexes of one layout from those of another."""
        parts = self.found_by, self.pieces, self.columns, self.digests, self.texts
        return digest("index", FORMAT, *(name for part in parts for name in ("", *part)))[:12]


@dataclass(frozen=True, slots=True)
class IndexedFile:
    """A file of a table, and where its index lies or will lie."""

    data: Path
    folder: Path
    layout: Layout

    @property
    def rows(self) -> Path:
        """The narrow columns."""
        return self.folder / f"{self.data.name}.{self.layout.name}.rows"

    @property
    def keys(self) -> Path:
        """The sorted keys; written last."""
        return self.folder / f"{self.data.name}.{self.layout.name}.keys"

    def pages(self, column: str) -> Path:
        """Where the pages of a column of texts lie."""
        return self.folder / f"{self.data.name}.{self.layout.name}.{column}"

    def write(self, read: Callable[[Path], pl.DataFrame]) -> None:
        """Write the index, unless it is there; `read` gives the narrow columns of the file. Its time says when it was last
        asked for, by whom it belongs to: others may not set it."""
        with suppress(FileNotFoundError):
            for place in (self.keys, self.rows, *map(self.pages, self.layout.texts)):
                with suppress(PermissionError):
                    os.utime(place)
            return
        frame = read(self.data).select(self.layout.columns)
        self.folder.mkdir(parents=True, exist_ok=True)
        for column in self.layout.texts:
            _put(self.pages(column), lambda place, column=column: pages_of(self.data, column).tofile(place))  # type: ignore[misc]
        _put(self.rows, lambda place: _write_rows(place, frame, self.layout))
        _put(self.keys, lambda place: write_keys(place, list(_keys_of(frame, self.layout))))


class RowIndex:
    """The rows of some files of one layout, which are found by what stands in their columns."""

    def __init__(self, files: Iterable[IndexedFile], layout: Layout, schema: pl.Schema) -> None:
        self.files = [OpenFile(file) for file in files]
        self._layout, self._schema = layout, schema

    def among(self, column: str, values: pl.Series) -> pl.DataFrame:
        """The rows (narrow columns) where `column` holds one of these values."""
        parts = [file.take(rows) for file, rows in self._holding(column, values)]
        frame = pl.concat([self._schema.to_frame(), *(self._frame(part) for part in parts if part.num_rows)])
        return frame.filter(pl.col(column).is_in(values.implode()))

    def rows(self, column: str, wanted: Numbers, columns: Sequence[str]) -> pa.Table:
        """Some narrow columns of the rows where `column` holds one of these digests, which are distinct.

        Columns of digests come as 16 bytes each, the two numbers one behind the other.
        """
        found = self._with_digests(column, wanted) if len(wanted) else ()
        parts = [file.take(rows, columns) for file, rows in found if len(rows)]
        return pa.Table.from_batches(parts or [self._nothing.select(columns)])

    def texts(self, column: str, wanted: Numbers, name: str) -> Iterator[tuple[Numbers, pa.Array]]:
        """A column of texts where `column` holds one of these digests, which are distinct, and the digest of each text: file by
        file, from those that hold any. Of the rows of a file that hold the same digest the first alone is read."""
        for file, rows in self._with_digests(column, wanted):
            if len(rows):
                rows = _firsts(file.numbers(column), rows)
                found = file.texts(name, rows)
                yield (file.numbers(column)[rows], found) if found is not None else _filtered(file, column, rows, name)

    def _holding(self, column: str, values: pl.Series) -> Iterator[tuple[OpenFile, Rows]]:
        """For each file the numbers of the rows that may hold one of these values, in order."""
        if column in self._layout.digests:
            return self._with_digests(column, numbers_of(values.alias(column).drop_nulls().unique()))
        return self._with_hashes(column, np.unique(hashes_of(values.drop_nulls())).astype(np.uint64))

    def _with_digests(self, column: str, wanted: Numbers) -> Iterator[tuple[OpenFile, Rows]]:
        """For each file the numbers of the rows that hold one of these digests, in order."""
        high, first = wanted[:, 0], self._layout.found_by.index(column)
        wanted = wanted if (high[1:] >= high[:-1]).all() else wanted[np.argsort(high)]
        for file in self.files:
            yield file, _matching(file.keys.kind(first), wanted, file.numbers(column))

    def _with_hashes(self, column: str, hashes: Numbers) -> Iterator[tuple[OpenFile, Rows]]:
        """For each file the numbers of the rows whose value has one of these sorted hashes, in order."""
        wanted, first = np.stack([hashes << _HALF, hashes], axis=1), self._layout.found_by.index(column)
        return ((file, _matching(file.keys.kind(first), wanted, _NO_NUMBERS)) for file in self.files)

    def _frame(self, part: pa.RecordBatch) -> pl.DataFrame:
        columns = {
            name: names_of(Digests(*numbers_in(array).T), valid_in(array))
            if name in self._layout.digests
            else series(array)
            for name, array in zip(part.schema.names, part.columns, strict=True)
        }
        return pl.DataFrame(columns).cast({name: self._schema[name] for name in columns})

    @cached_property
    def _nothing(self) -> pa.RecordBatch:
        return _batch_of(self._schema.to_frame(), self._layout)


class OpenFile:
    """The index of a file, which is mapped into memory when it is first asked for something."""

    def __init__(self, file: IndexedFile) -> None:
        self._file = file

    @property
    def data(self) -> Path:
        """The file of the table."""
        return self._file.data

    @property
    def height(self) -> int:
        """How many rows there are."""
        return int(self._batch.num_rows)

    @cached_property
    def _batch(self) -> pa.RecordBatch:
        """All rows: of several batches, Arrow would copy whole columns to take a row."""
        return pa.ipc.open_file(pa.memory_map(str(self._file.rows))).get_batch(0)

    @cached_property
    def keys(self) -> SortedKeys:
        """The keys of each column that rows are found by, then of each place of a piece."""
        return mapped_keys(self._file.keys)

    @property
    def pieces(self) -> SortedKeys:
        """The keys of each place of a piece."""
        return self.keys._replace(bounds=self.keys.bounds[len(self._file.layout.found_by) :])

    def column(self, name: str) -> pa.Array:
        """A column as it lies on disk, digests as 16 bytes each."""
        return self._batch.column(name)

    def numbers(self, column: str) -> Numbers:
        """A column of digests, as it lies on disk."""
        return numbers_in(self.column(column))

    def texts(self, column: str, rows: Rows) -> pa.Array | None:
        """A column of texts of some rows, whose numbers ascend; None where it cannot be read by number."""
        return strings(self.data, self._pages[column], rows) if column in self._pages else None

    @cached_property
    def _pages(self) -> dict[str, Pages]:
        """Those of each column of texts."""
        places = {column: self._file.pages(column) for column in self._file.layout.texts}
        return {column: np.fromfile(place, np.int64).reshape(-1, NO_PAGES.shape[1]) for column, place in places.items()}

    def take(self, rows: Rows, columns: Sequence[str] | None = None) -> pa.RecordBatch:
        """Some rows, given in order, of all columns or of some; as they lie on disk where all stand one behind the other."""
        batch = self._batch if columns is None else self._batch.select(columns)
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
            return batch.slice(int(rows[0]), len(rows))
        return taken(batch, rows)


def _matching(keys: OfOneKind, wanted: Numbers, held: Numbers) -> Rows:
    """The numbers of the rows, in order, whose hash is the upper half of one of the sorted numbers that are wanted, and which
    hold just that, if it is known what each holds."""
    (hashes, row_of), rows, total = map(fixed, keys), np.empty(len(wanted) + 64, np.int64), 0
    while (total := index_kernels.list_matching(hashes, row_of, fixed(wanted), fixed(held), rows)) > len(rows):
        rows = np.empty(total, np.int64)
    return np.sort(rows[:total])


def _firsts(held: Numbers, rows: Rows) -> Rows:
    """The first of the rows that hold each digest, in order."""
    high, low = held[rows].T
    order = np.lexsort((low, high))
    again = (high[order[1:]] == high[order[:-1]]) & (low[order[1:]] == low[order[:-1]])
    first: Rows = rows[np.sort(order[np.concatenate([[True], ~again])])]
    return first


def _filtered(file: OpenFile, column: str, rows: Rows, name: str) -> tuple[Numbers, pa.Array]:
    """A text for each digest that these rows of a file hold, looked for in all of it, and the digest of each."""
    values = names_of(Digests(*file.numbers(column)[rows].T))
    wanted = pl.scan_parquet(file.data).filter(pl.col(column).is_in(values.implode())).select(column, name)
    found = wanted.unique(column).collect(engine="streaming")
    return numbers_of(found[column]), _plain(found[name])


_NO_NUMBERS = np.empty((0, 2), np.uint64)


def numbers_of(values: pl.Series) -> Numbers:
    """Digests, none null, as numbers. Raises ValueError for what is not 32 hexadecimal digits."""
    return np.stack(digests_of(values), axis=1)


def hashes_of(values: pl.Series) -> npt.NDArray[np.uint32]:
    """A hash of 32 bits for each value, which depends on its bytes alone; short ones of one size are hashed together."""
    ends, data = _bytes_of(values)
    sizes = np.diff(ends)
    hashes = np.empty(len(values), np.uint32)
    for size in np.unique(sizes).tolist():
        own = np.flatnonzero(sizes == size)
        if size <= WIDTH:
            hashes[own] = _mixed(data[ends[own, None] + np.arange(size)], size)
        else:
            pieces = (data[start : start + size].tobytes() for start in ends[own].tolist())
            hashes[own] = [xxhash.xxh3_64_intdigest(piece) >> 32 for piece in pieces]
    return hashes


def _bytes_of(values: pl.Series) -> tuple[Rows, npt.NDArray[np.uint8]]:
    """Where each value begins, and the last one ends, and the bytes."""
    array = large_binary(values.cast(pl.Binary))
    if not len(array):
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return ends, np.frombuffer(data or b"", np.uint8)


def _mixed(rows: npt.NDArray[np.uint8], size: int) -> Numbers:
    words = np.zeros((len(rows), WIDTH // 8), np.uint64)
    words.view(np.uint8)[:, :size] = rows
    words[:, -1] += np.uint64(size)
    mixed: Numbers = np.bitwise_xor.reduce((words ^ (words >> _HALF)) * _MIX, axis=1)
    return mixed >> _HALF


def pieces_of(values: pl.Series) -> npt.NDArray[np.uint32]:
    """The pieces of values, which are of one size or empty, a row for each that has any."""
    values = values.filter(values.bin.size() > 0)
    ends, data = _bytes_of(values)
    if not len(values):
        return np.empty((0, 0), np.uint32)
    if len(set(np.unique(np.diff(ends)).tolist())) != 1:
        raise ValueError(f"the column {values.name} holds pieces of several widths; make its table again")
    flat: npt.NDArray[np.uint32] = data[ends[0] : ends[-1]].view("<u4")
    return flat.reshape(len(values), -1)


def _batch_of(frame: pl.DataFrame, layout: Layout) -> pa.RecordBatch:
    """A frame as it lies on disk."""
    arrays = [_packed(frame[name]) if name in layout.digests else _plain(frame[name]) for name in layout.columns]
    return pa.RecordBatch.from_arrays(arrays, list(layout.columns))


def _plain(column: pl.Series) -> pa.Array:
    return column.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())


def _packed(column: pl.Series) -> pa.Array:
    there = None if not column.null_count() else np.packbits(column.is_not_null().to_numpy(), bitorder="little")
    numbers = numbers_of(column.fill_null("0" * WIDTH))
    buffers = [None if there is None else pa.py_buffer(there), pa.py_buffer(numbers)]
    return pa.Array.from_buffers(pa.binary(16), len(column), buffers)


def _write_rows(place: Path, frame: pl.DataFrame, layout: Layout) -> None:
    batch = _batch_of(frame, layout)
    with pa.ipc.new_file(str(place), batch.schema) as file:
        file.write_batch(batch)


def _keys_of(frame: pl.DataFrame, layout: Layout) -> Iterator[OfOneKind]:
    """The keys of each column that rows are found by, then of each place of a piece."""
    for column in layout.found_by:
        there = frame.get_column(column).is_not_null().arg_true().to_numpy()
        values = frame.get_column(column).drop_nulls()
        hashes = (
            (numbers_of(values)[:, 0] >> _HALF).astype(np.uint32) if column in layout.digests else hashes_of(values)
        )
        yield sorted_by_hash(hashes, there)
    for column in layout.pieces:
        there = (frame.get_column(column).bin.size() > 0).fill_null(False).arg_true().to_numpy()
        for place in pieces_of(frame.get_column(column)).T:
            yield sorted_by_hash(np.ascontiguousarray(place), there)


def _put(place: Path, write: Callable[[Path], object]) -> None:
    """Write a file that is there whole or not at all."""
    draft = place.with_name(f".{uuid.uuid4().hex}.draft")
    try:
        write(draft)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
