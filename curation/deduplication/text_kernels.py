"""The inner loops over text: UTF-8 bytes in; words, shingles and sketches out.

They read Arrow's buffers as they are (no Python strings), take any bytes (what is no UTF-8 is part of no word), and
hold no more than a fixed block of a text at a time, however long it is. Where the words of ASCII are is seen for 64
bytes at once.

The sketch is one-permutation hashing (Li, Owen and Zhang, NIPS 2012): one hash of each shingle says which bin it falls
in and how it ranks there, and a bin keeps the lowest. A bin that got none borrows from one that did, by an order of
preference fixed for each bin beforehand (optimal densification: Shrivastava, ICML 2017), so that two bins agree with a
chance of exactly the Jaccard similarity, as in MinHash, for one hash a shingle instead of 126.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, part
from curation.copying import copy
from curation.deduplication.lanes import LANES, decode, eight_bytes, first_bits, lowered, lowest_bit, multiplied

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Ranks = npt.NDArray[np.uint32]
Places = npt.NDArray[np.uint16]

BLOCK = 4096
"""Words that are looked at together."""
ROOM = 4 * BLOCK
"""Bytes of lower-cased text that are held at a time."""
EMPTY = np.uint32(0xFFFFFFFF)
_BASIS = np.uint64(0x243F6A8885A308D3)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ONE, _27, _30, _31, _32 = (np.uint64(n) for n in (1, 27, 30, 31, 32))
_RANK = np.uint64(0x7FFFFFFF)


@part
def mixed(x: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64: every bit of x reaches every bit of the result."""
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)


@part
def beginning(low: Bytes, at: int, n: int) -> np.uint64:
    """The first n bytes, eight at most, of low[at:], as one number."""
    return np.uint64(eight_bytes(low, at) & first_bits(8 * max(n, 0)))


@part
def word_hash(low: Bytes, begin: int, end: int, state: np.uint64, absorbed: int) -> np.uint64:
    """The hash of a word whose last bytes are low[begin:end], after `absorbed` bytes that went into the state.

    Of two multiplied numbers both halves (as in wyhash; Wang, 2019); up to 16 bytes cost one multiplication.
    """
    length = absorbed + end - begin
    while end - begin > 16:
        state = multiplied(state ^ eight_bytes(low, begin), _PRIME ^ eight_bytes(low, begin + 8))
        begin += 16
    first, second = beginning(low, begin, end - begin), beginning(low, begin + 8, end - begin - 8)
    return np.uint64(multiplied(state ^ first, _MIX_1 ^ second ^ np.uint64(length) * _MIX_2))


@part
def put(low: Bytes, end: int, point: int) -> int:
    """Write a code point to low[end:] as UTF-8; the new end."""
    if point < 0x80:
        low[end] = point
        return end + 1
    size = 2 if point < 0x800 else 3 if point < 0x10000 else 4
    for j in range(size - 1, 0, -1):
        low[end + j] = 0x80 | (point & 0x3F)
        point >>= 6
    low[end] = (0xF00 >> size & 0xFF) | point
    return end + size


@part
def words(
    data: Bytes,
    start: int,
    stop: int,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    low: Bytes,
    held: Hashes,
    out: Hashes,
) -> tuple[int, int]:
    """Hash the words of a text, in lower case, into `out` until that is nearly full: (where to go on, how many words).

    `low` is scratch of ROOM bytes. A word that goes on behind the end of a call is `held`: the bytes of it in `low`,
    those before them, and their hash; zeros where a text begins.
    """
    i, n, end, absorbed, state = start, 0, int(np.int64(held[0])), int(np.int64(held[1])), held[2]
    begin = 0 if end + absorbed > 0 else -1
    state = state if begin == 0 else _BASIS
    while i < stop and n + LANES // 2 + 2 <= len(out):
        if end > ROOM - 3 * LANES:
            if begin >= 0:
                while end - begin > 16:
                    state = multiplied(state ^ eight_bytes(low, begin), _PRIME ^ eight_bytes(low, begin + 8))
                    begin += 16
                    absorbed += 16
                rest = end - begin
                for j in range(rest):
                    low[j] = low[begin + j]
                begin, end = 0, rest
            else:
                end = 0
        size = min(LANES, stop - i)
        if i + LANES <= len(data):
            beyond, of_words = lowered(data, i, low, end)
        else:
            copy(data, i, stop, low, end)
            beyond, of_words = lowered(low, end, low, end)
        near = min(size, lowest_bit(beyond))
        of_words &= first_bits(near)
        edges = of_words ^ (of_words << _ONE | (_ONE if begin >= 0 else np.uint64(0)))
        edges &= first_bits(near)
        if begin >= 0 and edges != 0:
            out[n] = word_hash(low, begin, end + lowest_bit(edges), state, absorbed)
            n += 1
            begin, state, absorbed = -1, _BASIS, 0
            edges &= edges - _ONE
        while edges != 0:
            first = lowest_bit(edges)
            edges &= edges - _ONE
            if edges == 0:
                begin = end + first
                break
            out[n] = word_hash(low, end + first, end + lowest_bit(edges), _BASIS, 0)
            n += 1
            edges &= edges - _ONE
        end += near
        i += near
        ahead = min(stop, i + LANES // 2) if near < size else i
        while i < ahead and data[i] >= 128:
            point, width = decode(data, i, stop)
            fold = int(folds[point]) if 0 <= point < len(folds) else 0
            i += width
            if fold == 0:
                if begin >= 0:
                    out[n] = word_hash(low, begin, end, state, absorbed)
                    n += 1
                begin, state, absorbed = -1, _BASIS, 0
                continue
            begin = end if begin < 0 else begin
            if fold > 0:
                end = put(low, end, fold)
            else:
                for part in expansions[-fold]:
                    if part:
                        end = put(low, end, part)
            if end > ROOM - 3 * LANES or n + 2 >= len(out):
                break
    held[:] = 0
    if begin >= 0 and i >= stop:
        out[n] = word_hash(low, begin, end, state, absorbed)
        n += 1
    elif begin >= 0:
        for j in range(end - begin):
            low[j] = low[begin + j]
        held[0], held[1], held[2] = end - begin, absorbed, state
    return i, n


@part
def shingle(block: Hashes, n: int, multipliers: Hashes, out: Hashes, at: int) -> int:
    """Hash the shingles of the first n words of a block into out[at:]; the new end.

    Fewer words than a shingle has, but at least one, are one shingle.
    """
    width = min(n, len(multipliers))
    if width == 0:
        return at
    count = n - width + 1
    made = out[at : at + count]
    for i in range(count):
        made[i] = np.uint64(width)
    for j in range(width):
        factor, shifted = multipliers[j], block[j : j + count]
        for i in range(count):
            made[i] += shifted[i] * factor
    for i in range(count):
        made[i] = mixed(made[i])
    return at + count


@part
def sort_distinct(values: Hashes, scratch: Hashes, counts: Ints) -> int:
    """Sort hashes, and drop the repeated ones, in place: how many are left.

    Hashes are uniform, so one pass into n buckets and an insertion sort are linear. `scratch` holds n, `counts` n + 1.
    """
    n = len(values)
    counts[: n + 1] = 0
    for value in values:
        counts[np.int64((value >> _32) * np.uint64(n) >> _32) + 1] += 1
    for i in range(n):
        counts[i + 1] += counts[i]
    for value in values:
        bucket = np.int64((value >> _32) * np.uint64(n) >> _32)
        scratch[counts[bucket]] = value
        counts[bucket] += 1
    for i in range(1, n):
        value = scratch[i]
        j = i
        while j > 0 and scratch[j - 1] > value:
            scratch[j] = scratch[j - 1]
            j -= 1
        scratch[j] = value
    left = 0
    for i in range(n):
        if left == 0 or values[left - 1] != scratch[i]:
            values[left] = scratch[i]
            left += 1
    return left


@part
def throw(shingles: Hashes, key: np.uint64, bins: Ranks) -> None:
    """Let each shingle fall into its bin, which keeps the lowest rank."""
    n = np.uint64(len(bins))
    for value in shingles:
        hashed = value * key
        at = np.int64((hashed >> _32) * n >> _32)
        bins[at] = min(bins[at], np.uint32(hashed & _RANK))


@part
def densify(bins: Ranks, order: Places, rank: Places, places: Ints, out: Ranks) -> None:
    """Let each bin that is empty borrow from the full one that it prefers; none borrows where all are empty.

    order[k, i] is the bin that bin i prefers in place k, and rank[i, j] the place of bin j there. What is quicker is done:
    ask place after place for those that still wait (without a branch, for none could be foreseen), or go through the few
    that are full. `places` is scratch.
    """
    n, full = len(bins), 0
    for i in range(n):
        out[i] = bins[i]
        places[full] = i
        full += bins[i] != EMPTY
    if full == 0 or full == n:
        return
    if full * full < n:
        for i in range(n):
            if bins[i] == EMPTY:
                best = places[0]
                for j in places[1:full]:
                    best = j if rank[i, j] < rank[i, best] else best
                out[i] = bins[best]
        return
    waiting = 0
    for i in range(n):
        places[waiting] = i
        waiting += bins[i] == EMPTY
    place = 0
    while waiting > 0:
        still, asked = 0, order[place]
        for at in range(waiting):
            i = places[at]
            found = bins[asked[i]]
            out[i] = found
            places[still] = i
            still += found == EMPTY
        waiting = still
        place += 1


@part
def band_hashes(bins: Ranks, rows: int, states: Hashes, out: npt.NDArray[np.uint32]) -> None:
    """One 32-bit hash for each band of the sketch; chance meetings cost one more verification, never a wrong answer.

    `states` is scratch, of a number for each band.
    """
    n = len(out)
    for band in range(n):
        states[band] = _BASIS + np.uint64(band)
    for row in range(rows):  # all bands in step: none waits for the multiplication of another
        for band in range(n):
            state = (states[band] ^ np.uint64(bins[band * rows + row])) * _PRIME
            states[band] = state ^ (state >> _32)
    for band in range(n):
        out[band] = np.uint32(mixed(states[band]) >> _32)


@compiled
def sketch_all(
    data: Bytes,
    offsets: Ints,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    multipliers: Hashes,
    key: np.uint64,
    order: Places,
    rank: Places,
    n_words: Ints,
    bands: npt.NDArray[np.uint32],
    kept: Hashes,
    sizes: Ints,
) -> None:
    """Count the words of each text, and hash the bands of its sketch; the bands of a text without words stay as they are.

    Where `kept` has room (a hash for every second byte, and one a text), the shingles of all texts are written there, one
    text behind the other, as they come; `sizes` gets how many each has.
    """
    n_bins = len(order)
    bins, dense, full = np.empty(n_bins, np.uint32), np.empty(n_bins, np.uint32), np.empty(n_bins, np.int64)
    states = np.empty(bands.shape[1], np.uint64)
    low, held = np.empty(ROOM, np.uint8), np.empty(3, np.uint64)
    overlap = len(multipliers) - 1
    block, made = np.empty(BLOCK + overlap, np.uint64), np.empty(BLOCK + overlap, np.uint64)
    begin = 0
    for i in range(len(n_words)):
        bins[:] = EMPTY
        sizes[i] = 0
        held[:] = 0
        position, stop, carried, n_words[i] = offsets[i], offsets[i + 1], 0, 0
        while position < stop:
            position, fresh = words(data, position, stop, folds, expansions, low, held, block[carried:])
            n_words[i] += fresh
            n = carried + fresh
            if n > overlap or (n > 0 and position == stop and n_words[i] == n):
                target = kept[begin:] if len(kept) else made
                count = shingle(block, n, multipliers, target, 0)
                throw(target[:count], key, bins)
                begin += count
                sizes[i] += count
            carried = min(n, overlap)
            for j in range(carried):
                block[j] = block[n - carried + j]
        if n_words[i] > 0:
            densify(bins, order, rank, full, dense)
            band_hashes(dense, n_bins // bands.shape[1], states, bands[i])


@compiled
def collect_shingles(
    data: Bytes,
    offsets: Ints,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    multipliers: Hashes,
    starts: Ints,
    out: Hashes,
    sizes: Ints,
) -> None:
    """Write the distinct shingles of each text, sorted, to `out`, one text behind the other, and where each is.

    `out` has room for a hash for every second byte, and one a text.
    """
    low, held = np.empty(ROOM, np.uint8), np.empty(3, np.uint64)
    overlap = len(multipliers) - 1
    block = np.empty(BLOCK + overlap, np.uint64)
    scratch, counts = np.empty(BLOCK, np.uint64), np.empty(BLOCK + 1, np.int64)
    begin = 0
    for i in range(len(sizes)):
        held[:] = 0
        position, stop, end, carried, n_words = offsets[i], offsets[i + 1], begin, 0, 0
        while position < stop:
            position, fresh = words(data, position, stop, folds, expansions, low, held, block[carried:])
            n_words += fresh
            n = carried + fresh
            if n > overlap or (n > 0 and position == stop and n_words == n):
                end = shingle(block, n, multipliers, out, end)
            carried = min(n, overlap)
            for j in range(carried):
                block[j] = block[n - carried + j]
        if end - begin > len(scratch):
            scratch, counts = np.empty(end - begin, np.uint64), np.empty(end - begin + 1, np.int64)
        starts[i], sizes[i] = begin, sort_distinct(out[begin:end], scratch, counts)
        begin += sizes[i]
