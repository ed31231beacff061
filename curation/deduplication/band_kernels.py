"""The inner loops over all contents at once: which are of one form, which share a band, and what hangs together by that.

A *form* is a normalised text; contents of one form have the same bands and shingles. Forms are numbered in the order of the
survivor policy, so the lower number goes first everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.digest_index import slot_of, slots_for

Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint32]
_ONE, _6, _32, _63 = (np.uint64(n) for n in (1, 6, 32, 63))
_LOW = np.uint64(0xFFFFFFFF)
NOWHERE = np.uint32(0xFFFFFFFF)
"""The number of no bucket; -1, if it has a sign."""


@kernel
def number_forms(order: Indices, high: Hashes, low: Hashes, form_of: Indices, first: Indices, table: Indices) -> int:
    """Number the forms of contents, whose digests are given in two halves, as they come in `order`; how many there are.

    `form_of` gets the form of each content, and `first` (as long) the first content of each form. `table` is filled with -1,
    and has a power of two of slots, more than there are contents.
    """
    mask, n = np.uint64(len(table) - 1), 0
    for content in order:
        slot = np.int64(high[content] & mask)
        while table[slot] >= 0:
            other = first[table[slot]]
            if high[other] == high[content] and low[other] == low[content]:
                break
            slot = np.int64(np.uint64(slot + 1) & mask)
        if table[slot] < 0:
            table[slot], first[n] = n, content
            n += 1
        form_of[content] = table[slot]
    return n


def scratch(n: int) -> tuple[Hashes, Hashes, Indices, Indices, Hashes]:
    """What `share_band` works in, for bands of n columns."""
    bits = min(max((8 * n - 1).bit_length(), 10), 32)
    seen, twice = (np.empty((1 << bits) // 64, np.uint64) for _ in range(2))
    several, slots = (np.empty(n, np.int32) for _ in range(2))
    return seen, twice, several, slots, np.empty(slots_for(n), np.uint64)


@kernel
def share_band(
    hashes: Words,
    asked: Flags,
    sharing: Flags,
    total: int,
    seen: Hashes,
    twice: Hashes,
    several: Indices,
    slots: Indices,
    table: Hashes,
) -> int:
    """Number, from `total` on, the buckets of two or more of the columns that are `asked`, and mark those that are in one.

    The hashes of the band are overwritten by numbers of buckets (`NOWHERE`: in none). Returns the new total.
    """
    left = leave_several(hashes, asked, seen, twice, several)
    return number_equal(hashes, several, left, slots, table, sharing, total)


@piece
def leave_several(hashes: Words, asked: Flags, seen: Hashes, twice: Hashes, several: Indices) -> int:
    """Overwrite hashes that stand alone, and list where the others stand (and a few that are alone); how many those are.

    Nearly all hashes stand alone, so two bits for each are looked at first, which stay in the processor's cache.
    """
    n_bits, left = np.uint64(64 * len(seen)), 0
    for i in range(len(seen)):
        seen[i] = twice[i] = 0
    for i in range(len(hashes)):
        if asked[i]:
            place = np.uint64(hashes[i]) * n_bits >> _32
            bit, at = np.uint64(1) << (place & _63), place >> _6
            twice[at] |= seen[at] & bit
            seen[at] |= bit
    for i in range(len(hashes)):
        place = np.uint64(hashes[i]) * n_bits >> _32
        is_left = asked[i] and twice[place >> _6] >> (place & _63) & _ONE != 0
        several[left] = i
        hashes[i] = hashes[i] if is_left else NOWHERE
        left += is_left
    return left


@piece
def number_equal(
    hashes: Words, several: Indices, n: int, slots: Indices, table: Hashes, sharing: Flags, total: int
) -> int:
    """Number, from `total` on, the groups of two or more equal hashes at several[:n], in their stead; the new total."""
    size = 16
    while size < 2 * n:
        size *= 2
    for place in range(size):  # a hash, and beneath it how many have it, then the number of its bucket
        table[place] = 0
    for at in range(n):
        key = np.uint64(hashes[several[at]])
        slot = slot_of(key, size)
        while table[slot] != 0 and table[slot] >> _32 != key:
            slot = (slot + 1) & (size - 1)
        table[slot] = (key << _32) | ((table[slot] & _LOW) + _ONE)
        slots[at] = slot
    for place in range(size):
        is_shared = table[place] & _LOW > _ONE
        table[place] = np.uint64(total if is_shared else NOWHERE)
        total += is_shared
    for at in range(n):
        number = np.uint32(table[slots[at]])
        hashes[several[at]] = number
        sharing[several[at]] |= number != NOWHERE
    return total


@piece
def root(parents: Indices, i: int) -> int:
    """The head of the tree that i is in, halving the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@piece
def join(parents: Indices, i: int, j: int) -> int:
    """Make one tree of two, headed by the lower number."""
    a, b = root(parents, i), root(parents, j)
    low, high = (a, b) if a < b else (b, a)
    parents[high] = low
    return low


@kernel
def components(buckets: Indices, first: Indices, parents: Indices) -> None:
    """Join the forms that share a bucket, directly or through others: `parents` holds the first form of each component.

    `first` is scratch, filled with -1, of a number for each bucket.
    """
    n, width = buckets.shape
    for form in range(n):
        parents[form] = form
        for band in range(width):
            bucket = buckets[form, band]
            if bucket < 0:
                continue
            if first[bucket] < 0:
                first[bucket] = form
            else:
                join(parents, first[bucket], form)
    for form in range(n):
        parents[form] = root(parents, form)
