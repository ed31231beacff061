"""The inner loops over words and shingles as they lie in memory: words are moved to where they are wanted, and made sets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.sketch_kernels import shingle

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Words = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int32]
_32 = np.uint64(32)


@kernel
def pour(
    words: Words,
    starts: Ints,
    counts: Ints,
    batch_of: Indices,
    buffers: Words,
    used: Ints,
    at: int,
    done: int,
) -> tuple[int, int]:
    """Write texts to the buffers of their batches, from word `done` of text `at` on, until one is full: where to go on.

    The buffer of batch b is buffers[b], of which used[b] words are taken.
    """
    while at < len(counts):
        batch = batch_of[at]
        buffer, end = buffers[batch], used[batch]
        n = min(counts[at] - done, len(buffer) - end)
        for j in range(n):
            buffer[end + j] = words[starts[at] + done + j]
        used[batch] += n
        done += n
        if done < counts[at]:
            return at, done
        at, done = at + 1, 0
    return at, done


@piece
def sort_distinct(values: Hashes, scratch: Hashes, counts: Indices) -> int:
    """Sort hashes, and drop the repeated ones, in place: how many are left.

    Hashes are uniform, so one pass into n buckets and an insertion sort are linear. `scratch` holds n, `counts` n + 1.
    """
    n = len(values)
    for i in range(n + 1):
        counts[i] = 0
    for value in values:
        counts[np.int64((value >> _32) * np.uint64(n) >> _32) + 1] += 1
    for i in range(n):
        counts[i + 1] += counts[i]
    for value in values:
        bucket = np.int64((value >> _32) * np.uint64(n) >> _32)
        scratch[counts[bucket]] = value
        counts[bucket] += 1
    for i in range(1, n):
        value = scratch[i]
        j = i
        while j > 0 and scratch[j - 1] > value:
            scratch[j] = scratch[j - 1]
            j -= 1
        scratch[j] = value
    left = 0
    for i in range(n):
        if left == 0 or values[left - 1] != scratch[i]:
            values[left] = scratch[i]
            left += 1
    return left


@kernel
def make_sets(
    words: Words,
    starts: Ints,
    counts: Ints,
    multipliers: Hashes,
    out: Hashes,
    firsts: Ints,
    sizes: Ints,
    scratch: Hashes,
    buckets: Indices,
) -> None:
    """Write the shingle set of each text, sorted, to `out`, one behind the other: where each begins, and its size.

    Text i has the words words[starts[i] : starts[i] + counts[i]]; fewer than a shingle has are one shingle. `out` has room
    for as many hashes as there are words; the others are scratch, of as many as a text has words, and one more.
    """
    end = 0
    for text in range(len(counts)):
        width = min(counts[text], len(multipliers))
        n = counts[text] - width + 1 if width else 0
        made = out[end : end + n]
        shingle(words[starts[text] :], multipliers, width, made)
        firsts[text], sizes[text] = end, sort_distinct(made, scratch, buckets)
        end += sizes[text]
