"""The shingle sets on which similarity is true, not estimated: 64-bit hashes of all runs of k words of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import text_kernels
from curation.deduplication.evidence import sketch_keys
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import in_slices, texts_of
from curation.deduplication.unicode_tables import unicode_tables


class ShingleSets(NamedTuple):
    """Set i is hashes[starts[i] : starts[i] + sizes[i]], sorted."""

    hashes: npt.NDArray[np.uint64]
    starts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def shingle_sets(column: pa.Array | pa.ChunkedArray, settings: SignatureSettings) -> ShingleSets:
    """The shingle set of each text. Holds eight bytes for each word."""
    texts = texts_of(column, settings.normalise)
    tables = unicode_tables()
    multipliers = sketch_keys(settings.shingle_words, 0, 0).multipliers
    n_words, sizes = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)

    def count(first: int, last: int) -> None:
        bounds = texts.offsets[first : last + 1]
        text_kernels.count_words(texts.data, bounds, tables.folds, tables.expansions, n_words[first:last])

    in_slices(texts, settings.threads, count)
    starts = np.concatenate([[0], np.cumsum(n_words)])
    hashes = np.empty(int(starts[-1]), np.uint64)

    def collect(first: int, last: int) -> None:
        text_kernels.collect_shingles(
            texts.data,
            texts.offsets[first : last + 1],
            tables.folds,
            tables.expansions,
            multipliers,
            starts[first : last + 1],
            hashes,
            sizes[first:last],
        )

    in_slices(texts, settings.threads, collect)
    return ShingleSets(hashes, starts[:-1], sizes)
