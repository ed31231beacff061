"""Shingle sets of candidates, read once, in the order in which they come, and kept on disk until they are compared.

Candidates that share a band may stand anywhere in a table, so to fetch them component by component would decode all of
it for each handful. They come in the table's own order instead, and their shingles, eight bytes a word, are poured into a
buffer for each batch of components, which is written to disk when it is full; a batch is read back when it is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication import set_kernels
from curation.deduplication.numbering import Digests, Indices, names_of, numbered
from curation.deduplication.scratch import Scratch, aligned, scratch
from curation.deduplication.set_sources import SetSource

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

BUFFERS = 8 << 20
"""Bytes of the buffers of all batches together."""
MOST_OF_A_BUFFER = 256 << 10


class SpilledSets(NamedTuple):
    """The shingle set of form i is the stretch starts[i] : starts[i] + sizes[i] of what `of_batch` gives for its batch.

    What that gave is overwritten when it is asked again.
    """

    starts: Ints
    sizes: Ints
    of_batch: Callable[[int], Hashes]


class _Batches:
    """A buffer for each batch, and the blocks that it has on disk."""

    def __init__(self, n: int, file: Scratch, block_bytes: int) -> None:
        self._file, self._blocks = file, [list[int]() for _ in range(n)]
        self._buffers, self._used = aligned(n * block_bytes).reshape(n, -1), np.zeros(n, np.int64)
        self._room = aligned(0)

    def pour(self, hashes: Hashes, starts: Ints, sizes: Ints, batch_of: Indices) -> None:
        """Take sets, each to its batch."""
        at, done = 0, 0
        while True:
            at, done = set_kernels.pour(hashes, starts, sizes, batch_of, self._buffers, self._used, at, done)
            if at == len(sizes):
                return
            batch = batch_of[at]
            self._blocks[batch].append(self._file.write(self._buffers[batch]))
            self._used[batch] = 0

    def read(self, batch: int) -> Hashes:
        """All hashes of a batch, in the order in which they came."""
        blocks, width, rest = self._blocks[batch], self._buffers.shape[1], self._used[batch]
        n = len(blocks) * width
        if len(self._room) < n + width:
            self._room = aligned(8 * (n + width))
        for i, block in enumerate(blocks):
            self._file.read(block, self._room[i * width : (i + 1) * width])
        self._room[n : n + rest] = self._buffers[batch, :rest]
        return self._room[: n + rest]


@contextmanager
def spilled(source: SetSource, wanted: Digests, batch_of: Indices) -> Iterator[SpilledSets]:
    """The sets of the forms whose contents are `wanted`, each in its batch (from 0 on).

    Raises LookupError for a content whose text is not there.
    """
    n_batches = int(batch_of.max(initial=0)) + 1
    block_bytes = min(MOST_OF_A_BUFFER, BUFFERS // n_batches) // PAGESIZE * PAGESIZE
    with scratch(block_bytes) as file:
        batches, sizes = _Batches(n_batches, file, block_bytes), np.full(len(wanted), -1, np.int64)
        index = numbered(wanted)
        came: list[Indices] = [np.empty(0, np.int32)]
        for names, sets in source(wanted):
            forms = index.places_of(names)
            batches.pour(*sets, batch_of[forms])
            sizes[forms] = sets.sizes
            came.append(forms)
        _check_all_there(wanted, sizes)
        yield SpilledSets(_places(np.concatenate(came), sizes, batch_of), sizes, batches.read)


def _places(came: Indices, sizes: Ints, batch_of: Indices) -> Ints:
    """Where the set of each form begins in its batch, given the forms in the order in which they came."""
    order = came[np.argsort(batch_of[came], kind="stable")]
    starts, own = np.empty_like(sizes), sizes[order]
    before = np.cumsum(own) - own
    firsts = np.flatnonzero(np.diff(batch_of[order], prepend=-1))
    starts[order] = before - np.repeat(before[firsts], np.diff(firsts, append=len(order)))
    return starts


def _check_all_there(wanted: Digests, sizes: Ints) -> None:
    missing = np.flatnonzero(sizes < 0)
    if len(missing):
        raise missing_text(names_of(wanted.at(missing[:1]))[0])


def missing_text(content: str) -> LookupError:
    """What is wrong where evidence and texts are not of the same contents."""
    return LookupError(f"content {content} has a signature but no text; compute signatures of the contents at hand")
