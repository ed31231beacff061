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


@piece
def differing_bits(odd: Hashes, i: np.int64, row_odd: Hashes, begin: int) -> int:
    """In how many bits the odd sketch odd[i] and the one that begins at row_odd[begin] differ."""
    differing = 0
    for k in range(odd.shape[1]):
        differing += count_bits(odd[i, k] ^ row_odd[begin + k])
    return differing


@piece
def end_of_bucket(keys: Hashes, start: int, key: np.uint64) -> int:
    """Where the keys from `start` on no longer have the upper half of this one."""
    while start < len(keys) and keys[start] >> _32 << _32 == key:
        start += 1
    return start


@piece
def mark_all(keys: Hashes, flags: Flags) -> None:
    """Mark those whose numbers are the lower halves of the keys."""
    for key in keys:
        flags[np.int64(key & _LOW)] = True


@kernel
def mark_near(
    keys: Hashes,
    bounds: Ints,
    asked: Hashes,
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
    """Mark the contents that are asked for and the rows that have the same hash of a band, and may be near to each other.

    Of band b, asked[b] holds hash << 32 | content, and keys[bounds[b] : bounds[b + 1]] hash << 32 | row, both sorted. A
    content is told by its digest (a row of two numbers), and is no neighbour of itself. Its odd sketch is a row of `odd`; that
    of a row is row_odd[odd_starts[row] // 8:]. What is marked already is not looked at: each place costs a miss of the cache.
    Of a bucket of too many pairs, all are taken to be near.
    """
    if len(near_rows) == 0:
        return
    width, first = odd.shape[1], odd_starts[0] // 8
    is_full = odd_starts[len(near_rows)] // 8 - first == len(near_rows) * width
    for band in range(min(len(asked), len(bounds) - 1)):
        wanted, held = asked[band], keys[bounds[band] : bounds[band + 1]]
        at, stop, step = 0, 0, stride(held, len(wanted))
        while stop < len(wanted):
            start, key = stop, wanted[stop] >> _32 << _32
            stop, at = end_of_bucket(wanted, start, key), next_from(held, key, at, step)
            end = end_of_bucket(held, at, key)
            if (stop - start) * (end - at) > MANY_PAIRS:
                mark_all(wanted[start:stop], near)
                mark_all(held[at:end], near_rows)
                continue
            for other in held[at:end]:
                row = np.int64(other & _LOW)
                begin = first + row * width if is_full else odd_starts[row] // 8
                for one in wanted[start:stop]:
                    i = np.int64(one & _LOW)
                    if near[i] and near_rows[row]:
                        continue
                    differing = differing_bits(odd, i, row_odd, begin)
                    if can_reach(n_shingles[i] + row_shingles[row], differing, threshold):
                        is_own = digests[i, 0] == row_digests[row, 0] and digests[i, 1] == row_digests[row, 1]
                        near[i], near_rows[row] = near[i] or not is_own, near_rows[row] or not is_own
