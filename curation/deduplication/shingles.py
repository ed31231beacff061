"""The shingle sets on which similarity is true, not estimated: 64-bit hashes of all runs of k words of a text."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import set_kernels
from curation.deduplication.evidence import Words, sketch_keys, words_of
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import texts_of

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


class ShingleSets(NamedTuple):
    """Set i is hashes[starts[i] : starts[i] + sizes[i]], sorted."""

    hashes: Hashes
    starts: Ints
    sizes: Ints


def shingle_sets(column: pa.Array | pa.ChunkedArray, settings: SignatureSettings) -> ShingleSets:
    """The shingle set of each text, one behind the other. Holds twelve bytes for each word."""
    words = words_of(texts_of(column), settings)
    return sets_of(words, settings, np.empty(int(words.counts.sum()), np.uint64))


def sets_of(words: Words, settings: SignatureSettings, room: Hashes) -> ShingleSets:
    """The shingle set of each text, given its words, in `room` for as many hashes; one behind the other."""
    multipliers = sketch_keys(settings.shingle_words, 1, 0).multipliers
    firsts, sizes = np.empty_like(words.starts), np.empty_like(words.counts)
    most = int(words.counts.max(initial=0)) + 1
    set_kernels.make_sets(*words, multipliers, room, firsts, sizes, np.empty(most, np.uint64), np.empty(most, np.int32))
    return ShingleSets(room[: int(sizes.sum())], firsts, sizes)
