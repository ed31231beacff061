"""The inner loops over pairs: how similar two contents truly are, who stays, who belongs together.

A *form* is a normalised text; contents of one form have the same bands and shingles. Forms and contents are numbered in
the order of the survivor policy, so the lower number goes first everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.band_kernels import join, root
from curation.deduplication.digest_index import slot_of
from curation.deduplication.lanes import is_among_four

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_ZERO, _ONE, _LOW, _ALL = (np.uint64(n) for n in (0, 1, 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF))
STRETCH = 32
"""Hashes that are looked up before it is asked whether to go on."""
ROUNDED = 1 - 1e-9
"""A bound is never so near to the threshold that rounding decides."""


@kernel
def bucket_numbers(bands: npt.NDArray[np.uint32], has_bands: Flags, buckets: Indices, table: Hashes) -> int:
    """Number the buckets of two or more forms: `buckets` gets one number per form and band, -1 where it is alone.

    `table` is room: `slots_for` as many forms. In it stands a hash, and beneath it how many forms have it, then the number of
    its bucket.
    """
    n, width = bands.shape
    size, total = len(table), 0
    for band in range(width):
        table[:] = 0
        for form in range(n):
            if not has_bands[form]:
                buckets[form, band] = -1
                continue
            key = np.uint64(bands[form, band])
            slot = slot_of(key, size)
            while table[slot] != 0 and table[slot] >> np.uint64(32) != key:
                slot = (slot + 1) & (size - 1)
            table[slot] = (key << np.uint64(32)) | ((table[slot] & _LOW) + np.uint64(1))
            buckets[form, band] = slot
        for slot in range(size):
            if table[slot] & _LOW > np.uint64(1):
                total += 1
                table[slot] = np.uint64(total)
            else:
                table[slot] = 0
        for form in range(n):
            if buckets[form, band] >= 0:
                buckets[form, band] = np.int64(table[buckets[form, band]]) - 1
    return total


@piece
def jaccard(a: Hashes, b: Hashes) -> float:
    """The Jaccard similarity of two sets, given as sorted arrays; 0 for two empty ones."""
    i, j, common = 0, 0, 0
    while i < len(a) and j < len(b):
        x, y = a[i], b[j]
        common += x == y
        i += x <= y
        j += y <= x
    union = len(a) + len(b) - common
    return common / union if union else 0.0


def table_of(most: int) -> Hashes:
    """Room for a table of that many hashes."""
    return np.empty(4 << max(4, (most - 1).bit_length()), np.uint64)


@piece
def fill_table(hashes: Hashes, begin: int, size: int, table: Hashes) -> np.uint64:
    """Put hashes[begin : begin + size] into rows of four: into the row that its highest bits name, or behind it where that is
    full; the rest are zeros. How far a hash is to be shifted to name its row, of which there are no fewer than hashes."""
    end, shift = 64, np.uint64(60)
    while end < 4 * size:
        end, shift = 2 * end, shift - _ONE
    for place in range(end):
        table[place] = 0
    for i in range(begin, begin + size):
        at = np.int64(hashes[i] >> shift) * 4
        while table[at] != 0:
            at = (at + 1) & (end - 1)
        table[at] = hashes[i]
    return shift


@piece
def count_found(hashes: Hashes, begin: int, size: int, table: Hashes, shift: np.uint64, least: int) -> int:
    """How many of hashes[begin : begin + size] are in a table; or fewer than `least`, as soon as it is certain that they are.

    No step waits for the one before it, as in a merge, and hardly a branch has to be foreseen: few rows are full.
    """
    found, last, at, behind = 0, np.int64(_ALL >> shift), begin, begin + size
    while at < behind and found + behind - at >= least:
        stop = min(at + STRETCH, behind)
        for i in range(at, stop):
            row = np.int64(hashes[i] >> shift)
            is_there = is_among_four(table, row, hashes[i])
            while (not is_there) & (table[4 * row + 3] != 0):  # one branch, that is hardly ever taken
                row = (row + 1) & last
                is_there = is_among_four(table, row, hashes[i])
            found += is_there
        at = stop
    return found


@piece
def can_reach(a: int, b: int, threshold: float) -> bool:
    """Whether sets of these sizes can be as similar as the threshold: as one is that lies in the other, by the same division as
    what is measured, whose rounding keeps the order of quotients."""
    smaller, larger = min(a, b), max(a, b)
    return larger > 0 and smaller / larger >= threshold


@piece
def meet(
    form: int,
    row: int,
    rows: Indices,
    forms: Indices,
    buckets: Indices,
    heads: Indices,
    following: Indices,
    looked_at: Indices,
    sizes: Ints,
    threshold: float,
    pairs: Indices,
    n: int,
) -> int:
    """List from pairs[n] on the content `row` with each kept one that shares a bucket with its form, and whose set is of a size
    that may be near; how many pairs there are."""
    for band in range(buckets.shape[1]):
        bucket = buckets[form, band]
        at = heads[bucket] if bucket >= 0 else -1
        while at >= 0:
            there = forms[rows[at]]
            if looked_at[there] != row:
                looked_at[there] = row
                if can_reach(sizes[form], sizes[there], threshold):
                    pairs[n, 0], pairs[n, 1] = row, rows[at]
                    n += 1
            at = following[at, band]
    return n


@piece
def leave_near(
    form: int,
    forms: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
    table: Hashes,
    threshold: float,
    pairs: Indices,
    measured: Floats,
    first: int,
    n: int,
) -> int:
    """Measure how similar the pairs[first:n] of one content are, and leave those that reach the threshold; how many pairs
    there are then."""
    left, shift = first, _ZERO
    if first < n:
        shift = fill_table(shingles, starts[form], sizes[form], table)
    for pair in range(first, n):
        there = forms[pairs[pair, 1]]
        both = sizes[form] + sizes[there]
        least = int(threshold * both / (1.0 + threshold)) - 1  # one fewer, for rounding
        common = count_found(shingles, starts[there], sizes[there], table, shift, least)
        union = both - common
        similar = common / union if union else 0.0
        if similar >= threshold:
            pairs[left, 0], pairs[left, 1], measured[left] = pairs[pair, 0], pairs[pair, 1], similar
            left += 1
    return left


@piece
def nearest(pairs: Indices, measured: Floats, first: int, n: int) -> int:
    """Which of pairs[first:n] is the most similar, and of such the one whose kept content goes first; `first`, if there is none."""
    best = first
    for pair in range(first + 1, n):
        is_as_near = measured[pair] == measured[best] and pairs[pair, 1] < pairs[best, 1]
        best = pair if measured[pair] > measured[best] or is_as_near else best
    return best


@kernel
def elect(
    begin: int,
    rows: Indices,
    forms: Indices,
    buckets: Indices,
    heads: Indices,
    following: Indices,
    kept_of_form: Indices,
    looked_at: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
    table: Hashes,
    threshold: float,
    kept: Indices,
    similarity: Floats,
    pairs: Indices,
    measured: Floats,
) -> tuple[int, int]:
    """Decide on the contents rows[begin:], in order: who is kept (`kept[i]` stays -1), or in whose stead i is dropped.

    Form f has the shingles shingles[starts[f] : starts[f] + sizes[f]]. The pairs that reach the threshold, a content and a
    kept one before it, and how similar each is, are written to `pairs` and `measured`, of more room than there are rows. Returns
    where to go on, when that may not do for the next content, and how many pairs there are.

    In each bucket the kept contents are a list: the place in `rows` of the last of them is in `heads`, and of the one before it
    in `following`. `heads` (for each bucket), `kept_of_form` and `looked_at` (for each form) begin as -1. `table` has room
    for the largest set.
    """
    n = 0
    for at in range(begin, len(rows)):
        if n + at > len(pairs):
            return at, n
        row, first = rows[at], n
        form = forms[row]
        if kept_of_form[form] >= 0:
            kept[row], similarity[row] = kept_of_form[form], 1.0
            continue
        n = meet(form, row, rows, forms, buckets, heads, following, looked_at, sizes, threshold, pairs, first)
        n = leave_near(form, forms, starts, sizes, shingles, table, threshold, pairs, measured, first, n)
        if n > first:
            best = nearest(pairs, measured, first, n)
            kept[row], similarity[row] = pairs[best, 1], measured[best]
            continue
        kept_of_form[form] = row
        for band in range(buckets.shape[1]):
            bucket = buckets[form, band]
            if bucket >= 0:
                following[at, band] = heads[bucket]
                heads[bucket] = at
    return len(rows), n


class GroupRoom(NamedTuple):
    """Of each bucket the first of its groups, -1 at first; of each entry the next group, the first member, the form and the
    next one of the group; and of each form the last one that looked at it, -1 at first."""

    heads: Indices
    next_group: Indices
    first_member: Indices
    member: Indices
    next_member: Indices
    looked_at: Indices


def group_room(buckets: Indices, n_buckets: int) -> GroupRoom:
    """Room for the groups of these forms."""
    one, two, three, four = (np.empty(buckets.size, np.int32) for _ in range(4))
    return GroupRoom(np.full(n_buckets, -1, np.int32), one, two, three, four, np.full(len(buckets), -1, np.int32))


@kernel
def group(
    buckets: Indices, starts: Ints, sizes: Ints, shingles: Hashes, threshold: float, room: GroupRoom, parents: Indices
) -> None:
    """Join all forms that share a bucket and reach the threshold: `parents` holds the first form of each group.

    Each bucket keeps its forms by group, and a form is compared with a group until one of it is similar, so that many
    copies of one text cost one comparison each.
    """
    n, width = buckets.shape
    heads, next_group, first_member, member, next_member, looked_at = room
    entries = 0
    for form in range(n):
        parents[form] = form
        own = shingles[starts[form] : starts[form] + sizes[form]]
        for band in range(width):
            bucket = buckets[form, band]
            if bucket < 0:
                continue
            home, entry = -1, heads[bucket]
            while entry >= 0:
                at = first_member[entry]
                joined = root(parents, member[at]) == root(parents, form)
                while at >= 0 and not joined:
                    other = member[at]
                    at = next_member[at]
                    if looked_at[other] == form:
                        continue
                    looked_at[other] = form
                    if not can_reach(len(own), sizes[other], threshold):
                        continue
                    if jaccard(own, shingles[starts[other] : starts[other] + sizes[other]]) >= threshold:
                        join(parents, other, form)
                        joined = True
                home = entry if joined else home
                entry = next_group[entry]
            member[entries] = form
            if home >= 0:
                next_member[entries], first_member[home] = first_member[home], entries
            else:
                next_member[entries], first_member[entries] = -1, entries
                next_group[entries], heads[bucket] = heads[bucket], entries
            entries += 1
    for form in range(n):
        parents[form] = root(parents, form)


@kernel
def mark_sharing(
    wanted: npt.NDArray[np.uint32], bands: npt.NDArray[np.uint32], has_bands: Flags, sharing: Flags, table: Hashes
) -> None:
    """Mark the rows of `bands` that share a band with a row of `wanted`. `table` begins as zeros, `slots_for` all in `wanted`;
    what it then holds may stay for more rows."""
    n, width = wanted.shape
    size = len(table)
    for i in range(n):
        for band in range(width):
            key = np.uint64(band + 1) << np.uint64(32) | np.uint64(wanted[i, band])
            slot = slot_of(key, size)
            while table[slot] != 0 and table[slot] != key:
                slot = (slot + 1) & (size - 1)
            table[slot] = key
    for row in range(len(bands)):
        if not has_bands[row] or sharing[row]:
            continue
        for band in range(width):
            key = np.uint64(band + 1) << np.uint64(32) | np.uint64(bands[row, band])
            slot = slot_of(key, size)
            while table[slot] != 0 and table[slot] != key:
                slot = (slot + 1) & (size - 1)
            if table[slot] == key:
                sharing[row] = True
                break
