"""The inner loops over a region: who is in which bucket, who must be read, and who stays.

Contents are numbered in the order of the survivor policy, so the lower number goes first everywhere. Each normalised text
is a bucket too, in the last column.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, kernel, piece

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@compiled
def number_buckets(forms: Indices, n_forms: int, buckets: Indices, n_buckets: int) -> int:
    """Fill the last column of `buckets`: a number from `n_buckets` on for each form of several contents, -1 for others."""
    counts = np.zeros(n_forms, np.int32)
    for form in forms:
        counts[form] += 1
    for form in range(n_forms):
        several = counts[form] > 1
        counts[form] = n_buckets if several else -1
        n_buckets += several
    for i in range(len(forms)):
        buckets[i, buckets.shape[1] - 1] = counts[forms[i]]
    return n_buckets


@compiled
def list_members(buckets: Indices, starts: Ints) -> Indices:
    """The contents of each bucket, in order, those of bucket b at [starts[b] : starts[b + 1]]; `starts` begins as zeros."""
    n, width = buckets.shape
    for i in range(n):
        for column in range(width):
            if buckets[i, column] >= 0:
                starts[buckets[i, column] + 1] += 1
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    members = np.empty(starts[len(starts) - 1], np.int32)
    for i in range(n - 1, -1, -1):
        for column in range(width):
            bucket = buckets[i, column]
            if bucket >= 0:
                starts[bucket + 1] -= 1
                members[starts[bucket + 1]] = i
    for bucket in range(len(starts) - 1):
        starts[bucket] = starts[bucket + 1]
    starts[len(starts) - 1] = len(members)
    return members


@compiled
def mark_compared(
    buckets: Indices, n_buckets: int, dirty: Flags, is_first: Flags, kept: Indices, compared: Flags
) -> None:
    """Mark those to decide that are the first of their form and share a band, and those that share it with them, as kept
    ones before or as near ones behind them."""
    n, width = buckets.shape
    earliest = np.full(n_buckets, n, np.int32)
    for i in range(n):
        if dirty[i] and is_first[i]:
            for column in range(width - 1):
                bucket = buckets[i, column]
                if bucket >= 0:
                    compared[i] = True
                    earliest[bucket] = min(earliest[bucket], i)
    for i in range(n):
        before, form = n, buckets[i, width - 1]
        for column in range(width - 1):
            if buckets[i, column] >= 0:
                before = min(before, earliest[buckets[i, column]])
        exact = kept[i] >= 0 and form >= 0 and buckets[kept[i], width - 1] == form
        compared[i] |= before < i and kept[i] >= -1 and not exact
        compared[i] |= kept[i] == -1 and before < n


@piece
def first_from(keys: Hashes, key: np.uint64) -> int:
    """The place of the first of some sorted keys that is no less; NumPy's own search costs a process SciPy's import."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


@piece
def jaccard_at(hashes: Hashes, i: int, n: int, j: int, m: int) -> float:
    """The Jaccard similarity of the sorted sets hashes[i : i + n] and hashes[j : j + m]; 0 for two empty ones."""
    i_end, j_end, common = i + n, j + m, 0
    while i < i_end and j < j_end:
        x, y = hashes[i], hashes[j]
        common += x == y
        i += x <= y
        j += y <= x
    union = n + m - common
    return common / union if union else 0.0


@kernel
def repair(
    buckets: Indices,
    bucket_starts: Ints,
    bucket_members: Indices,
    complete: Flags,
    known: Hashes,
    known_similarity: Floats,
    set_of: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
    threshold: float,
    was_kept: Flags,
    dirty: Flags,
    touched: Flags,
    kept: Indices,
    similarity: Floats,
    unread: Flags,
    unmet: Flags,
    members: Indices,
    following: Indices,
    heads: Indices,
    looked_at: Indices,
    pairs: Indices,
    measured: Floats,
) -> int:
    """Decide again on the `dirty` contents, in order, and on those that their decisions touch: dirty, touched, kept and
    similarity are brought up to date. How many `pairs` of the dirty ones there are, and of the touched ones that are new; what
    there is no room for is counted, and the pass is to be made again.

    A content whose kept one is kept no longer becomes dirty: it is compared with all kept ones that it shares a band with.
    One before which another is newly kept is touched: it need be compared with that one alone.

    Each form is a bucket too (the last column). Content i has the shingle set `set_of[i]`, or -1 where its text was not
    read; pairs of content and kept content are `known` by content << 32 | kept content, sorted. A content that cannot be
    decided is marked: `unread` where a text is missing (on both sides), `unmet` where not all are at hand that share a
    bucket with it (it is not `complete`). What lies behind it is then a guess; fill the gap and begin again.

    Work is done in `members` and `following` (twice as many as `buckets`), `heads` (for each bucket, of all that are kept
    and of those that newly are) and `looked_at` (one for each content), the latter two filled with -1.
    """
    n, width = buckets.shape
    entries, total = 0, 0
    for row in range(n):
        form = buckets[row, width - 1]
        exact = kept[row] >= 0 and form >= 0 and buckets[kept[row], width - 1] == form
        if dirty[row] or (touched[row] and not exact):
            best, highest, undecided = -1, -1.0, False
            if dirty[row]:
                unmet[row] = undecided = not complete[row]
            elif kept[row] >= 0:
                best, highest = kept[row], similarity[row]
            which = 0 if dirty[row] else 1
            entry = heads[which, form] if form >= 0 else -1
            if entry >= 0:
                best, highest, dirty[row] = members[entry], 1.0, True
            column = width - 1 if entry >= 0 or undecided else 0
            while column < width - 1:
                entry = heads[which, buckets[row, column]] if buckets[row, column] >= 0 else -1
                column += 1
                while entry >= 0:
                    other = members[entry]
                    entry = following[entry]
                    if looked_at[other] == row:
                        continue
                    looked_at[other] = row
                    key = np.uint64(row) << np.uint64(32) | np.uint64(other)
                    at = first_from(known, key)
                    a, b = set_of[row], set_of[other]
                    if at < len(known) and known[at] == key:
                        similar = known_similarity[at]
                    elif a >= 0 and b >= 0:
                        similar = jaccard_at(shingles, starts[a], sizes[a], starts[b], sizes[b])
                    else:
                        unread[row], unread[other], undecided = True, True, True
                        continue
                    if total < len(pairs):
                        pairs[total, 0], pairs[total, 1], measured[total] = row, other, similar
                    total += 1
                    if similar > highest or (similar == highest and other < best):
                        best, highest = other, similar
            stays = best < 0 or highest < threshold
            if was_kept[row] and not stays and not complete[row]:
                unmet[row] = undecided = True
            if undecided:
                continue
            kept[row], similarity[row] = (-1, 0.0) if stays else (best, highest)
            if stays != was_kept[row]:
                for column in range(width):
                    bucket = buckets[row, column]
                    if bucket < 0:
                        continue
                    for at in range(bucket_starts[bucket], bucket_starts[bucket + 1]):
                        other = bucket_members[at]
                        if other > row and stays:
                            touched[other] = True
                        elif other > row and kept[other] == row:
                            dirty[other] = True
        if kept[row] == -1:
            for column in range(width):
                bucket = buckets[row, column]
                if bucket < 0:
                    continue
                for kind in range(1 if was_kept[row] else 2):
                    members[entries], following[entries] = row, heads[kind, bucket]
                    heads[kind, bucket] = entries
                    entries += 1
    return total
