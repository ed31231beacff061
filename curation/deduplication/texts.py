"""Texts as Arrow has them: one buffer of UTF-8 bytes, and where each text starts.

Nothing here becomes a Python string but the few texts that Unicode normalisation may change.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from os import sched_getaffinity
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.deduplication import text_kernels
from curation.deduplication.unicode_tables import unicode_tables


class Texts(NamedTuple):
    """Text i is data[offsets[i] : offsets[i + 1]]; a null is empty and not `valid`."""

    data: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64]
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.valid)


def texts_of(column: pa.Array | pa.ChunkedArray, normalise: bool) -> Texts:
    """The buffers of a column of strings or bytes; with `normalise`, those texts that need it brought to NFC first."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    texts = _buffers(_as_bytes(array))
    return _composed(texts) if normalise else texts


def in_slices(texts: Texts, threads: int, work: Callable[[int, int], None]) -> None:
    """Call work(first, last) on slices of the texts with about as many bytes each, in threads (0: all cores)."""
    count = threads or len(sched_getaffinity(0))
    pieces = 4 * count if count > 1 else 1
    goals = np.linspace(texts.offsets[0], texts.offsets[-1], pieces + 1)[1:-1]
    cuts = sorted({0, *np.searchsorted(texts.offsets, goals).tolist(), len(texts)})
    slices = list(pairwise(cuts))
    if len(slices) < 2:
        for first, last in slices:
            work(first, last)
        return
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda bounds: work(*bounds), slices))


def _as_bytes(array: pa.Array) -> pa.Array:
    """The same bytes as large_binary: free for strings, a copy for views."""
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), pa.large_binary())
    if pa.types.is_string_view(array.type):
        array = array.cast(pa.large_string())
    return array.cast(pa.large_binary())


def _buffers(array: pa.Array) -> Texts:
    valid = np.asarray(pc.is_valid(array), dtype=np.bool_)
    if len(array) == 0:
        return Texts(np.zeros(0, np.uint8), np.zeros(1, np.int64), valid)
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    return Texts(np.frombuffer(data, np.uint8) if data else np.zeros(0, np.uint8), starts, valid)


def _composed(texts: Texts) -> Texts:
    classes = unicode_tables().classes
    doubtful = np.zeros(len(texts), np.bool_)
    text_kernels.mark_doubtful(texts.data, texts.offsets, classes, doubtful)
    composed = {}
    for i in np.flatnonzero(doubtful).tolist():
        raw = texts.data[texts.offsets[i] : texts.offsets[i + 1]].tobytes()
        nfc = unicodedata.normalize("NFC", raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if nfc != raw:
            composed[i] = np.frombuffer(nfc, np.uint8)
    return _with_replaced(texts, composed) if composed else texts


def _with_replaced(texts: Texts, composed: dict[int, npt.NDArray[np.uint8]]) -> Texts:
    sizes = np.diff(texts.offsets)
    pieces, copied = [], int(texts.offsets[0])
    for i, nfc in composed.items():
        pieces += [texts.data[copied : texts.offsets[i]], nfc]
        copied, sizes[i] = int(texts.offsets[i + 1]), len(nfc)
    pieces.append(texts.data[copied : texts.offsets[-1]])
    return Texts(np.concatenate(pieces), np.concatenate([[0], np.cumsum(sizes)]), texts.valid)
