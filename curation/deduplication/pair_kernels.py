"""The inner loops over pairs: how similar two contents truly are, who stays, who belongs together.

A *form* is a normalised text; contents of one form have the same bands and shingles. Forms and contents are numbered in
the order of the survivor policy, so the lower number goes first everywhere.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, part
from curation.deduplication.band_kernels import join, root
from curation.deduplication.lanes import is_among_four

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_LOW = np.uint64(0xFFFFFFFF)
ROUNDED = 1 - 1e-9
"""A bound is never so near to the threshold that rounding decides."""


@compiled
def bucket_numbers(bands: npt.NDArray[np.uint32], has_bands: npt.NDArray[np.bool_], buckets: Indices) -> int:
    """Number the buckets of two or more forms: `buckets` gets one number per form and band, -1 where it is alone."""
    n, width = bands.shape
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.empty(size, np.uint64)  # a hash, and beneath it how many forms have it, then the number of its bucket
    total = 0
    for band in range(width):
        table[:] = 0
        for form in range(n):
            if not has_bands[form]:
                buckets[form, band] = -1
                continue
            key = np.uint64(bands[form, band])
            slot = int(np.int64(key * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(32))) & (size - 1)
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


@part
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


@part
def filled_table(values: Hashes) -> Hashes:
    """A table of rows of four, in which each hash stands in the row that its highest bits name; the rest are zeros.

    As many rows as there are hashes, at least; more where five would meet in one.
    """
    bits = 4
    while 1 << bits < len(values):
        bits += 1
    while True:
        table, full, shift = np.zeros((1 << bits, 4), np.uint64), False, np.uint64(64 - bits)
        for value in values:
            row = table[int(np.int64(value >> shift))]
            at = 0
            while at < 4 and row[at] != 0:
                at += 1
            full |= at == 4
            row[min(at, 3)] = value
        if not full:
            return table
        bits += 1


@part
def count_found(values: Hashes, table: Hashes) -> int:
    """How many of some hashes are in a table made by `filled_table`.

    No step waits for the one before it, as in a merge, and no branch has to be foreseen.
    """
    bits, found = 0, 0
    while 1 << bits < len(table):
        bits += 1
    shift = np.uint64(64 - bits)
    for value in values:
        found += is_among_four(table, np.int64(value >> shift), value)
    return found


@part
def can_reach(a: int, b: int, threshold: float) -> bool:
    """Whether sets of these sizes can be as similar as the threshold."""
    return min(a, b) >= threshold * max(a, b)


@compiled
def elect(
    rows: Indices,
    forms: Indices,
    buckets: Indices,
    heads: Indices,
    kept_of_form: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
    threshold: float,
    kept: Indices,
    similarity: Floats,
) -> tuple[Indices, Floats]:
    """Decide on the contents `rows`, in order: who is kept (`kept[i]` = -1), or in whose stead i is dropped.

    Form f has the shingles shingles[starts[f] : starts[f] + sizes[f]]. `heads` (-1 for each bucket) and `kept_of_form`
    (-1 for each form) are filled. Returns the pairs that reach the threshold, a content and a kept one before it, and
    how similar each is.
    """
    width = buckets.shape[1]
    members, following = np.empty(len(rows) * width, np.int32), np.empty(len(rows) * width, np.int32)
    looked_at = np.full(len(kept_of_form), -1, np.int32)
    pairs: Indices = np.empty((64, 2), np.int32)
    measured: Floats = np.empty(64, np.float64)
    entries, n = 0, 0
    table: Hashes = np.zeros((0, 4), np.uint64)
    for row in rows:
        form = forms[row]
        best, highest = kept_of_form[form], 1.0
        if best < 0:
            highest = -1.0
            own, is_filled = shingles[starts[form] : starts[form] + sizes[form]], False
            for bucket in buckets[form]:
                entry = heads[bucket] if bucket >= 0 else -1
                while entry >= 0:
                    other = members[entry]
                    entry = following[entry]
                    there = forms[other]
                    if looked_at[there] == row:
                        continue
                    looked_at[there] = row
                    if not can_reach(len(own), sizes[there], threshold * ROUNDED):
                        continue
                    if not is_filled:
                        table, is_filled = filled_table(own), True
                    common = count_found(shingles[starts[there] : starts[there] + sizes[there]], table)
                    union = len(own) + sizes[there] - common
                    similar = common / union if union else 0.0
                    if similar < threshold:
                        continue
                    if n == len(pairs):
                        pairs = np.concatenate((pairs, np.empty_like(pairs)))
                        measured = np.concatenate((measured, np.empty_like(measured)))
                    pairs[n, 0], pairs[n, 1], measured[n] = row, other, similar
                    n += 1
                    if similar > highest or (similar == highest and other < best):
                        best, highest = other, similar
        if best >= 0:
            kept[row], similarity[row] = best, highest
            continue
        kept[row] = -1
        kept_of_form[form] = row
        for bucket in buckets[form]:
            if bucket >= 0:
                members[entries], following[entries] = row, heads[bucket]
                heads[bucket] = entries
                entries += 1
    return pairs[:n], measured[:n]


@compiled
def group(
    buckets: Indices, n_buckets: int, starts: Ints, sizes: Ints, shingles: Hashes, threshold: float, parents: Indices
) -> None:
    """Join all forms that share a bucket and reach the threshold: `parents` holds the first form of each group.

    Each bucket keeps its forms by group, and a form is compared with a group until one of it is similar, so that many
    copies of one text cost one comparison each.
    """
    n, width = buckets.shape
    heads = np.full(n_buckets, -1, np.int32)
    next_group, first_member = np.empty(n * width, np.int32), np.empty(n * width, np.int32)
    member, next_member = np.empty(n * width, np.int32), np.empty(n * width, np.int32)
    looked_at = np.full(n, -1, np.int32)
    entries = 0
    for form in range(n):
        parents[form] = form
        own = shingles[starts[form] : starts[form] + sizes[form]]
        for bucket in buckets[form]:
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


@compiled
def mark_sharing(
    wanted: npt.NDArray[np.uint32], bands: npt.NDArray[np.uint32], has_bands: npt.NDArray[np.bool_], sharing: Flags
) -> None:
    """Mark the rows of `bands` that share a band with a row of `wanted`."""
    n, width = wanted.shape
    size = 16
    while size < 4 * n * width:
        size *= 2
    table = np.zeros(size, np.uint64)
    for i in range(n):
        for band in range(width):
            key = np.uint64(band + 1) << np.uint64(32) | np.uint64(wanted[i, band])
            slot = int((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (size - 1)
            while table[slot] != 0 and table[slot] != key:
                slot = (slot + 1) & (size - 1)
            table[slot] = key
    for row in range(len(bands)):
        if not has_bands[row] or sharing[row]:
            continue
        for band in range(width):
            key = np.uint64(band + 1) << np.uint64(32) | np.uint64(bands[row, band])
            slot = int((key * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & (size - 1)
            while table[slot] != 0 and table[slot] != key:
                slot = (slot + 1) & (size - 1)
            if table[slot] == key:
                sharing[row] = True
                break
