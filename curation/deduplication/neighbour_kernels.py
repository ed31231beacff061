"""The inner loops over an index of bands: which rows share a band with one that is asked for, and may be near to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.lanes import count_bits
from curation.deduplication.pair_kernels import ROUNDED
from curation.index_kernels import next_from, stride

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
MANY = 64
"""Contents in a bucket that are not looked at pair by pair."""
MANY_PAIRS = MANY * MANY
"""Pairs of a bucket that are not looked at, nor held."""
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@piece
def can_reach(both: int, differing: int, threshold: float) -> bool:
    """Whether texts can be as similar as the threshold that have so many shingles, each its own counted, and whose odd
    sketches differ in so many bits: no fewer shingles stand in one alone. To count repeated ones, too, makes the bound
    higher, never wrong."""
    return bool(both - differing >= threshold * ROUNDED * (both + differing))


@kernel
def list_sharing(keys: Hashes, asked: Hashes, near: Flags, near_rows: Flags, pairs: Hashes) -> int:
    """List the pairs of a row and a content that is `asked` for which have the same hash of a band, as row << 32 | content, but
    those of which both are marked; how many there are, with those that there was no room for.

    `asked` holds hash << 32 | content, `keys` hash << 32 | row, both sorted. Of a bucket of too many pairs, all are taken to
    be near, and marked.
    """
    at, start, total, step = 0, 0, 0, stride(keys, len(asked))
    while start < len(asked):
        key, stop = asked[start] >> _32 << _32, start
        while stop < len(asked) and asked[stop] >> _32 << _32 == key:
            stop += 1
        at = end = next_from(keys, key, at, step)
        while end < len(keys) and keys[end] >> _32 << _32 == key:
            end += 1
        if (stop - start) * (end - at) > MANY_PAIRS:
            for which in range(start, stop):
                near[np.int64(asked[which] & _LOW)] = True
            while at < end:
                near_rows[np.int64(keys[at] & _LOW)] = True
                at += 1
        while at < end:
            row = keys[at] & _LOW
            at += 1
            for which in range(start, stop):
                content = asked[which] & _LOW
                if near[np.int64(content)] and near_rows[np.int64(row)]:
                    continue
                if total < len(pairs):
                    pairs[total] = row << _32 | content
                total += 1
        start = stop
    return total


@kernel
def mark_near(
    pairs: Hashes,
    digests: Hashes,
    odd: Hashes,
    n_shingles: Ints,
    row_digests: Hashes,
    row_odd: Hashes,
    odd_starts: Ints,
    row_shingles: Ints,
    threshold: float,
    near: Flags,
    near_rows: Flags,
) -> None:
    """Mark the contents and the rows, of pairs as `list_sharing` lists them, that may be near to each other.

    The pairs are sorted, so that rows are looked at as they lie.
    A content is told by its digest (a row of two numbers), and is no neighbour of itself. Its odd sketch is a row of `odd`;
    that of a row is row_odd[odd_starts[row] // 8:]. What need not be looked at is not: each place costs a miss of the cache.
    """
    if len(pairs) == 0:
        return
    width, first = odd.shape[1], odd_starts[0] // 8
    is_full = odd_starts[len(near_rows)] // 8 - first == len(near_rows) * width
    for pair in pairs:
        row, i = np.int64(pair >> _32), np.int64(pair & _LOW)
        if near[i] and near_rows[row]:
            continue
        begin, differing = first + row * width if is_full else odd_starts[row] // 8, 0
        for k in range(width):
            differing += count_bits(odd[i, k] ^ row_odd[begin + k])
        if can_reach(n_shingles[i] + row_shingles[row], differing, threshold):
            is_own = digests[i, 0] == row_digests[row, 0] and digests[i, 1] == row_digests[row, 1]
            near[i], near_rows[row] = near[i] or not is_own, near_rows[row] or not is_own
