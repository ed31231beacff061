"""The inner loops over text: UTF-8 bytes in, words, shingles, sketches and folded white space out.

They read Arrow's buffers as they are (no Python strings), take any bytes (what is no UTF-8 is part of no word), and
hold no more than a fixed block of a text at a time, however long it is.

The sketch is Fast Similarity Sketching (Dahlgaard, Knudsen and Thorup, FOCS 2017): a min-wise sketch of t bins with
the concentration of t independent MinHashes or better, in expected time n + t log t instead of n t. In round r every
shingle is thrown into one bin (a random one in the first t rounds, bin r - t in the next t) with the value r + U(0, 1);
a bin keeps its smallest. Once all bins are filled no later round can change one, so a text of a thousand shingles is
done after a single hash of each.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

BLOCK = 4096
"""Words that are looked at together."""
POOL = 8 * BLOCK
"""Shingles that are kept for further rounds while a sketch has empty bins."""
_EMPTY = np.uint64(0xFFFFFFFFFFFFFFFF)
_BASIS = np.uint64(0x243F6A8885A308D3)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = np.uint64(27), np.uint64(30), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@compiled
def mixed(x: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64: every bit of x reaches every bit of the result."""
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)


@compiled
def decode(data: Bytes, i: int, stop: int) -> tuple[int, int]:
    """The code point that starts at the non-ASCII byte i, and its length; (-1, 1) where the bytes are no UTF-8."""
    lead = int(data[i])
    size = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 1
    if size == 1 or i + size > stop:
        return -1, 1
    point = lead & (0x7F >> size)
    for j in range(i + 1, i + size):
        byte = int(data[j])
        if byte & 0xC0 != 0x80:
            return -1, 1
        point = point << 6 | (byte & 0x3F)
    if (size == 3 and (point < 0x800 or 0xD800 <= point < 0xE000)) or (size == 4 and not 0x10000 <= point < 0x110000):
        return -1, 1
    return point, size


@compiled
def may_compose(data: Bytes, start: int, stop: int, classes: Bytes) -> bool:
    """Whether a text has a code point that NFC may change."""
    i = start
    while i < stop:
        if data[i] < 0xCC:  # every code point below U+0300 is as NFC has it
            i += 1
            continue
        point, size = decode(data, i, stop)
        if 0 <= point < len(classes) and classes[point] & 2:
            return True
        i += size
    return False


@compiled
def fold_white_space(data: Bytes, start: int, stop: int, classes: Bytes, out: Bytes, at: int) -> tuple[int, int]:
    """Write a text to out[at:] with each run of white space as one blank, none at its ends; (its end, code points)."""
    i, end, characters, after_space = start, at, 0, 1
    while i < stop:
        byte = data[i]
        characters += 1
        if byte < 128:
            space = int(classes[byte] & 1)
            out[end] = 32 if space else byte
            end += 1 - (space & after_space)
            after_space = space
            i += 1
            continue
        point, size = decode(data, i, stop)
        if 0 <= point < len(classes) and classes[point] & 1:
            out[end] = 32
            end += 1 - after_space
            after_space = 1
        else:
            for j in range(size):
                out[end + j] = data[i + j]
            end += size
            after_space = 0
        i += size
    return (end - 1 if after_space and end > at else end), characters


@compiled
def words(
    data: Bytes,
    start: int,
    stop: int,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    out: Hashes,
) -> tuple[int, int]:
    """Hash the words of a text into `out` until that is full: (where to go on, how many words)."""
    i, n, inside, state = start, 0, False, _BASIS
    while i < stop:
        byte = data[i]
        size = 1
        if byte < 128:
            fold = int(folds[byte])
        else:
            point, size = decode(data, i, stop)
            fold = int(folds[point]) if 0 <= point < len(folds) else 0
        i += size
        if fold > 0:
            state = (state ^ np.uint64(fold)) * _PRIME
            inside = True
        elif fold < 0:
            for part in expansions[-fold]:
                if part:
                    state = (state ^ np.uint64(part)) * _PRIME
            inside = True
        elif inside:
            out[n] = mixed(state)
            n += 1
            inside, state = False, _BASIS
            if n == len(out):
                return i, n
    if inside:
        out[n] = mixed(state)
        n += 1
    return stop, n


@compiled
def shingle(block: Hashes, n: int, multipliers: Hashes, out: Hashes, at: int) -> int:
    """Hash the shingles of the first n words of a block into out[at:], but none twice in a row; the new end.

    Fewer words than a shingle has, but at least one, are one shingle.
    """
    width = min(n, len(multipliers))
    if width == 0:
        return at
    end = at
    for i in range(n - width + 1):
        total = np.uint64(width)
        for j in range(width):
            total += block[i + j] * multipliers[j]
        value = mixed(total)
        if end == at or out[end - 1] != value:
            out[end] = value
            end += 1
    return end


@compiled
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


@compiled
def throw(shingles: Hashes, turn: int, key: np.uint64, bins: Hashes) -> int:
    """One round of the sketch over some shingles: how many bins were empty and are no longer."""
    n, filled = np.uint64(len(bins)), 0
    offset = np.uint64(turn) << _32
    for value in shingles:
        hashed = mixed(value + key)
        at = np.int64((hashed >> _32) * n >> _32) if turn < len(bins) else turn - len(bins)
        thrown = offset | (hashed & _LOW)
        if thrown < bins[at]:
            filled += bins[at] == _EMPTY
            bins[at] = thrown
    return filled


@compiled
def sketch(
    data: Bytes,
    start: int,
    stop: int,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    multipliers: Hashes,
    keys: Hashes,
    block: Hashes,
    pool: Hashes,
    scratch: Hashes,
    counts: Ints,
    bins: Hashes,
) -> int:
    """Sketch a text into `bins`: how many words it has. With no word the bins say nothing.

    A pool that is still crowded after its repetitions are gone holds over ten thousand distinct shingles, and leaves a
    bin empty with a chance below 1e-50: it starts again from nothing.
    """
    bins[:] = _EMPTY
    position, carried, n_words, pooled, filled = start, 0, 0, 0, 0
    overlap = len(multipliers) - 1
    while position < stop:
        position, fresh = words(data, position, stop, folds, expansions, block[carried:])
        n_words += fresh
        n = carried + fresh
        if n > overlap or (n > 0 and position == stop and n_words == n):
            end = shingle(block, n, multipliers, pool, pooled)
            filled += throw(pool[pooled:end], 0, keys[0], bins)
            pooled = end if filled < len(bins) else 0
        carried = min(n, overlap)
        block[:carried] = block[n - carried : n].copy()
        if pooled > POOL - BLOCK:
            pooled = sort_distinct(pool[:pooled], scratch, counts)
            pooled = pooled if pooled <= POOL // 2 else 0
    if filled < len(bins) and pooled > 1024:
        pooled = sort_distinct(pool[:pooled], scratch, counts)
    turn = 1
    while filled < len(bins) and pooled > 0 and turn < 2 * len(bins):
        filled += throw(pool[:pooled], turn, keys[turn], bins)
        turn += 1
    return n_words


@compiled
def band_hashes(bins: Hashes, rows: int, out: npt.NDArray[np.uint32]) -> None:
    """One 32-bit hash for each band of the sketch; chance meetings cost one more verification, never a wrong answer."""
    for band in range(len(out)):
        state = _BASIS + np.uint64(band)
        for value in bins[band * rows : (band + 1) * rows]:
            state = mixed(state ^ value) * _PRIME
        out[band] = np.uint32(mixed(state) >> _32)


@compiled
def mark_doubtful(data: Bytes, offsets: Ints, classes: Bytes, doubtful: npt.NDArray[np.bool_]) -> None:
    """Mark the texts that may not be in NFC."""
    for i in range(len(doubtful)):
        doubtful[i] = may_compose(data, offsets[i], offsets[i + 1], classes)


@compiled
def fold_all(data: Bytes, offsets: Ints, classes: Bytes, out: Bytes, ends: Ints, characters: Ints) -> None:
    """Fold the white space of each text: text i is then out[offsets[i] - offsets[0] : ends[i]]."""
    for i in range(len(ends)):
        at = offsets[i] - offsets[0]
        ends[i], characters[i] = fold_white_space(data, offsets[i], offsets[i + 1], classes, out, at)


@compiled
def sketch_all(
    data: Bytes,
    offsets: Ints,
    folds: npt.NDArray[np.int32],
    expansions: npt.NDArray[np.int32],
    multipliers: Hashes,
    keys: Hashes,
    rows: int,
    n_words: Ints,
    bands: npt.NDArray[np.uint32],
) -> None:
    """Count the words of each text, and hash the bands of its sketch; the bands of a text without words stay as they are."""
    bins = np.empty(rows * bands.shape[1], np.uint64)
    block, pool = np.empty(BLOCK, np.uint64), np.empty(POOL, np.uint64)
    scratch, counts = np.empty(POOL, np.uint64), np.empty(POOL + 1, np.int64)
    for i in range(len(n_words)):
        n_words[i] = sketch(
            data,
            offsets[i],
            offsets[i + 1],
            folds,
            expansions,
            multipliers,
            keys,
            block,
            pool,
            scratch,
            counts,
            bins,
        )
        if n_words[i] > 0:
            band_hashes(bins, rows, bands[i])


@compiled
def count_words(
    data: Bytes, offsets: Ints, folds: npt.NDArray[np.int32], expansions: npt.NDArray[np.int32], n_words: Ints
) -> None:
    """Count the words of each text."""
    block = np.empty(BLOCK, np.uint64)
    for i in range(len(n_words)):
        position, stop = offsets[i], offsets[i + 1]
        n_words[i] = 0
        while position < stop:
            position, fresh = words(data, position, stop, folds, expansions, block)
            n_words[i] += fresh


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
    """Write the distinct shingles of text i, sorted, to out[starts[i]:], which has room for one per word; `sizes` of them."""
    overlap = len(multipliers) - 1
    block = np.empty(BLOCK, np.uint64)
    room = 0
    for i in range(len(sizes)):
        room = max(room, starts[i + 1] - starts[i])
    scratch, counts = np.empty(room, np.uint64), np.empty(room + 1, np.int64)
    for i in range(len(sizes)):
        position, stop, end, carried, n_words = offsets[i], offsets[i + 1], starts[i], 0, 0
        while position < stop:
            position, fresh = words(data, position, stop, folds, expansions, block[carried:])
            n_words += fresh
            n = carried + fresh
            if n > overlap or (n > 0 and position == stop and n_words == n):
                end = shingle(block, n, multipliers, out, end)
            carried = min(n, overlap)
            block[:carried] = block[n - carried : n].copy()
        sizes[i] = sort_distinct(out[starts[i] : end], scratch, counts)
