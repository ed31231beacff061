"""The inner loops over shingles as they lie in memory: they are made sets, and moved to where they are wanted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled
from curation.deduplication.text_kernels import sort_distinct

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


@compiled
def gathered(hashes: Hashes, starts: Ints, sizes: Ints) -> Hashes:
    """The sets, each behind the one before it; `starts` become where they are now."""
    out = np.empty(sizes.sum(), np.uint64)
    end = 0
    for i in range(len(sizes)):
        for j in range(sizes[i]):
            out[end + j] = hashes[starts[i] + j]
        starts[i] = end
        end += sizes[i]
    return out


@compiled
def pour(
    hashes: Hashes,
    starts: Ints,
    sizes: Ints,
    batch_of: npt.NDArray[np.int32],
    buffers: Hashes,
    used: Ints,
    at: int,
    done: int,
) -> tuple[int, int]:
    """Write sets to the buffers of their batches, from hash `done` of set `at` on, until one is full: where to go on.

    The buffer of batch b is buffers[b], of which used[b] hashes are taken.
    """
    while at < len(sizes):
        batch = batch_of[at]
        buffer, end = buffers[batch], used[batch]
        n = min(sizes[at] - done, len(buffer) - end)
        for j in range(n):
            buffer[end + j] = hashes[starts[at] + done + j]
        used[batch] += n
        done += n
        if done < sizes[at]:
            return at, done
        at, done = at + 1, 0
    return at, done


@compiled
def make_sets(hashes: Hashes, starts: Ints, sizes: Ints) -> None:
    """Make each stretch of shingles a set, in place: sorted, each once; `sizes` become those of the sets."""
    scratch, counts = np.empty(4096, np.uint64), np.empty(4097, np.int64)
    for i in range(len(sizes)):
        if sizes[i] > len(scratch):
            scratch, counts = np.empty(sizes[i], np.uint64), np.empty(sizes[i] + 1, np.int64)
        sizes[i] = sort_distinct(hashes[starts[i] : starts[i] + sizes[i]], scratch, counts)
