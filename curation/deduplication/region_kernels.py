"""The inner loops over a region: who is in which bucket, who must be read, and who stays.

Contents are numbered in the order of the survivor policy, so the lower number goes first everywhere. Each normalised text
is a bucket too, in the last column.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, part
from curation.deduplication.pair_kernels import jaccard

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
    for row in buckets:
        for bucket in row:
            if bucket >= 0:
                starts[bucket + 1] += 1
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    members = np.empty(starts[len(starts) - 1], np.int32)
    for i in range(len(buckets) - 1, -1, -1):
        for bucket in buckets[i]:
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
            for bucket in buckets[i, : width - 1]:
                if bucket >= 0:
                    compared[i] = True
                    earliest[bucket] = min(earliest[bucket], i)
    for i in range(n):
        before, form = n, buckets[i, width - 1]
        for bucket in buckets[i, : width - 1]:
            if bucket >= 0:
                before = min(before, earliest[bucket])
        exact = kept[i] >= 0 and form >= 0 and buckets[kept[i], width - 1] == form
        compared[i] |= before < i and kept[i] >= -1 and not exact
        compared[i] |= kept[i] == -1 and before < n


@part
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


@compiled
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
) -> tuple[Indices, Floats]:
    """Decide again on the `dirty` contents, in order, and on those that their decisions touch: dirty, touched, kept and
    similarity are brought up to date. Returns the pairs of the dirty ones, and those of the touched ones that are new.

    A content whose kept one is kept no longer becomes dirty: it is compared with all kept ones that it shares a band with.
    One before which another is newly kept is touched: it need be compared with that one alone.

    Each form is a bucket too (the last column). Content i has the shingle set `set_of[i]`, or -1 where its text was not
    read; pairs of content and kept content are `known` by content << 32 | kept content, sorted. A content that cannot be
    decided is marked: `unread` where a text is missing (on both sides), `unmet` where not all are at hand that share a
    bucket with it (it is not `complete`). What lies behind it is then a guess; fill the gap and begin again.
    """
    n, width = buckets.shape
    n_buckets = len(bucket_starts) - 1
    members, following = np.empty(2 * n * width, np.int32), np.empty(2 * n * width, np.int32)
    heads = np.full((2, n_buckets), -1, np.int32)  # of all that are kept, and of those that newly are
    looked_at = np.full(n, -1, np.int32)
    pairs: Indices = np.empty((64, 2), np.int32)
    measured: Floats = np.empty(64, np.float64)
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
            among = heads[0] if dirty[row] else heads[1]
            entry = among[form] if form >= 0 else -1
            if entry >= 0:
                best, highest, dirty[row] = members[entry], 1.0, True
            column = width - 1 if entry >= 0 or undecided else 0
            while column < width - 1:
                entry = among[buckets[row, column]] if buckets[row, column] >= 0 else -1
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
                        similar = jaccard(
                            shingles[starts[a] : starts[a] + sizes[a]], shingles[starts[b] : starts[b] + sizes[b]]
                        )
                    else:
                        unread[row], unread[other], undecided = True, True, True
                        continue
                    if total == len(pairs):
                        pairs = np.concatenate((pairs, np.empty_like(pairs)))
                        measured = np.concatenate((measured, np.empty_like(measured)))
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
                for bucket in buckets[row]:
                    if bucket < 0:
                        continue
                    for at in range(bucket_starts[bucket], bucket_starts[bucket + 1]):
                        other = bucket_members[at]
                        if other > row and stays:
                            touched[other] = True
                        elif other > row and kept[other] == row:
                            dirty[other] = True
        if kept[row] == -1:
            for bucket in buckets[row]:
                if bucket < 0:
                    continue
                for which in range(1 if was_kept[row] else 2):
                    members[entries], following[entries] = row, heads[which, bucket]
                    heads[which, bucket] = entries
                    entries += 1
    return pairs[:total], measured[:total]
