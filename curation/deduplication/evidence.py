"""The evidence of deduplication: one row per content, from which exact and near-duplicates are found without its text.

Exact is a 128-bit digest of the normalised text. Near is the bands of a min-wise sketch over word shingles: only their
hashes are kept (4 bytes a band, 72 bytes a content), for candidates are verified on the shingles themselves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import digest_kernels, text_kernels
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import NO_TEXTS, Texts, composed, in_slices, texts_of
from curation.deduplication.unicode_tables import unicode_tables

SIGNATURES = pa.schema(
    {
        "content_digest": pa.string(),
        "normal_digest": pa.string(),
        "n_characters": pa.int64(),
        "n_words": pa.int64(),
        "bands": pa.binary(),
    }
)
"""normal_digest: of the normalised text, null where the text is null. n_characters: code points of that text before its
white space was folded. bands: one little-endian uint32 per band, empty where the text has no word."""


def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """One row of `SIGNATURES` for each row of `contents` (content_digest, text), in the same order.

    A row depends on its text and the settings alone: not on the batch, nor on the number of threads.
    """
    return _signed(contents, settings, None)[0]


class Shingles(NamedTuple):
    """Text i has the shingles hashes[starts[i] : starts[i] + sizes[i]], as they come, the same one perhaps several times."""

    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def signatures_and_shingles(
    contents: pa.RecordBatch, settings: SignatureSettings, room: npt.NDArray[np.uint64]
) -> tuple[pa.RecordBatch, Shingles]:
    """`signatures`, and the shingles that they are made of: in `room`, if that is large enough, to be used again."""
    return _signed(contents, settings, room)


def _signed(
    contents: pa.RecordBatch, settings: SignatureSettings, room: npt.NDArray[np.uint64] | None
) -> tuple[pa.RecordBatch, Shingles]:
    """The signatures of a batch, and its shingles if there is any room for them."""
    texts = texts_of(contents.column("text"))
    rows, changed = composed(texts) if settings.normalise else _NONE
    own, more = _room_for(texts), _room_for(changed)
    if room is None:
        room = _NO_ROOM
    elif len(room) < own + more:
        room = np.empty(own + more, np.uint64)
    found, starts, sizes = _found(texts, settings, room[:own])
    if len(rows):
        other, other_starts, other_sizes = _found(changed, settings, room[own:])
        _lay_over(found, rows, other)
        starts[rows], sizes[rows] = own + other_starts, other_sizes
    digests, bands = _hexadecimal(found.digests, texts.valid), _binary(found.bands, found.n_words > 0)
    numbers = _numbers(found.n_characters), _numbers(found.n_words)
    names = contents.column("content_digest").cast(pa.string())
    table = pa.RecordBatch.from_arrays([names, digests, *numbers, bands], schema=SIGNATURES)
    return table, Shingles(room, starts, sizes)


_NONE, _NO_ROOM = (np.empty(0, np.int64), NO_TEXTS), np.empty(0, np.uint64)


def _room_for(texts: Texts) -> int:
    """The most shingles that texts can have together: a word has a byte, and one that ends it."""
    return len(texts) + int(texts.offsets[-1] - texts.offsets[0]) // 2


class SketchKeys(NamedTuple):
    """Random odd multipliers, one per word of a shingle (the same for every seed), and one for the sketch.

    `order[k, i]` is the bin that bin i asks in place k when it is empty, and `rank[i, j]` the place of bin j there.
    """

    multipliers: npt.NDArray[np.uint64]
    key: np.uint64
    order: npt.NDArray[np.uint16]
    rank: npt.NDArray[np.uint16]


@lru_cache(maxsize=8)
def sketch_keys(shingle_words: int, bins: int, seed: int) -> SketchKeys:
    """The fixed numbers of a sketch, drawn by PCG64 (whose raw stream NumPy promises never to change)."""
    multipliers = np.random.PCG64(0).random_raw(shingle_words) | np.uint64(1)
    drawn = np.random.PCG64(seed).random_raw(bins * bins + 1)
    order = np.argsort(drawn[1:].reshape(bins, bins), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    asked = np.ascontiguousarray(order.T.astype(np.uint16))
    return SketchKeys(multipliers, drawn[0] | np.uint64(1), asked, rank.astype(np.uint16))


class _Found(NamedTuple):
    digests: npt.NDArray[np.uint8]
    n_characters: npt.NDArray[np.int64]
    n_words: npt.NDArray[np.int64]
    bands: npt.NDArray[np.uint32]


def _found(
    texts: Texts, settings: SignatureSettings, room: npt.NDArray[np.uint64]
) -> tuple[_Found, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Digests in hexadecimal, code points, words and bands of each text; where its shingles begin in `room`, and how many
    it has, if there is any room."""
    n = len(texts)
    found = _Found(
        np.empty((n, 32), np.uint8),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.zeros((n, settings.bands), np.uint32),
    )
    tables = unicode_tables()
    keys = sketch_keys(settings.shingle_words, settings.bands * settings.rows, settings.seed)

    starts, sizes = np.zeros(n, np.int64), np.zeros(n, np.int64)

    def look(first: int, last: int) -> None:
        bounds, own = texts.offsets[first : last + 1], slice(first, last)
        at = first + int(texts.offsets[first] - texts.offsets[0]) // 2
        digest_kernels.digest_all(
            texts.data, bounds, tables.classes, settings.normalise, found.digests[own], found.n_characters[own]
        )
        text_kernels.sketch_all(
            texts.data,
            bounds,
            tables.folds,
            tables.expansions,
            keys.multipliers,
            keys.key,
            keys.order,
            keys.rank,
            found.n_words[own],
            found.bands[own],
            room[at:],
            sizes[own],
        )
        starts[own] = at + np.cumsum(sizes[own]) - sizes[own]

    in_slices(texts, settings.threads, look)
    return found, starts, sizes


def _lay_over(found: _Found, rows: npt.NDArray[np.int64], own: _Found) -> None:
    found.digests[rows], found.bands[rows] = own.digests, own.bands
    found.n_characters[rows], found.n_words[rows] = own.n_characters, own.n_words


def _hexadecimal(digests: npt.NDArray[np.uint8], valid: npt.NDArray[np.bool_]) -> pa.Array:
    offsets = np.arange(0, digests.size + 1, 32, dtype=np.int32)
    there = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(pa.string(), len(digests), [there, pa.py_buffer(offsets), pa.py_buffer(digests)])


def _numbers(column: npt.NDArray[np.int64]) -> pa.Array:
    """The column as it is; `pyarrow.array` would import pandas first."""
    return pa.Array.from_buffers(pa.int64(), len(column), [None, pa.py_buffer(column)])


def _binary(bands: npt.NDArray[np.uint32], has_words: npt.NDArray[np.bool_]) -> pa.Array:
    sizes = np.where(has_words, 4 * bands.shape[1], 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    data = (bands if has_words.all() else bands[has_words]).astype("<u4", copy=False)
    return pa.Array.from_buffers(pa.binary(), len(bands), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
