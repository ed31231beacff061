"""Who stays: contents in the order of the policy, each kept unless a kept one before it is its near-duplicate.

So a dropped content is always verified against the one that stays in its stead, there are no chains, and the answer is a
function of the set of contents alone. The shingles of contents that share a band with another form are read, in one pass; they
are decided component by component of the graph of shared bands, a bounded number of bytes at a time; only a component
that is larger than that is held as a whole. Many copies of one text cost one comparison each, for only kept contents are compared with.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication import band_kernels, pair_kernels
from curation.deduplication.numbering import Indices
from curation.deduplication.set_sources import Wanted, WordSource
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.spilling import spilled
from curation.deduplication.whole_corpus import Contents
from records import Progress, silent

MOST_BATCHES = 256
"""Each has a file that is open until it is decided; more would meet the limit of open files."""


PAIRS = 1 << 12
"""Pairs of a batch for which there is room, beside two for each of its contents."""


class Election(NamedTuple):
    """By number of content: which are dropped, which stay in their stead, and how similar those are.

    The pairs (one a row) are all that reach the threshold: a content, a kept content before it; their Jaccard similarity.
    """

    dropped: Indices
    stays: Indices
    similarity: npt.NDArray[np.float64]
    pairs: Indices
    jaccard: npt.NDArray[np.float64]


def elect(
    contents: Contents, source: WordSource, settings: DeduplicationSettings, progress: Progress = silent
) -> Election:
    """Decide on the contents of a corpus."""
    candidate = np.full(len(contents.first), -1, np.int32)
    candidate[contents.candidates] = np.arange(len(contents.candidates))
    candidate_of = candidate[contents.form_of[contents.order]]
    alone, near = contents.order[candidate_of < 0], contents.order[candidate_of >= 0]
    firsts = contents.first[contents.form_of[alone]]
    copies = np.flatnonzero(firsts != alone)
    kept, similarity, pairs, jaccard = _verified(contents, candidate_of[candidate_of >= 0], source, settings, progress)
    lost = np.flatnonzero(kept >= 0)
    return Election(
        np.concatenate([alone[copies], near[lost]]),
        np.concatenate([firsts[copies], near[kept[lost]]]),
        np.concatenate([np.ones(len(copies)), similarity[lost]]),
        near[pairs],
        jaccard,
    )


def _verified(
    contents: Contents, candidates: Indices, source: WordSource, settings: DeduplicationSettings, progress: Progress
) -> tuple[Indices, npt.NDArray[np.float64], Indices, npt.NDArray[np.float64]]:
    """Decide on contents of the candidates, given in order: which stays in the stead of each (-1: it stays itself), how
    similar it is, and the pairs that are near. Numbers are places in that order."""
    n_rows = len(candidates)
    kept, similarity = np.full(n_rows, -1, np.int32), np.zeros(n_rows)
    batches, component = _batches(contents, settings.fetch_bytes)
    rows_of = _split(batches[candidates], component[candidates])
    longest = max(map(len, rows_of), default=0)
    lists, found, similar = _lists(contents, longest), *_room_for_pairs(2 * longest + PAIRS)
    pairs, jaccard = ([part] for part in _room_for_pairs(0))
    done = 0
    wanted = Wanted(contents.digests.at(contents.first[contents.candidates]), contents.rows)
    with spilled(source, wanted, batches, settings.signature) as sets:
        for number, rows in enumerate(rows_of):
            shingles, at = sets.of_batch(number), 0
            table = pair_kernels.table_of(int(sets.sizes[candidates[rows]].max()))
            while at < len(rows):
                at, n = pair_kernels.elect(
                    at,
                    rows,
                    candidates,
                    contents.buckets,
                    *lists,
                    sets.starts,
                    sets.sizes,
                    shingles,
                    table,
                    settings.threshold,
                    kept,
                    similarity,
                    found,
                    similar,
                )
                pairs.append(found[:n].copy())
                jaccard.append(similar[:n].copy())
            done += len(rows)
            progress(done, n_rows, "contents that share a band")
    return kept, similarity, np.concatenate(pairs), np.concatenate(jaccard)


def _lists(contents: Contents, longest: int) -> tuple[Indices, Indices, Indices, Indices]:
    """By bucket the last of its kept contents, by row of a batch the one before; by candidate who is kept of it, and by whom it
    was looked at."""
    n, width = contents.buckets.shape
    heads, following = np.full(contents.n_buckets, -1, np.int32), np.empty((longest, width), np.int32)
    return heads, following, np.full(n, -1, np.int32), np.full(n, -1, np.int32)


def _room_for_pairs(n: int) -> tuple[Indices, npt.NDArray[np.float64]]:
    return np.empty((n, 2), np.int32), np.empty(n)


def _batches(contents: Contents, fetch_bytes: int) -> tuple[Indices, Indices]:
    """The batch of each candidate, from 0 on: whole components, about `fetch_bytes` of text together; and its component."""
    n = len(contents.candidates)
    component = np.empty(n, np.int32)
    band_kernels.components(contents.buckets, np.full(contents.n_buckets, -1, np.int32), component)
    size_of_component = np.bincount(component, contents.n_characters, minlength=n)
    room = max(fetch_bytes, int(size_of_component.sum()) // MOST_BATCHES)
    before = (np.cumsum(size_of_component) - size_of_component).astype(np.int64) // room
    return np.unique(before[component], return_inverse=True)[1].astype(np.int32), component


def _split(batches: Indices, components: Indices) -> list[Indices]:
    """The rows of each batch, component by component (what is compared lies close together), each in order."""
    order = np.lexsort((components, batches)).astype(np.int32)
    return np.split(order, np.flatnonzero(np.diff(batches[order])) + 1) if len(order) else []
