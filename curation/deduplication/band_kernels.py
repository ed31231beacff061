"""The inner loops over all contents at once: which are of one form, which share a band, and what hangs together by that.

A *form* is a normalised text; contents of one form have the same bands and shingles. Forms are numbered in the order of the
survivor policy, so the lower number goes first everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, part

Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
_LOW = np.uint64(0xFFFFFFFF)
NOWHERE = np.uint32(0xFFFFFFFF)
"""The number of no bucket; -1, if it has a sign."""


@compiled
def number_forms(order: Indices, high: Hashes, low: Hashes, form_of: Indices, first: Indices) -> int:
    """Number the forms of contents, whose digests are given in two halves, as they come in `order`; how many there are.

    `form_of` gets the form of each content, and `first` (as long) the first content of each form.
    """
    size = 16
    while size < 2 * len(order):
        size *= 2
    table, n = np.full(size, -1, np.int32), 0
    for content in order:
        slot = int(np.int64(high[content] & np.uint64(size - 1)))
        while table[slot] >= 0:
            other = first[table[slot]]
            if high[other] == high[content] and low[other] == low[content]:
                break
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot], first[n] = n, content
            n += 1
        form_of[content] = table[slot]
    return n


@compiled
def share_bands(bands: npt.NDArray[np.uint32], asked: Flags, sharing: Flags) -> int:
    """Number the buckets of two or more of the columns that are `asked`, and mark those that are in one; how many there are.

    Each row of `bands` is a band, whose hashes are overwritten by numbers of buckets (all bits set: in none). Nearly all
    hashes stand alone, so two bits for each are looked at first, which stay in the processor's cache.
    """
    width, n = bands.shape
    bits = 10
    while bits < 32 and 1 << bits < 8 * n:
        bits += 1
    seen, twice = np.empty((1 << bits) >> 6, np.uint64), np.empty((1 << bits) >> 6, np.uint64)
    several, numbers, total = np.empty(n, np.int32), np.empty(n, np.int32), 0
    for band in range(width):
        hashes = bands[band]
        seen[:] = 0
        twice[:] = 0
        for i in range(n):
            if asked[i]:
                place = np.uint64(hashes[i]) >> np.uint64(32 - bits)
                bit = np.uint64(1) << (place & np.uint64(63))
                at = np.int64(place >> np.uint64(6))
                twice[at] |= seen[at] & bit
                seen[at] |= bit
        left = 0
        for i in range(n):
            place = np.uint64(hashes[i]) >> np.uint64(32 - bits)
            bit = np.uint64(1) << (place & np.uint64(63))
            several[left] = i
            is_left = asked[i] and twice[np.int64(place >> np.uint64(6))] & bit != 0
            hashes[i] = hashes[i] if is_left else NOWHERE
            left += is_left
        total = number_equal(hashes, several[:left], numbers, sharing, total)
    return total


@part
def number_equal(hashes: npt.NDArray[np.uint32], several: Indices, slots: Indices, sharing: Flags, total: int) -> int:
    """Number, from `total` on, the groups of two or more equal hashes among `several`, in their stead; the new total."""
    size = 16
    while size < 2 * len(several):
        size *= 2
    table = np.zeros(size, np.uint64)  # a hash, and beneath it how many have it, then the number of its bucket
    for at in range(len(several)):
        key = np.uint64(hashes[several[at]])
        slot = int(np.int64(key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32))) & (size - 1)
        while table[slot] != 0 and table[slot] >> np.uint64(32) != key:
            slot = (slot + 1) & (size - 1)
        table[slot] = (key << np.uint64(32)) | ((table[slot] & _LOW) + np.uint64(1))
        slots[at] = slot
    for slot in range(size):
        if table[slot] & _LOW > np.uint64(1):
            table[slot] = np.uint64(total)
            total += 1
        else:
            table[slot] = np.uint64(NOWHERE)
    for at in range(len(several)):
        number = np.uint32(table[slots[at]])
        hashes[several[at]] = number
        sharing[several[at]] |= number != NOWHERE
    return total


@part
def root(parents: Indices, i: int) -> int:
    """The head of the tree that i is in, halving the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@part
def join(parents: Indices, i: int, j: int) -> int:
    """Make one tree of two, headed by the lower number."""
    a, b = root(parents, i), root(parents, j)
    low, high = min(a, b), max(a, b)
    parents[high] = low
    return low


@compiled
def components(buckets: Indices, n_buckets: int, parents: Indices) -> None:
    """Join the forms that share a bucket, directly or through others: `parents` holds the first form of each component."""
    first = np.full(n_buckets, -1, np.int32)
    for form in range(len(buckets)):
        parents[form] = form
        for bucket in buckets[form]:
            if bucket >= 0:
                if first[bucket] < 0:
                    first[bucket] = form
                else:
                    join(parents, first[bucket], form)
    for form in range(len(buckets)):
        parents[form] = root(parents, form)
