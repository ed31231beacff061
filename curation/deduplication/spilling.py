"""Words of candidates, read once, in the order in which they come, and kept on disk until these are compared.

Candidates that share a band may stand anywhere in a table, so to fetch them component by component would decode all of
it for each handful. They come in the table's own order instead, and their words, four bytes each, are poured into a
buffer for each batch of components, which is written to disk when it is full; a batch is read back when it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication import set_kernels
from curation.deduplication.evidence import Words
from curation.deduplication.numbering import Indices, names_of
from curation.deduplication.scratch import PAGE_WORDS, Scratch, aligned, scratch
from curation.deduplication.set_sources import Wanted, WordSource
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.shingles import sets_of

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

BUFFERS = 2 << 20
"""Words in the buffers of all batches together."""
MOST_OF_A_BUFFER = 64 << 10


class SpilledSets(NamedTuple):
    """The shingle set of form i is the stretch starts[i] : starts[i] + sizes[i] of what `of_batch` gives for its batch.

    The stretches of a batch are known when that was asked, and what it gave is overwritten when it is asked again.
    """

    starts: Ints
    sizes: Ints
    of_batch: Callable[[int], Hashes]


class _Batches:
    """A buffer for each batch, and the places of what it has on disk."""

    def __init__(self, n: int, file: Scratch) -> None:
        width = max(1, min(MOST_OF_A_BUFFER, BUFFERS // n) // PAGE_WORDS) * PAGE_WORDS
        self._file, self._places = file, [list[int]() for _ in range(n)]
        self._buffers, self._used = aligned(n * width).reshape(n, -1), np.zeros(n, np.int64)
        self._room = aligned(0)

    def pour(self, words: Words, batch_of: Indices) -> None:
        """Take texts, each to its batch."""
        at, done = 0, 0
        while True:
            at, done = set_kernels.pour(*words, batch_of, self._buffers, self._used, at, done)
            if at == len(batch_of):
                return
            batch = batch_of[at]
            self._places[batch].append(self._file.write(self._buffers[batch]))
            self._used[batch] = 0

    def read(self, batch: int) -> npt.NDArray[np.uint32]:
        """All words of a batch, in the order in which they came."""
        places, width, rest = self._places[batch], self._buffers.shape[1], self._used[batch]
        n = len(places) * width
        if len(self._room) < n + width:
            self._room = aligned(n + width)
        for i, place in enumerate(places):
            self._file.read(place, self._room[i * width : (i + 1) * width])
        self._room[n : n + rest] = self._buffers[batch, :rest]
        return self._room[: n + rest]


@contextmanager
def spilled(
    source: WordSource, wanted: Wanted, batch_of: Indices, settings: SignatureSettings
) -> Iterator[SpilledSets]:
    """The sets of the forms whose contents are `wanted`, each in its batch (from 0 on).

    Raises LookupError for a content whose text is not there.
    """
    with scratch() as file:
        batches, sizes = _Batches(int(batch_of.max(initial=0)) + 1, file), np.full(len(batch_of), -1, np.int64)
        came: list[Indices] = [np.empty(0, np.int32)]
        for forms, words in source(wanted):
            batches.pour(words, batch_of[forms])
            sizes[forms] = words.counts
            came.append(forms)
        _check_all_there(wanted, sizes)
        yield _sets(batches, np.concatenate(came), sizes, batch_of, settings)


def _sets(batches: _Batches, came: Indices, sizes: Ints, batch_of: Indices, settings: SignatureSettings) -> SpilledSets:
    """The sets of forms, given in the order in which they came, each with the number of its words."""
    order, starts = came[np.argsort(batch_of[came], kind="stable")], np.empty_like(sizes)
    forms_of = np.split(order, np.flatnonzero(np.diff(batch_of[order])) + 1)
    room = np.empty(max(int(sizes[forms].sum()) for forms in forms_of), np.uint64)

    def of_batch(batch: int) -> Hashes:
        forms = forms_of[batch]
        counts = sizes[forms]
        words = Words(batches.read(batch), np.cumsum(counts) - counts, counts)
        hashes, starts[forms], sizes[forms] = sets_of(words, settings, room)
        return hashes

    return SpilledSets(starts, sizes, of_batch)


def _check_all_there(wanted: Wanted, sizes: Ints) -> None:
    missing = np.flatnonzero(sizes < 0)
    if len(missing):
        raise missing_text(names_of(wanted.digests.at(missing[:1]))[0])


def missing_text(content: str) -> LookupError:
    """What is wrong where evidence and texts are not of the same contents."""
    return LookupError(f"content {content} has a signature but no text; compute signatures of the contents at hand")
