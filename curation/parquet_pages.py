"""A few values of a column of a Parquet file, by the numbers of their rows: the pages that hold them are unpacked, and no others.

A reader of Parquet finds rows by what stands in them, so it decodes a column for all rows to unpack another for a few of
them. Who knows the numbers needs neither: the file's offset index says where each page lies and with which row it begins
(Parquet's PageIndex.md; the numbers of fields below are those of parquet.thrift). Only what our writers make is read so:
plain strings, none null, in pages of zstd. Anything else, also what is damaged, is for another reader, which says so.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

Pages = npt.NDArray[np.int64]
"""Of each page its first row, where it begins in the file, and its size with its header."""
Rows = npt.NDArray[np.int64]

NO_PAGES: Pages = np.empty((0, 3), np.int64)
_TAIL = 8
_BYTE_ARRAY, _ZSTD = 6, 6
_PLAIN, _RLE = 0, 3
_SIZE = struct.Struct("<I")
_NOT_OURS = (LookupError, ValueError, OSError, struct.error)
"""What comes of reading something else."""


def pages_of(path: Path, column: str) -> Pages:
    """The pages of a column in order. Of a group of rows that `strings` cannot read there is one, which has no bytes."""
    with path.open("rb") as file, suppress(*_NOT_OURS):
        size = file.seek(0, os.SEEK_END)
        tail = os.pread(file.fileno(), _TAIL, size - _TAIL)
        length = int.from_bytes(tail[:4], "little")
        groups = _Compact(os.pread(file.fileno(), length, size - _TAIL - length)).record()[4]
        found, first = [NO_PAGES], 0
        for group in groups:
            chunk, pages = _chunk(group, column), [{1: 0, 2: 0}]
            if chunk is not None:
                pages = _Compact(os.pread(file.fileno(), chunk[5], chunk[4])).record()[1]
            found.append(np.array([(first + page.get(3, 0), page[1], page[2]) for page in pages], np.int64))
            first += group[3]
        return np.concatenate(found)
    return NO_PAGES


def _chunk(group: dict[int, Any], column: str) -> dict[int, Any] | None:
    """A column in a group of rows, if it is of plain strings in pages of zstd whose places are known."""
    for chunk in group[1]:
        own = chunk.get(3, {})
        if own.get(3) == [column.encode()]:
            is_ours = own[1] == _BYTE_ARRAY and own[4] == _ZSTD and set(own[2]) <= {_PLAIN, _RLE}
            return chunk if is_ours and chunk.get(5) else None
    return None


def strings(path: Path, pages: Pages, rows: Rows) -> pl.Series | None:
    """The values of some rows, whose numbers ascend, from a column with these pages; None where they cannot be read so."""
    at = np.searchsorted(pages[:, 0], rows, side="right") - 1
    if not len(pages) or not pages[at, 2].all():
        return None
    found: list[bytes] = []
    with path.open("rb") as file, suppress(*_NOT_OURS):
        for page, own in groupby(zip(at.tolist(), rows.tolist(), strict=True), key=lambda both: both[0]):
            first, offset, size = pages[page].tolist()
            found += _values(os.pread(file.fileno(), size, offset), [row - first for _, row in own])
        return pl.Series(found, dtype=pl.Binary).cast(pl.String)
    return None


def _values(page: bytes, numbers: list[int]) -> list[bytes]:
    """Some values of a page, by number; ValueError unless it holds strings alone, one behind the other to its end."""
    reader = _Compact(page)
    header = reader.record()
    told = header[5]
    data = pa.Codec("zstd").decompress(page[reader.at : reader.at + header[3]], header[2], asbytes=True)
    bounds = list(_bounds(data, told[1]))
    if told[2] != _PLAIN or bounds[-1][1] != len(data):
        raise ValueError("a page that holds something else")
    return [data[slice(*bounds[number])] for number in numbers]


def _bounds(data: bytes, count: int) -> Iterator[tuple[int, int]]:
    """Where each value begins and ends; before them stands which of them are null, behind its length."""
    (end,) = _SIZE.unpack_from(data)
    end += _SIZE.size
    for _ in range(count):
        start = end + _SIZE.size
        end = start + _SIZE.unpack_from(data, end)[0]
        yield start, end


class _Compact:
    """Reads Thrift's compact protocol: a record as its fields by number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        """The next byte."""

    def record(self) -> dict[int, Any]:
        """A struct."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind == 9:
            return self._list()
        if kind == 12:
            return self.record()
        if kind in (1, 2, 3):  # of a list also what is true or false has a byte
            return self._byte()
        if kind == 7:
            return self._bytes(8)
        raise ValueError(f"no type {kind} is known here")

    def _list(self) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        return [self._value(head & 15) for _ in range(count)]

    def _bytes(self, count: int) -> bytes:
        self.at += count
        return self._data[self.at - count : self.at]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
