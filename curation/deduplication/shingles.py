"""The shingle sets on which similarity is true, not estimated: 64-bit hashes of all runs of k words of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import text_kernels
from curation.deduplication.evidence import sketch_keys
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import NO_TEXTS, Texts, composed, in_slices, texts_of
from curation.deduplication.unicode_tables import unicode_tables

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
_NONE = np.empty(0, np.int64), NO_TEXTS


class ShingleSets(NamedTuple):
    """Set i is hashes[starts[i] : starts[i] + sizes[i]], sorted."""

    hashes: Hashes
    starts: Ints
    sizes: Ints


def shingle_sets(column: pa.Array | pa.ChunkedArray, settings: SignatureSettings) -> ShingleSets:
    """The shingle set of each text. Holds eight bytes for each word."""
    texts = texts_of(column)
    rows, changed = composed(texts) if settings.normalise else _NONE
    room = np.diff(texts.offsets) // 2 + 1  # a word has a byte, and one that ends it
    room[rows] = np.maximum(room[rows], np.diff(changed.offsets) // 2 + 1)
    starts, sizes = np.cumsum(room) - room, np.zeros(len(texts), np.int64)
    hashes = np.empty(int(room.sum()), np.uint64)  # touched only where a shingle is
    _collect(texts, starts, hashes, sizes, settings)
    own = np.zeros(len(changed), np.int64)
    _collect(changed, starts[rows], hashes, own, settings)
    sizes[rows] = own
    end = text_kernels.close_ranks(hashes, starts, sizes)
    return ShingleSets(hashes[:end], starts, sizes)


def _collect(texts: Texts, starts: Ints, hashes: Hashes, sizes: Ints, settings: SignatureSettings) -> None:
    tables = unicode_tables()
    multipliers = sketch_keys(settings.shingle_words, 1, 0).multipliers

    def collect(first: int, last: int) -> None:
        text_kernels.collect_shingles(
            texts.data,
            texts.offsets[first : last + 1],
            tables.folds,
            tables.expansions,
            multipliers,
            starts[first:last],
            hashes,
            sizes[first:last],
        )

    in_slices(texts, settings.threads, collect)
