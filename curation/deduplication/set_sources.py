"""Where shingle sets of candidates come from: their texts, read a second time, or what was kept of the first reading.

A stage that has only the table of signatures reads the texts again. Where a corpus goes from texts to duplicates in one
call, its shingles are written to disk while it is signed, past the page cache, and no text is decoded or split twice:
that is a sixth of all, for eight bytes a word on disk until the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from curation.deduplication import set_kernels
from curation.deduplication.candidates import Fetch
from curation.deduplication.evidence import Shingles
from curation.deduplication.numbering import Digests, Indices, digests_of, distinct, names_of, numbered
from curation.deduplication.scratch import Scratch, aligned
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.shingles import ShingleSets, collected

Hashes = npt.NDArray[np.uint64]
SetSource = Callable[[Digests], Iterable[tuple[Digests, ShingleSets]]]
"""From digests of contents to their shingle sets, in any order and in parts; none twice. A part is overwritten by the next."""


def read_again(fetch: Fetch, settings: SignatureSettings) -> SetSource:
    """The sets of texts, which are fetched."""

    def sets(wanted: Digests) -> Iterator[tuple[Digests, ShingleSets]]:
        for rows in fetch(names_of(wanted)) if len(wanted) else ():
            yield digests_of(rows.get_column("content_digest")), collected(rows.get_column("text").to_arrow(), settings)

    return sets


class KeptShingles:
    """The shingles of all texts of a corpus on disk, in the order in which they came: a `SetSource`.

    Holds 20 bytes a text, and the shingles of a batch.
    """

    def __init__(self, file: Scratch) -> None:
        self._file, self._room = file, aligned(0)
        self._batches: list[tuple[Digests, Indices, int]] = []

    def add(self, names: Digests, shingles: Shingles) -> None:
        """Keep the shingles of a batch of contents."""
        total, first = int(shingles.sizes.sum()), self._file.n_blocks
        self._make_room(total)
        whole, none = np.zeros(len(names), np.int32), np.zeros(1, np.int64)
        set_kernels.pour(*shingles, whole, self._room.reshape(1, -1), none, 0, 0)
        for block in self._blocks(total):
            self._file.write(block)
        self._batches.append((names, shingles.sizes.astype(np.int32), first))

    def __call__(self, wanted: Digests) -> Iterator[tuple[Digests, ShingleSets]]:
        """The sets of the contents that are wanted."""
        if not len(wanted):
            return
        index = numbered(distinct(wanted))
        seen = np.zeros(len(index.digests), np.bool_)
        for names, counts, first in self._batches:
            at = index.places_of(names)
            there, rows = np.unique(at, return_index=True)
            rows = np.sort(rows[(there >= 0) & ~seen[there]])
            seen[at[rows]] = True
            sizes = counts.astype(np.int64)
            self._make_room(int(sizes.sum()))
            for number, block in enumerate(self._blocks(int(sizes.sum())), first):
                self._file.read(number, block)
            own = ShingleSets(self._room, (np.cumsum(sizes) - sizes)[rows], sizes[rows])
            set_kernels.make_sets(*own)
            yield names.at(rows), own

    def _make_room(self, total: int) -> None:
        width = self._file.block_bytes // 8
        if len(self._room) < total + width:
            self._room = aligned(8 * (total + width))

    def _blocks(self, total: int) -> Iterator[Hashes]:
        width = self._file.block_bytes // 8
        for begin in range(0, total, width):
            yield self._room[begin : begin + width]
