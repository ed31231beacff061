"""The inner loops over words: their shingles, and the sketch of these that is cut into bands.

The sketch is one-permutation hashing (Li, Owen and Zhang, NIPS 2012): one hash of each shingle says which bin it falls
in and how it ranks there, and a bin keeps the lowest. A bin that got none borrows from one that did, by an order of
preference fixed for each bin beforehand (optimal densification: Shrivastava, ICML 2017), so that two bins agree with a
chance of exactly the Jaccard similarity, as in MinHash, for one hash a shingle instead of 126.

The odd sketch (after Mitzenmacher, Pagh and Pham, WWW 2014) says of pairs that share a band which cannot be near, so that
an update need not read them. Shingles mark cells, and each bit is the parity of the marked ones among 16 cells: a bit in
which two sketches differ needs a shingle that only one text has, whatever is repeated in either.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Words = npt.NDArray[np.uint32]
Ranks = npt.NDArray[np.uint32]
Places = npt.NDArray[np.uint16]

BLOCK = 2048
"""Shingles that are looked at together."""
EMPTY = np.uint32(0xFFFFFFFF)
_BASIS = np.uint64(0x243F6A8885A308D3)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_27, _30, _31, _32 = (np.uint64(n) for n in (27, 30, 31, 32))
_RANK = np.uint64(0x7FFFFFFF)
CELL_WORDS = 256
"""64 cells each."""
SEEN = 4096
"""Shingles that are remembered, to tell the repeated ones: a power of two."""
ODD_WORDS = 16
"""Numbers of 64 bits in an odd sketch."""
_CELL, _IN_WORD = np.uint64(50), np.uint64(63)


@piece
def mixed(x: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64: every bit of x reaches every bit of the result."""
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)


@piece
def shingle(words: Words, multipliers: Hashes, width: int, made: Hashes) -> None:
    """Hash the shingles of `width` words that begin at each of the first words; as many as `made` has room for."""
    count = len(made)
    for i in range(count):
        made[i] = np.uint64(width)
    for j in range(width):
        factor, shifted = multipliers[j], words[j : j + count]
        for i in range(count):
            made[i] += np.uint64(shifted[i]) * factor
    for i in range(count):
        made[i] = mixed(made[i])


@piece
def throw(shingles: Hashes, key: np.uint64, bins: Ranks) -> None:
    """Let each shingle fall into its bin, which keeps the lowest rank."""
    n = np.uint64(len(bins))
    for value in shingles:
        hashed = value * key
        at = np.int64((hashed >> _32) * n >> _32)
        bins[at] = min(bins[at], np.uint32(hashed & _RANK))


@piece
def mark_cells(shingles: Hashes, cells: Hashes) -> None:
    """Mark the cell that the highest bits of each shingle name."""
    for value in shingles:
        cell = value >> _CELL
        cells[np.int64(cell) >> 6] |= np.uint64(1) << (cell & _IN_WORD)


@piece
def forget(seen: Hashes, n: int) -> int:
    """Forget all shingles, and make room for those of a text that has n: how many places to use, a power of two."""
    slots = len(seen)
    while slots > 64 and slots >= 8 * n:
        slots >>= 1
    for slot in range(slots):
        seen[slot] = np.uint64(slot ^ 1)  # no shingle that belongs here
    return slots


@piece
def count_new(shingles: Hashes, seen: Hashes, slots: int) -> int:
    """How many shingles are not known to be repeated: each place remembers the last that it had."""
    new, mask = 0, np.uint64(slots - 1)
    for value in shingles:
        slot = value & mask
        new += seen[slot] != value
        seen[slot] = value
    return new


@piece
def fold_cells(cells: Hashes, odd: Hashes) -> None:
    """The parities of the cells that are marked, and none marked any more."""
    for i in range(len(cells)):
        odd[i & (len(odd) - 1)] ^= cells[i]
        cells[i] = 0


@piece
def densify(bins: Ranks, order: Places, rank: Places, places: Places, out: Ranks) -> None:
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


@piece
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


def scratch(bins: int, bands: int) -> tuple[Ranks, Ranks, Places, Hashes, Hashes, Hashes, Hashes]:
    """What `sketch_all` works in, for one call at a time."""
    ranks, states, made = np.empty((2, bins), np.uint32), np.empty(bands, np.uint64), np.empty(BLOCK, np.uint64)
    cells, seen = np.zeros(CELL_WORDS, np.uint64), np.empty(SEEN, np.uint64)
    return *ranks, np.empty(bins, np.uint16), states, made, cells, seen


@kernel
def sketch_all(
    words: Words,
    starts: Ints,
    counts: Ints,
    multipliers: Hashes,
    key: np.uint64,
    order: Places,
    rank: Places,
    bands: npt.NDArray[np.uint32],
    odd: Hashes,
    n_shingles: Ints,
    bins: Ranks,
    dense: Ranks,
    full: Places,
    states: Hashes,
    room: Hashes,
    cells: Hashes,
    seen: Hashes,
) -> None:
    """Hash the bands of the sketch of each text; those of a text without words stay as they are. Add the odd sketch of each,
    if there is room for any, and how many distinct shingles it has at most; they begin as zeros.

    Text i has the words words[starts[i] : starts[i] + counts[i]]; fewer than a shingle has are one shingle.
    """
    for text in range(len(counts)):
        width = min(counts[text], len(multipliers))
        if width == 0:
            continue
        for i in range(len(bins)):
            bins[i] = EMPTY
        first, behind = starts[text], starts[text] + counts[text] - width + 1
        slots = forget(seen, behind - first) if len(odd) else 0
        while first < behind:
            made = room[: min(len(room), behind - first)]
            shingle(words[first:], multipliers, width, made)
            throw(made, key, bins)
            if len(odd):
                mark_cells(made, cells)
                n_shingles[text] += count_new(made, seen, slots)
            first += len(made)
        densify(bins, order, rank, full, dense)
        band_hashes(dense, len(bins) // bands.shape[1], states, bands[text])
        if len(odd):
            fold_cells(cells, odd[text])
