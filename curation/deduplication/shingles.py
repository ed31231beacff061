"""The shingle sets on which similarity is true, not estimated: 64-bit hashes of all runs of k words of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import set_kernels, text_kernels
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
    """The shingle set of each text, one behind the other. Holds eight bytes for each word."""
    hashes, starts, sizes = collected(column, settings)
    return ShingleSets(set_kernels.gathered(hashes, starts, sizes), starts, sizes)


def collected(column: pa.Array | pa.ChunkedArray, settings: SignatureSettings) -> ShingleSets:
    """The shingle set of each text, anywhere in an array with room for more."""
    texts = texts_of(column)
    rows, changed = composed(texts) if settings.normalise else _NONE
    room = (len(texts) + len(changed)) + (texts.offsets[-1] - texts.offsets[0] + changed.offsets[-1]) // 2
    hashes = np.empty(int(room), np.uint64)  # a word has a byte, and one that ends it; touched only where a shingle is
    starts, sizes = _collect(texts, hashes, 0, settings)
    if len(rows):
        first = len(texts) + int(texts.offsets[-1] - texts.offsets[0]) // 2
        starts[rows], sizes[rows] = _collect(changed, hashes, first, settings)
    return ShingleSets(hashes, starts, sizes)


def _collect(texts: Texts, hashes: Hashes, begin: int, settings: SignatureSettings) -> tuple[Ints, Ints]:
    """Write the sets of all texts to hashes[begin:], in any order: where each is, and its size."""
    tables = unicode_tables()
    multipliers = sketch_keys(settings.shingle_words, 1, 0).multipliers
    starts, sizes = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)

    def collect(first: int, last: int) -> None:
        at = begin + first + int(texts.offsets[first] - texts.offsets[0]) // 2
        text_kernels.collect_shingles(
            texts.data,
            texts.offsets[first : last + 1],
            tables.folds,
            tables.expansions,
            multipliers,
            starts[first:last],
            hashes[at:],
            sizes[first:last],
        )
        starts[first:last] += at

    in_slices(texts, settings.threads, collect)
    return starts, sizes
