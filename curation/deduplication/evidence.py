"""The evidence of deduplication: one row per content, from which exact and near-duplicates are found without its text.

Exact is a 128-bit digest of the normalised text. Near is the bands of a min-wise sketch over word shingles: only their
hashes are kept (4 bytes a band, 80 bytes a content), for candidates are verified on the shingles themselves.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from curation.deduplication import text_kernels
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import Texts, in_slices, texts_of
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
    texts = texts_of(contents.column("text"), settings.normalise)
    digests, characters = _normal_digests(texts, settings)
    n_words, bands = _bands(texts, settings)
    columns = [contents.column("content_digest").cast(pa.string()), digests, characters, n_words, bands]
    return pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=SIGNATURES)


class SketchKeys(NamedTuple):
    """Random odd multipliers, one per word of a shingle (the same for every seed), and one key per round of the sketch."""

    multipliers: npt.NDArray[np.uint64]
    keys: npt.NDArray[np.uint64]


@lru_cache(maxsize=8)
def sketch_keys(shingle_words: int, bins: int, seed: int) -> SketchKeys:
    """The fixed numbers of a sketch, drawn by PCG64 (whose raw stream NumPy promises never to change)."""
    multipliers = np.random.PCG64(0).random_raw(shingle_words) | np.uint64(1)
    return SketchKeys(multipliers, np.random.PCG64(seed).random_raw(2 * bins))


def _normal_digests(texts: Texts, settings: SignatureSettings) -> tuple[pa.Array, npt.NDArray[np.int64]]:
    folded = np.empty(int(texts.offsets[-1] - texts.offsets[0]), np.uint8)
    ends, characters = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    starts = texts.offsets - texts.offsets[0]

    def fold(first: int, last: int) -> None:
        text_kernels.fold_all(
            texts.data,
            texts.offsets[first : last + 1],
            unicode_tables().classes,
            folded[starts[first] :],
            ends[first:last],
            characters[first:last],
        )
        ends[first:last] += starts[first]

    in_slices(texts, settings.threads, fold)
    if settings.normalise:
        bounds, view = zip(starts.tolist(), ends.tolist(), strict=False), folded.data
    else:
        bounds, view = zip(texts.offsets.tolist(), texts.offsets[1:].tolist(), strict=False), texts.data.data
    digests = [xxhash.xxh3_128_hexdigest(view[start:end]) for start, end in bounds]
    return pa.array(digests, pa.string(), mask=~texts.valid), characters


def _bands(texts: Texts, settings: SignatureSettings) -> tuple[npt.NDArray[np.int64], pa.Array]:
    n_words = np.empty(len(texts), np.int64)
    bands = np.zeros((len(texts), settings.bands), np.uint32)
    tables = unicode_tables()
    keys = sketch_keys(settings.shingle_words, settings.bands * settings.rows, settings.seed)

    def sketch(first: int, last: int) -> None:
        text_kernels.sketch_all(
            texts.data,
            texts.offsets[first : last + 1],
            tables.folds,
            tables.expansions,
            keys.multipliers,
            keys.keys,
            settings.rows,
            n_words[first:last],
            bands[first:last],
        )

    in_slices(texts, settings.threads, sketch)
    sizes = np.where(n_words > 0, 4 * settings.bands, 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    data = bands[n_words > 0].astype("<u4", copy=False)
    return n_words, pa.Array.from_buffers(pa.binary(), len(texts), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
