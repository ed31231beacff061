"""The inner loops over an index of bands: which rows share a band with one that is asked for, and may be near to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.lanes import count_bits
from curation.deduplication.pair_kernels import ROUNDED
from curation.index_kernels import end_of_bucket, next_from, stride
from curation.sorted_keys import SortedKeys

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.uint32]
Flags = npt.NDArray[np.bool_]
MANY = 64
"""Contents in a bucket that are not looked at pair by pair."""
MANY_PAIRS = MANY * MANY
"""Pairs of a bucket that are not looked at, nor held."""


@piece
def can_reach(both: int, differing: int, threshold: float) -> bool:
    """Whether texts can be as similar as the threshold that have so many shingles, each its own counted, and whose odd
    sketches differ in so many bits: no fewer shingles stand in one alone. To count repeated ones, too, makes the bound
    higher, never wrong."""
    return bool(both - differing >= threshold * ROUNDED * (both + differing))


@piece
def differing_bits(odd: Numbers, i: int, row_odd: Numbers, begin: int) -> int:
    """In how many bits the odd sketch odd[i] and the one that begins at row_odd[begin] differ."""
    differing = 0
    for k in range(odd.shape[1]):
        differing += count_bits(odd[i, k] ^ row_odd[begin + k])
    return differing


@piece
def mark_all(rows: Rows, flags: Flags) -> None:
    """Mark some rows."""
    for row in rows:
        flags[row] = True


@kernel
def mark_near(
    held: SortedKeys,
    asked: SortedKeys,
    digests: Numbers,
    odd: Numbers,
    n_shingles: Ints,
    row_digests: Numbers,
    row_odd: Numbers,
    odd_starts: Ints,
    row_shingles: Ints,
    threshold: float,
    near: Flags,
    near_rows: Flags,
) -> None:
    """Mark the contents that are asked for and the rows that have the same hash of a band, and may be near to each other.

    The keys are the hashes of rows, and those of contents, band by band. A content is told by its digest (a row of two
    numbers), and is no neighbour of itself. Its odd sketch is a row of `odd`; that of a row is row_odd[odd_starts[row] // 8:].
    What is marked already is not looked at: each place costs a miss of the cache. Of a bucket of too many pairs, all are taken
    to be near.
    """
    if len(near_rows) == 0:
        return
    width, first = odd.shape[1], odd_starts[0] // 8
    is_full = odd_starts[len(near_rows)] // 8 - first == len(near_rows) * width
    for band in range(min(len(asked.bounds), len(held.bounds)) - 1):
        hashes = held.hashes[held.bounds[band] : held.bounds[band + 1]]
        rows = held.rows[held.bounds[band] : held.bounds[band + 1]]
        wanted = asked.hashes[asked.bounds[band] : asked.bounds[band + 1]]
        contents = asked.rows[asked.bounds[band] : asked.bounds[band + 1]]
        at, stop, step = 0, 0, stride(hashes, len(wanted))
        while stop < len(wanted):
            start, key = stop, wanted[stop]
            stop, at = end_of_bucket(wanted, start, key), next_from(hashes, key, at, step)
            end = end_of_bucket(hashes, at, key)
            if (stop - start) * (end - at) > MANY_PAIRS:
                mark_all(contents[start:stop], near)
                mark_all(rows[at:end], near_rows)
                continue
            for row in rows[at:end]:
                begin = first + row * width if is_full else odd_starts[row] // 8
                for i in contents[start:stop]:
                    if near[i] and near_rows[row]:
                        continue
                    if digests[i, 0] == row_digests[row, 0] and digests[i, 1] == row_digests[row, 1]:
                        continue
                    differing = differing_bits(odd, i, row_odd, begin)
                    if can_reach(n_shingles[i] + row_shingles[row], differing, threshold):
                        near[i] = near_rows[row] = True
