"""The shingle sets on which similarity is true, not estimated: 64-bit hashes of all runs of k words of a text."""

from __future__ import annotations

from itertools import pairwise
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
SLICE_BYTES = 16 << 20
"""Bytes of text whose words are held beside sets."""
ROOM = 4 << 20
"""Hashes for which room is kept at least: 32 MB, of which only what is written to is taken."""


class ShingleSets(NamedTuple):
    """Set i is hashes[starts[i] : starts[i] + sizes[i]], sorted."""

    hashes: Hashes
    starts: Ints
    sizes: Ints


class GrowingSets:
    """Shingle sets, to which more are added: each behind the one before it, in memory that is touched once."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        self._hashes: Hashes = np.empty(0, np.uint64)
        self._used = 0

    def __len__(self) -> int:
        return sum(len(starts) for starts, _ in self._parts)

    def sets(self) -> ShingleSets:
        """All sets, in the order in which they came; until more are added."""
        starts, sizes = (np.concatenate(own) for own in zip(*self._parts, strict=True))
        return ShingleSets(self._hashes, starts, sizes)

    def add(self, column: pa.Array | pa.ChunkedArray, settings: SignatureSettings) -> None:
        """Add the shingle set of each text."""
        texts = texts_of(column)
        ends = texts.offsets - texts.offsets[0]
        cuts = np.unique(np.searchsorted(ends, np.arange(SLICE_BYTES, int(ends[-1]), SLICE_BYTES)))
        for first, last in pairwise([0, *cuts[cuts < len(texts)].tolist(), len(texts)]):
            words = words_of(texts.part(first, last), settings)
            self._make_room(int(words.counts.sum()))
            found = sets_of(words, settings, self._hashes[self._used :])
            self._parts.append((found.starts + self._used, found.sizes))
            self._used += len(found.hashes)

    def _make_room(self, n: int) -> None:
        if len(self._hashes) < self._used + n:
            more = np.empty(max(ROOM, self._used + self._used // 4 + n + n // 4), np.uint64)
            more[: self._used] = self._hashes[: self._used]
            self._hashes = more


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
