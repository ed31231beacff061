"""The inner loops over a region: who is in which bucket, who must be read, and who stays.

Contents are numbered in the order of the survivor policy, so the lower number goes first everywhere. Each normalised text
is a bucket too, in the last column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.deduplication.digest_index import slot_of
from curation.deduplication.lanes import count_bits
from curation.deduplication.neighbour_kernels import MANY, can_reach

Ints = npt.NDArray[np.int64]
Indices = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


UNREAD = -1.0
"""The similarity of texts of which one was not read."""


@kernel
def number_buckets(forms: Indices, buckets: Indices, n_buckets: int, counts: Indices) -> int:
    """Fill the last column of `buckets`: a number from `n_buckets` on for each form of several contents, -1 for others.
    `counts` begins as a zero for each form."""
    for form in forms:
        counts[form] += 1
    for form in range(len(counts)):
        several = counts[form] > 1
        counts[form] = n_buckets if several else -1
        n_buckets += several
    for i in range(len(forms)):
        buckets[i, buckets.shape[1] - 1] = counts[forms[i]]
    return n_buckets


@kernel
def list_members(buckets: Indices, starts: Ints, members: Indices) -> int:
    """List the contents of each bucket, in order, those of bucket b at [starts[b] : starts[b + 1]]; `starts` begins as zeros.
    How many there are; `members` has room for as many as `buckets` has."""
    n, width = buckets.shape
    for i in range(n):
        for column in range(width):
            if buckets[i, column] >= 0:
                starts[buckets[i, column] + 1] += 1
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    total = int(starts[len(starts) - 1])
    for i in range(n - 1, -1, -1):
        for column in range(width):
            bucket = buckets[i, column]
            if bucket >= 0:
                starts[bucket + 1] -= 1
                members[starts[bucket + 1]] = i
    for bucket in range(len(starts) - 1):
        starts[bucket] = starts[bucket + 1]
    starts[len(starts) - 1] = total
    return total


@piece
def may_be_near(odd: Hashes, n_shingles: Ints, i: int, j: int, threshold: float) -> bool:
    """Whether texts can be as similar as the threshold, given their odd sketches."""
    differing = 0
    for k in range(odd.shape[1]):
        differing += count_bits(odd[i, k] ^ odd[j, k])
    return bool(can_reach(n_shingles[i] + n_shingles[j], differing, threshold))


@kernel
def mark_compared(
    starts: Ints,
    members: Indices,
    buckets: Indices,
    dirty: Flags,
    is_first: Flags,
    kept: Indices,
    compared: Flags,
    odd: Hashes,
    n_shingles: Ints,
    threshold: float,
    wanted: Flags,
) -> None:
    """Mark those whose similarity will be asked for: one to decide that is the first of its form, and one that may be near
    to it and is to be decided too, or is a kept one before it. In a bucket of many, each is taken to be near to one.

    What is marked needlessly is read needlessly, and what is missed is found to be missing: those behind one that stays.
    """
    form = buckets.shape[1] - 1
    for bucket in range(len(starts) - 1):
        own = members[starts[bucket] : starts[bucket + 1]]
        if len(own) == 0 or buckets[own[0], form] == bucket:
            continue
        for a in range(len(own)):
            i = own[a]
            if not (dirty[i] and is_first[i]):
                continue
            for b in range(len(own) if len(own) <= MANY or not wanted[i] else 0):
                j = own[b]
                if i == j or (wanted[i] and wanted[j]):
                    continue
                matters = is_first[j] if dirty[j] else kept[j] == -1 and j < i and not compared[i]
                if matters and (len(own) > MANY or may_be_near(odd, n_shingles, i, j, threshold)):
                    wanted[i], wanted[j] = True, True


class Known(NamedTuple):
    """Pairs of contents, the higher number << 32 | that of a kept one; how similar they are; and a table of `slots_for` their
    places, -1 elsewhere."""

    pairs: Hashes
    similarity: Floats
    table: Indices


@piece
def slot_of_pair(pair: np.uint64, known: Known) -> int:
    """The slot of the table that holds the place of a pair, or would."""
    slot = slot_of(pair, len(known.table))
    while known.table[slot] >= 0 and known.pairs[known.table[slot]] != pair:
        slot = (slot + 1) & (len(known.table) - 1)
    return slot


@kernel
def fill_known(known: Known) -> None:
    """Fill a table of -1; of a pair that comes more than once, each time as similar, the first counts."""
    for at in range(len(known.pairs)):
        slot = slot_of_pair(known.pairs[at], known)
        if known.table[slot] < 0:
            known.table[slot] = at


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


@piece
def similarity_of(
    i: int,
    j: int,
    known: Known,
    apart: bool,
    odd: Hashes,
    n_shingles: Ints,
    threshold: float,
    set_of: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
) -> float:
    """How similar i is to a kept j before it: known, or measured; 0 where it is below the threshold, as of those known to be
    `apart` if it is not known otherwise, and UNREAD where a text is missing."""
    at = known.table[slot_of_pair(np.uint64(i) << np.uint64(32) | np.uint64(j), known)]
    if at >= 0:
        return float(known.similarity[at])
    if apart or not may_be_near(odd, n_shingles, i, j, threshold):
        return 0.0
    a, b = set_of[i], set_of[j]
    return float(jaccard_at(shingles, starts[a], sizes[a], starts[b], sizes[b])) if a >= 0 and b >= 0 else UNREAD


@piece
def touch(
    i: int,
    stays: bool,
    buckets: Indices,
    bucket_starts: Ints,
    bucket_members: Indices,
    kept: Indices,
    dirty: Flags,
    touched: Flags,
) -> None:
    """Mark those behind one that newly stays, and of those behind one that stays no longer the ones that it stood for."""
    for bucket in buckets[i]:
        for at in range(bucket_starts[bucket], bucket_starts[bucket + 1]) if bucket >= 0 else range(0):
            other = bucket_members[at]
            if other > i and stays:
                touched[other] = True
            elif other > i and kept[other] == i:
                dirty[other] = True


@piece
def enlist(
    i: int, kinds: int, entries: int, buckets: Indices, members: Indices, following: Indices, heads: Indices
) -> int:
    """Put a kept one at the head of the lists of its buckets, of the first list or of both; how many entries there are then."""
    for bucket in buckets[i]:
        for kind in range(kinds if bucket >= 0 else 0):
            members[entries], following[entries] = i, heads[kind, bucket]
            heads[kind, bucket] = entries
            entries += 1
    return entries


@kernel
def repair(
    buckets: Indices,
    bucket_starts: Ints,
    bucket_members: Indices,
    complete: Flags,
    paired: Flags,
    followed: Flags,
    known: Known,
    set_of: Indices,
    starts: Ints,
    sizes: Ints,
    shingles: Hashes,
    odd: Hashes,
    n_shingles: Ints,
    threshold: float,
    was_kept: Flags,
    compared: Flags,
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
    similarity are brought up to date. How many `pairs` of the dirty ones reach the threshold, and of the touched ones that
    are new; what there is no room for is counted, and the pass is to be made again.

    A content whose kept one is kept no longer becomes dirty: it is compared with all kept ones that it shares a band with.
    One before which another is newly kept is touched: it need be compared with that one alone.

    Each form is a bucket too (the last column). Content i has the shingle set `set_of[i]`, or -1 where its text was not read; some
    pairs of content and kept content are `known`. Those that were `compared` before are not near to any other that was kept
    then, nor are those to each other whose odd sketches say so. A content that cannot be decided is marked: `unread` where a text
    is missing (on both sides), `unmet` where not all are at hand that matter: to decide, those that share a bucket with it (it
    is `complete`), or the pairs of one that was compared (`paired`), for all that are newly kept are complete; to stay, those
    behind it; to stay no longer, those for which it stood (`followed`). What lies behind it is then a guess; fill the gap and
    begin again.

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
                unmet[row] = undecided = not (complete[row] or (paired[row] and compared[row]))
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
                    apart = compared[row] and was_kept[other]
                    similar = similarity_of(
                        row,
                        other,
                        known,
                        apart,
                        odd,
                        n_shingles,
                        threshold,
                        set_of,
                        starts,
                        sizes,
                        shingles,
                    )
                    if similar == UNREAD:
                        unread[row], unread[other], undecided = True, True, True
                    if similar < threshold:
                        continue
                    if total < len(pairs):
                        pairs[total, 0], pairs[total, 1], measured[total] = row, other, similar
                    total += 1
                    if similar > highest or (similar == highest and other < best):
                        best, highest = other, similar
            stays = best < 0
            if stays != was_kept[row] and not (complete[row] or (was_kept[row] and followed[row])):
                unmet[row] = undecided = True
            if undecided:
                continue
            kept[row], similarity[row] = (-1, 0.0) if stays else (best, highest)
            if stays != was_kept[row]:
                touch(row, stays, buckets, bucket_starts, bucket_members, kept, dirty, touched)
        if kept[row] == -1:
            entries = enlist(row, 1 if was_kept[row] else 2, entries, buckets, members, following, heads)
    return total
