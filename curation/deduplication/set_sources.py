"""Where the words of candidates come from: their texts, read a second time, or what was kept of the first reading.

A stage that has only the table of signatures reads the texts again. Where a corpus goes from texts to duplicates in one
call, its words are written to disk while it is signed, past the page cache, and no text is decoded or split twice: four
bytes a word on disk until the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from curation.deduplication.corpus import Fetch
from curation.deduplication.evidence import Room, Words, words_of
from curation.deduplication.numbering import Digests, Indices, digests_of, names_of, numbered
from curation.deduplication.scratch import PAGE_WORDS, Scratch, aligned
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import texts_of


class Wanted(NamedTuple):
    """Contents that are all different: their digests, and the row of the table of signatures that each has."""

    digests: Digests
    rows: Indices


WordSource = Callable[[Wanted], Iterable[tuple[Indices, Words]]]
"""From contents to their words, in any order and in parts, each with the places in `Wanted` of what it holds; none twice. A
part is overwritten by the next."""


def read_again(fetch: Fetch, settings: SignatureSettings) -> WordSource:
    """The words of texts, which are fetched."""

    def words(wanted: Wanted) -> Iterator[tuple[Indices, Words]]:
        index = numbered(wanted.digests)
        for rows in fetch(names_of(wanted.digests)) if len(wanted.rows) else ():
            at = index.places_of(digests_of(rows.get_column("content_digest")))
            yield at, words_of(texts_of(rows.get_column("text").to_arrow()), settings)

    return words


class _Batch(NamedTuple):
    """The first row of a batch; where its words lie in the file, and how many, with what stands between them; for each text
    where it begins among these, and how many words it has."""

    first: int
    place: int
    size: int
    starts: Indices
    counts: Indices


class KeptWords:
    """The words of all texts of a corpus on disk, in the order in which they came: a `WordSource`.

    Holds 8 bytes a text, and when it is asked the words of a batch.
    """

    def __init__(self, file: Scratch) -> None:
        self._file = file
        self._batches, self._n_rows = list[_Batch](), 0

    def add(self, words: Words) -> None:
        """Keep the words of a batch of contents. They stand in `aligned` memory."""
        pages, starts, size = list[Room](), np.empty(len(words.starts), np.int32), 0
        for texts, begin, end in _runs(words):
            pages.append(words.hashes[begin:end])
            starts[texts] = words.starts[texts] - begin + size
            size += end - begin
        place = self._file.write(*pages)
        self._batches.append(_Batch(self._n_rows, place, size, starts, words.counts.astype(np.int32)))
        self._n_rows += len(starts)

    def __call__(self, wanted: Wanted) -> Iterator[tuple[Indices, Words]]:
        """The words of the contents that are wanted."""
        room = aligned(max((batch.size for batch in self._batches), default=0))
        order = np.argsort(wanted.rows, kind="stable").astype(np.int32)
        cuts = np.searchsorted(wanted.rows[order], [batch.first for batch in self._batches])
        for batch, places in zip(self._batches, np.split(order, cuts)[1:], strict=True):
            own = wanted.rows[places] - batch.first
            starts, counts = batch.starts[own].astype(np.int64), batch.counts[own].astype(np.int64)
            self._file.read(batch.place, room[: batch.size])
            yield places, Words(room, starts, counts)


def _runs(words: Words) -> Iterator[tuple[Indices, int, int]]:
    """Texts that lie close together, and the whole pages that hold them: the first word, and the one behind the last."""
    order = np.argsort(words.starts, kind="stable").astype(np.int32)
    begins = words.starts[order]
    ends = begins + words.counts[order]
    apart = np.flatnonzero(begins[1:] - ends[:-1] > PAGE_WORDS) + 1
    for texts in np.split(order, apart) if len(order) else ():
        first, last = texts[0], texts[-1]
        begin, end = words.starts[first] // PAGE_WORDS, -(-(words.starts[last] + words.counts[last]) // PAGE_WORDS)
        yield texts, int(begin) * PAGE_WORDS, int(end) * PAGE_WORDS
