"""How much of a text is repeated runs of words, after table A1 of Gopher (Rae et al. 2021), compiled by Numba.

A run of n words can only be repeated where both its runs of n - 1 words are. So each length looks only at the places
that the shorter one left. Pairs are told by a hash table of places, small enough for the processor's first cache. A longer
run is known without one: where the run of n - 1 words first stood, the next word decides, and only what goes on
otherwise there is looked up. Words are told by a 64-bit hash: two different ones among a million meet with a
probability of 10⁻⁷.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, piece

_SHORTEST: Final = 2
_LONGEST_TOP: Final = 4
_LONGEST: Final = 10
_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(32)
RUN_COUNTS = tuple(f"run{n}" for n in range(_SHORTEST, _LONGEST + 1))
"""The columns of `count_repeated`: a length each."""

Ints = npt.NDArray[np.int64]
Lengths = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]


class Runs(NamedTuple):
    """Room for the runs of a text: by place, where the run that begins there first stood, how often it stands (by that
    first place; negative once it was looked at), and where the run without its last word first stood; the places that
    are left; and a hash table of places, of which 0 is none."""

    first: Lengths
    times: Lengths
    stem: Lengths
    places: Lengths
    table: Lengths


def room_for_runs(words: int) -> Runs:
    """Room for the runs of so many words."""
    first, times, stem = np.empty(words, np.int32), np.empty(words, np.int32), np.empty(words, np.int32)
    return Runs(first, times, stem, np.empty(words, np.int32), np.empty(max(16, 4 * words), np.int32))


@piece
def slots_for(entries: int) -> int:
    """Slots of a table that is at most half full: 16, or fewer than four for each entry."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    return slots


@piece
def count_repeated(words: Hashes, many: int, lengths: Lengths, room: Runs, counts: Ints) -> None:
    """Characters in repeated runs of a text's words, by what `RUN_COUNTS` names; of `many` words hash and characters are given.

    Up to 4 words, the characters are those of the most frequent run; from 5 on, of all runs that stood before.
    """
    left = _pairs(words, many, room)
    for n in range(_SHORTEST, _LONGEST + 1):
        if n > _SHORTEST:
            left = _lengthened(words, left, n, room)
        if n <= _LONGEST_TOP:
            once = _chars(lengths, 0, n) + n - 1 if many >= n else 0
            left, counts[n - _SHORTEST] = _most_frequent(lengths, left, n, room, once)
        else:
            left, counts[n - _SHORTEST] = _repeated(lengths, left, n, room)


@inlined
def _slot(a: np.uint64, b: np.uint64) -> np.uint64:
    """A hash of two numbers in order; its low bits depend on all of theirs."""
    value = ((a ^ (a >> _SHIFT)) * _MULTIPLIER ^ b) * _MULTIPLIER
    return np.uint64(value ^ (value >> _SHIFT))


@piece
def _pairs(words: Hashes, many: int, room: Runs) -> int:
    """For every pair of words, where it first stood and how often it stands; how many pairs there are."""
    first, times, _, places, table = room
    slots = slots_for(many)
    for k in range(slots):
        table[k] = 0
    mask = np.uint64(slots - 1)
    for p in range(many - 1):
        places[p] = p
        slot = _slot(words[p], words[p + 1]) & mask
        q = table[slot] - 1
        while q >= 0 and (words[q] != words[p] or words[q + 1] != words[p + 1]):
            slot = (slot + np.uint64(1)) & mask
            q = table[slot] - 1
        if q < 0:
            table[slot] = p + 1
            first[p], times[p] = p, 1
        else:
            first[p] = q
            times[q] += 1
    return max(many - 1, 0)


@piece
def _lengthened(words: Hashes, many: int, n: int, room: Runs) -> int:
    """Keep the places where a run of n words may be repeated, and find where it first stood; how many are left.

    A run goes on only where the next place is left too.
    """
    first, times, stem, places, table = room
    slots, left = 0, 0
    for k in range(many - 1):
        p = places[k]
        if places[k + 1] != p + 1:
            continue
        places[left] = p
        left += 1
        q, word = first[p], words[p + n - 1]
        if q == p or words[q + n - 1] == word:
            if q == p:
                times[p], stem[p] = 0, p
            times[q] += 1
            continue
        if not slots:
            slots = slots_for(many)
            for slot in range(slots):
                table[slot] = 0
        mask = np.uint64(slots - 1)
        at = _slot(np.uint64(q), word) & mask
        other = table[at] - 1
        while other >= 0 and (stem[other] != q or words[other + n - 1] != word):
            at = (at + np.uint64(1)) & mask
            other = table[at] - 1
        if other < 0:
            other = p
            table[at] = p + 1
            times[p], stem[p] = 0, q
        first[p] = other
        times[other] += 1
    return left


@piece
def _chars(lengths: Lengths, place: int, n: int) -> int:
    total = 0
    for k in range(place, place + n):
        total += lengths[k]
    return total


@piece
def _most_frequent(lengths: Lengths, many: int, n: int, room: Runs, once: int) -> tuple[int, int]:
    """Keep the places of runs that occur more than once; how many, and the characters in all occurrences of the most frequent
    run, spaces between its words too: the first of equals, `once` where none is repeated."""
    first, times, _, places, _ = room
    best, chosen, left = 1, once, 0
    for k in range(many):
        p = places[k]
        count = times[first[p]]
        places[left] = p
        left += count > 1
        if count > best:
            best, chosen = count, count * (_chars(lengths, p, n) + n - 1)
    return left, chosen


@piece
def _repeated(lengths: Lengths, many: int, n: int, room: Runs) -> tuple[int, int]:
    """Keep the places of runs that occur more than once; how many, and the characters of the runs that stood before, each
    counted once: after a repeated run the next word is looked at."""
    first, times, _, places, _ = room
    total = free = left = 0
    for k in range(many):
        p = places[k]
        q = first[p]
        if abs(times[q]) > 1:
            places[left] = p
            left += 1
            if p >= free:
                if times[q] < 0:
                    total += _chars(lengths, p, n)
                    free = p + n
                else:
                    times[q] = -times[q]
    return left, total
