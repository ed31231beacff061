"""Rows found by what stands in a column, at the cost of what is found: an index beside each file of a table.

A file of a table never changes, so its index is written once and holds for ever; a table is a set of files, so what is
appended brings its own small index, and where small files are joined theirs are too (a log-structured merge; O'Neil et
al., 1996). An index is two files that are mapped into memory, of which a search touches a few pages: the narrow columns as
an Arrow file, and for each column that rows are found by the sorted keys, 32 bits of hash above 32 bits of row number.
Two values may share a key, so what is found is compared with what was asked for. All of it can be made again from the
table, so nothing is lost with it; each file appears whole or not at all.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import xxhash

from records import digest, large_binary

Keys = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int64]

FORMAT = "1"
"""Of the files; another one is looked for under other names."""
WIDTH = 32
"""Bytes of a value that is hashed without becoming an object: our digests in hexadecimal."""
_MIX = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Layout:
    """What an index holds: the columns that rows are found by, and all that are kept beside.

    A column of `pieces` holds bytes, and each four of them, at their place, are something to find the row by.
    """

    found_by: tuple[str, ...]
    columns: tuple[str, ...]
    pieces: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What tells indexes of one layout from those of another."""
        return digest("index", FORMAT, *self.found_by, "", *self.pieces, "", *self.columns)[:12]


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

    def write(self, read: Callable[[Path], pl.DataFrame]) -> None:
        """Write the index, unless it is there; `read` gives the narrow columns of the file."""
        if self.keys.exists() and self.rows.exists():
            return
        frame = read(self.data).select(self.layout.columns)
        self.folder.mkdir(parents=True, exist_ok=True)
        _put(self.rows, lambda place: _write_rows(place, frame))
        _put(self.keys, lambda place: _write_keys(place, frame, self.layout))


class RowIndex:
    """The rows of some files of one layout, which are found by what stands in their columns."""

    def __init__(self, files: Iterable[IndexedFile], layout: Layout, schema: pl.Schema) -> None:
        self._files = [_Opened(file) for file in files]
        self._layout, self._schema = layout, schema

    def among(self, column: str, values: pl.Series) -> pl.DataFrame:
        """The rows (narrow columns) where `column` holds one of these values, or a piece of one at the same place."""
        found = self.places(column, values)
        parts = [file.take(rows) for file, rows in zip(self._files, found, strict=True) if len(rows)]
        frame = pl.concat([self._schema.to_frame(), *parts])
        return frame if column in self._layout.pieces else frame.filter(pl.col(column).is_in(values.implode()))

    def read(self, column: str, values: pl.Series, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Wide columns of the rows where `column` holds one of these values, file by file, from those that hold any."""
        for file, rows in zip(self._files, self.places(column, values), strict=True):
            own = file.take(rows).get_column(column) if len(rows) else values.head(0)
            own = own.filter(own.is_in(values.implode()))
            if len(own):
                yield pl.scan_parquet(file.data).select(columns).filter(pl.col(column).is_in(own.implode())).collect()

    def places(self, column: str, values: pl.Series) -> list[Rows]:
        """For each file the numbers of the rows that may hold one of these values, in order."""
        asked = _asked(values, column in self._layout.pieces)
        first = self._layout.found_by.index(column) if column in self._layout.found_by else len(self._layout.found_by)
        return [file.rows_with(first, asked) for file in self._files]


class _Opened:
    """An index that is mapped into memory when it is first asked for something."""

    def __init__(self, file: IndexedFile) -> None:
        self._file = file

    @property
    def data(self) -> Path:
        """The file of the table."""
        return self._file.data

    @cached_property
    def _batch(self) -> pa.RecordBatch:
        """All rows: of several batches, Arrow would copy whole columns to take a row."""
        return pa.ipc.open_file(pa.memory_map(str(self._file.rows))).get_batch(0)

    @cached_property
    def _keys(self) -> list[Keys]:
        held: Keys = np.memmap(self._file.keys, np.uint64, "r").view(np.ndarray)
        ends = held[1 : 1 + int(held[0])].astype(np.int64) + 1 + int(held[0])
        starts = [1 + int(held[0]), *ends[:-1].tolist()]
        return [held[start:end] for start, end in zip(starts, ends.tolist(), strict=True)]

    def rows_with(self, first: int, asked: Sequence[Keys]) -> Rows:
        parts = [_matching(keys, wanted) for keys, wanted in zip(self._keys[first:], asked, strict=False)]
        rows: Rows = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
        return rows

    def take(self, rows: Rows) -> pl.DataFrame:
        numbers = pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(rows)])
        return pl.DataFrame(pl.from_arrow(self._batch.take(numbers)))


def _matching(keys: Keys, wanted: Keys) -> Rows:
    """The row numbers of the keys whose hash is one of those wanted; the fewer are looked for among the more."""
    if len(keys) < len(wanted):
        hashes = keys >> _HALF
        at = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        return _numbers(keys[wanted[at] == hashes])
    if not len(wanted):
        return np.empty(0, np.int64)
    starts = np.searchsorted(keys, wanted << _HALF)
    hit = starts < len(keys)
    hit[hit] = keys[starts[hit]] >> _HALF == wanted[hit]
    starts = starts[hit]
    counts = np.searchsorted(keys, (wanted[hit] << _HALF) | _LOW, side="right") - starts
    at = np.repeat(starts - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
    return _numbers(keys[at])


def _numbers(keys: Keys) -> Rows:
    rows: Rows = (keys & _LOW).astype(np.int64)
    return rows


def _asked(values: pl.Series, pieces: bool) -> list[Keys]:
    """The sorted hashes to look for: one array, or one for each place of a piece."""
    if not pieces:
        return [np.unique(hashes_of(values.drop_nulls()))]
    matrix = _pieces(values.filter(values.bin.size() > 0))
    return [np.unique(matrix[:, place]).astype(np.uint64) for place in range(matrix.shape[1])]


def hashes_of(values: pl.Series) -> Keys:
    """A hash of 32 bits for each value, which depends on its bytes alone."""
    array = large_binary(values.cast(pl.Binary))
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1] if len(array) else _NO_ENDS
    if (np.diff(ends) == WIDTH).all():
        return _mixed(np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].reshape(-1, WIDTH))
    view = memoryview(data or b"")
    pieces = (view[start:end] for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))
    return np.array([_hash(piece) for piece in pieces], np.uint64)


_NO_ENDS = np.zeros(1, np.int64)


def _hash(value: memoryview) -> int:
    if len(value) == WIDTH:
        return int(_mixed(np.frombuffer(value, np.uint8).reshape(1, WIDTH))[0])
    return xxhash.xxh3_64_intdigest(value) >> 32


def _mixed(rows: npt.NDArray[np.uint8]) -> Keys:
    words = np.ascontiguousarray(rows).view(np.uint64)
    mixed: Keys = np.bitwise_xor.reduce((words ^ (words >> _HALF)) * _MIX, axis=1)
    return mixed >> _HALF


def _pieces(values: pl.Series) -> npt.NDArray[np.uint32]:
    """The pieces of values of one size, a row for each."""
    if not len(values):
        return np.empty((0, 0), np.uint32)
    array = large_binary(values)
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    if len(set(np.unique(np.diff(ends)).tolist())) != 1:
        raise ValueError(f"the column {values.name} holds pieces of several widths; make its table again")
    flat: npt.NDArray[np.uint32] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].view("<u4")
    return flat.reshape(len(values), -1)


def _write_rows(place: Path, frame: pl.DataFrame) -> None:
    table = frame.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).combine_chunks()
    batches = table.to_batches() or [
        pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in table.schema], schema=table.schema)
    ]
    with pa.ipc.new_file(str(place), table.schema) as file:
        file.write_batch(batches[0])


def _write_keys(place: Path, frame: pl.DataFrame, layout: Layout) -> None:
    families: list[Keys] = []
    for column in layout.found_by:
        there = frame.get_column(column).is_not_null().arg_true().to_numpy()
        families.append(_sorted_keys(hashes_of(frame.get_column(column).drop_nulls()), there))
    for column in layout.pieces:
        there = (frame.get_column(column).bin.size() > 0).fill_null(False).arg_true().to_numpy()
        matrix = _pieces(frame.get_column(column).gather(there))
        families += [_sorted_keys(matrix[:, number].astype(np.uint64), there) for number in range(matrix.shape[1])]
    ends = np.cumsum([len(keys) for keys in families])
    with place.open("wb") as file:
        file.write(np.array([len(families), *ends], np.uint64).tobytes())
        for keys in families:
            file.write(keys.data)


def _sorted_keys(hashes: Keys, rows: npt.NDArray[np.uint32]) -> Keys:
    keys = (hashes << _HALF) | rows.astype(np.uint64)
    keys.sort()
    return keys


def _put(place: Path, write: Callable[[Path], object]) -> None:
    """Write a file that is there whole or not at all."""
    draft = place.with_name(f".{uuid.uuid4().hex}.draft")
    try:
        write(draft)
        draft.replace(place)
    finally:
        draft.unlink(missing_ok=True)
