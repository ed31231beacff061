"""A few values of a column of a Parquet file, by the numbers of their rows: the pages that hold them are unpacked, and no others.

A reader of Parquet finds rows by what stands in them, so it decodes a column for all rows to unpack another for a few of
them. Who knows the numbers needs neither: the file's offset index says where each page lies and with which row it begins
(Parquet's PageIndex.md; the numbers of fields below are those of parquet.thrift). Only what our writers make is read so:
plain strings, none null, in pages of zstd. Anything else, also what is damaged, is for another reader, which says so: what
the footer, the offset index and the pages say of places, sizes and rows must agree, so a damaged one gives no neighbour's text.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation import page_kernel
from records import as_type

Pages = npt.NDArray[np.int64]
"""Of each page its first row, where it begins in the file, its size with its header, and how many rows it holds."""
Rows = npt.NDArray[np.int64]

NO_PAGES: Pages = np.empty((0, 4), np.int64)
_TAIL = 8
_BYTE_ARRAY, _ZSTD = 6, 6
_PLAIN, _RLE = 0, 3
_PAGE = re.compile(
    rb"\x15\0\x15(N)\x15(N)(?:\x2c|\x15N\x1c)\x15(N)\x15\0".replace(b"N", rb"[\x80-\xff]{0,9}[\0-\x7f]"), re.DOTALL
)
"""How the header of a page of plain strings begins: its kind, its size unpacked and packed, perhaps a checksum, and how many
values it holds and how. The bytes of the page are its last, so what else a header says, such as the least and the greatest
value, is not read."""
_MOST_UNPACKED = (1 << 31) - 1
"""Bytes of a page, which are counted in 32 bits."""
_MOST_GROWN = 1 << 15
"""Times its size that zstd can unpack something to: 128 KiB, all alike, take 4 bytes."""
_NOT_OURS = (
    *(LookupError, ValueError, TypeError, AttributeError, OverflowError, RecursionError, OSError),
    pa.ArrowException,
)
"""What comes of reading something else."""


def pages_of(path: Path, column: str) -> Pages:
    """The pages of a column in order. Of a group of rows that `strings` cannot read there is one, which has no bytes."""
    with path.open("rb") as file, suppress(*_NOT_OURS):
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(_piece(file, size - _TAIL, 4), "little")
        footer = _Compact(_piece(file, size - _TAIL - length, length)).record()
        found, first = [NO_PAGES], 0
        for group in footer[4]:
            found.append(_pages_in(file, group, column) + np.array([first, 0, 0, 0]))
            first += group[3]
        if first != footer[3]:
            raise ValueError("groups of other rows than the file has")
        return np.concatenate(found)
    return NO_PAGES


def _piece(file: BinaryIO, start: int, count: int) -> bytes:
    """Bytes of a file. Raises ValueError for what does not lie in it, before there is room made for them."""
    if min(start, count) < 0 or start + count > os.fstat(file.fileno()).st_size:
        raise ValueError("bytes beyond the end")
    return os.pread(file.fileno(), count, start)


def _pages_in(file: BinaryIO, group: dict[int, Any], column: str) -> Pages:
    """The pages of a column in a group of rows, by its own rows. Raises ValueError unless they lie one behind the other and
    fill what the column takes, and each holds rows."""
    chunk = _chunk(group, column)
    if chunk is None:
        return np.array([(0, 0, 0, group[3])], np.int64)
    listed = _Compact(_piece(file, chunk[4], chunk[5])).record()[1]
    firsts, starts, sizes = np.array([(page.get(3, 0), page[1], page[2]) for page in listed], np.int64).T
    counts = np.diff(firsts, append=group[3])
    bounds = [chunk[3][9], *(starts + sizes).tolist()]
    fill = bounds[:-1] == starts.tolist() and bounds[-1] == chunk[3][9] + chunk[3][7]
    if not fill or firsts[0] or counts.min() < 1:
        raise ValueError("pages that do not fill their column")
    return np.stack([firsts, starts, sizes, counts], axis=1)


def _chunk(group: dict[int, Any], column: str) -> dict[int, Any] | None:
    """A column in a group of rows, if it is of plain strings in pages of zstd whose places are known."""
    for chunk in group[1]:
        own = chunk.get(3, {})
        if own.get(3) == [column.encode()]:
            is_ours = own[1] == _BYTE_ARRAY and own[4] == _ZSTD and set(own[2]) <= {_PLAIN, _RLE}
            return chunk if is_ours and chunk.get(5) else None
    return None


def strings(path: Path, pages: Pages, rows: Rows) -> pa.Array | None:
    """The values of some rows, whose numbers ascend, from a column with these pages; None where they cannot be read so."""
    at = np.searchsorted(pages[:, 0], rows, side="right") - 1
    if not len(pages) or not pages[at, 2].all():
        return None
    packed = np.cumsum(np.where(np.diff(at, prepend=-1) != 0, pages[at, 2], 0))
    cuts = np.flatnonzero(np.diff(packed // TOGETHER)) + 1
    with path.open("rb") as file, suppress(*_NOT_OURS):
        parts = zip(np.split(at, cuts), np.split(rows, cuts), strict=True)
        return pa.concat_arrays([_strings(file, pages, *part) for part in parts])
    return None


TOGETHER = 4 << 20
"""Bytes of pages, as they are packed, that are unpacked at a time."""


def _strings(file: BinaryIO, pages: Pages, at: Rows, rows: Rows) -> pa.Array:
    """The values of some rows, and of each the number of its page. Raises ValueError unless each page is just as long as its
    strings say."""
    numbers, firsts, asked = np.unique(at, return_index=True, return_counts=True)
    of = pages[numbers]
    held = [_unpacked(_piece(file, start, size), count) for _, start, size, count in of.tolist()]
    data, offsets = np.frombuffer(b"".join(held), np.uint8), np.empty(len(rows) + 1, np.int64)
    begins, taken = np.cumsum([0, *map(len, held)]), np.empty(len(data), np.uint8)
    bounds, own = np.append(firsts, len(rows)), rows - np.repeat(of[:, 0], asked)
    if not page_kernel.take_strings(data, begins, of[:, 3].copy(), bounds, own, taken, offsets):
        raise ValueError("a page that holds something else")
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(taken[: offsets[-1]])]
    return as_type(pa.Array.from_buffers(pa.large_binary(), len(rows), buffers), pa.large_string())


def _unpacked(page: bytes, count: int) -> bytes:
    """What a page holds. Raises ValueError unless it says that it is of so many plain strings."""
    head = _PAGE.match(page)
    if head is None:
        raise ValueError("a page that holds something else")
    size, packed, told = (_signed(head[part]) for part in (1, 2, 3))
    is_likely = 0 < size <= min(packed * _MOST_GROWN, _MOST_UNPACKED)
    if told != count or not is_likely or packed > len(page) - head.end():
        raise ValueError("a page that holds something else")
    return cast(bytes, pa.Codec("zstd").decompress(memoryview(page)[-packed:], size, asbytes=True))


def _signed(number: bytes) -> int:
    """A number of Thrift by its bytes."""
    value = 0
    for byte in reversed(number):
        value = value << 7 | byte & 127
    return value >> 1 ^ -(value & 1)


class _Compact:
    """Reads Thrift's compact protocol: a record as its fields by number."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        """The next byte."""

    def take(self, count: int) -> bytes:
        """The next bytes. Raises ValueError where there are fewer."""
        if not 0 <= count <= len(self._data) - self.at:
            raise ValueError("bytes beyond the end")
        self.at += count
        return self._data[self.at - count : self.at]

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
            return self.take(self._unsigned())
        if kind == 9:
            return self._list()
        if kind == 12:
            return self.record()
        if kind in (1, 2, 3):  # of a list also what is true or false has a byte
            return self._byte()
        if kind == 7:
            return self.take(8)
        raise ValueError(f"no type {kind} is known here")

    def _list(self) -> list[Any]:
        head = self._byte()
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        return [self._value(head & 15) for _ in range(count)]

    def _byte(self) -> int:
        self.at += 1
        return self._data[self.at - 1]

    def _unsigned(self) -> int:
        value = shift = 0
        while (byte := self._byte()) > 127:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return value | byte << shift

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)
