"""Texts as Arrow has them: one buffer of UTF-8 bytes, and where each text starts.

Nothing here becomes a Python string but the few texts that Unicode normalisation may change.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from os import getpid, sched_getaffinity
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from records import as_type


class Texts(NamedTuple):
    """Text i is data[offsets[i] : offsets[i + 1]]; a null is empty and not `valid`."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.valid)

    def part(self, first: int, last: int) -> Texts:
        """Those of some places."""
        return Texts(self.data, self.offsets[first : last + 1], self.valid[first:last])


PIECE = 1 << 16
"""Bytes that are not worth a thread."""
NO_TEXTS = Texts(np.frombuffer(b"", np.uint8), np.frombuffer(bytes(8), np.int64), np.ones(0, np.bool_))


def texts_of(column: pa.Array | pa.ChunkedArray) -> Texts:
    """The buffers of a column of strings or bytes."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return _buffers(_as_bytes(array))


def composed(texts: Texts, doubtful: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.int64], Texts]:
    """Which of the doubtful texts Unicode normalisation changes, and those in NFC: few, so that the others stay where they are."""
    rows, made = [], []
    for i in np.flatnonzero(doubtful).tolist():
        raw = texts.data[texts.offsets[i] : texts.offsets[i + 1]].tobytes().decode("utf-8", "surrogateescape")
        nfc = unicodedata.normalize("NFC", raw)
        if nfc != raw:
            rows.append(i)
            made.append(nfc.encode("utf-8", "surrogateescape"))
    sizes = np.array([0, *map(len, made)], np.int64)
    joined = np.frombuffer(b"".join(made), np.uint8)
    return np.array(rows, np.int64), _fixed(joined, np.cumsum(sizes), np.ones(len(made), np.bool_))


def in_slices(texts: Texts, threads: int, work: Callable[[int, int], None]) -> None:
    """Call work(first, last) on slices of the texts with about as many bytes each, in threads (0: all cores).

    Of no texts at all there is one slice, too, so that a look at nothing compiles what a look at something needs.
    """
    count = threads or len(sched_getaffinity(0))
    pieces = 4 * count if count > 1 and texts.offsets[-1] - texts.offsets[0] > PIECE else 1
    goals = np.linspace(texts.offsets[0], texts.offsets[-1], pieces + 1)[1:-1]
    cuts = sorted({0, *np.searchsorted(texts.offsets, goals).tolist(), len(texts)})
    slices = list(pairwise(cuts)) or [(0, 0)]
    left = iter(slices)

    def take() -> None:
        for first, last in left:
            work(first, last)

    others = [_pool(count, getpid()).submit(take) for _ in slices[1:count]]
    try:
        take()
    finally:
        for other in others:
            other.result()


@cache
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """Threads that wait for the next batch, since to start them for each costs as much as a tenth of the work; a process that
    was forked has none of its parent's."""
    return ThreadPoolExecutor(threads)


def _as_bytes(array: pa.Array) -> pa.Array:
    """The same bytes as large_binary: free for strings, a copy for views."""
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.large_binary())
    if pa.types.is_string_view(array.type):
        array = as_type(array, pa.large_string())
    return as_type(array, pa.large_binary())


def _buffers(array: pa.Array) -> Texts:
    if len(array) == 0:
        return NO_TEXTS
    there, offsets, data = array.buffers()
    valid: npt.NDArray[np.bool_] = np.ones(len(array), np.bool_)
    if array.null_count:  # from the bits themselves: pyarrow's own ways import pandas, or all of its functions
        bits = np.unpackbits(np.frombuffer(there, np.uint8), bitorder="little")
        valid = bits[array.offset : array.offset + len(array)].view(np.bool_)
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return _fixed(np.frombuffer(data or b"", np.uint8), starts, valid)


def _fixed(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_]) -> Texts:
    """Not to be written to, whatever they are made of: so loops over them are compiled once."""
    data.flags.writeable = offsets.flags.writeable = False
    return Texts(data, offsets, valid)
