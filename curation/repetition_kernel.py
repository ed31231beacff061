"""How much of a text is repeated runs of words, after table A1 of Gopher (Rae et al. 2021), compiled by Numba.

A run of n words can only be repeated where both its runs of n - 1 words are. So each length looks only at the places
that the shorter one left, and after the pairs, which are all looked up in a hash table, little is. Runs are told by a
64-bit hash over the hashes of their words: two different ones among a million meet with a probability of 10⁻⁷.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled

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
    """Room for the runs of a text: hashes, places, their slots in the table; its keys, and how often each occurs."""

    hashes: Hashes
    places: Lengths
    at: Lengths
    keys: Hashes
    times: Lengths


@compiled
def room_for_runs(words: int) -> Runs:
    """Room for the runs of so many words."""
    slots = slots_for(words)
    places, at = np.empty(words, np.int32), np.empty(words, np.int32)
    return Runs(np.empty(words, np.uint64), places, at, np.empty(slots, np.uint64), np.empty(slots, np.int32))


@compiled
def slots_for(entries: int) -> int:
    """Slots of a table that is at most half full."""
    slots = 16
    while slots < 2 * entries:
        slots *= 2
    return slots


@compiled
def count_repeated(words: Hashes, lengths: Lengths, room: Runs, counts: Ints) -> None:
    """Characters in repeated runs of a text's words, by what `RUN_COUNTS` names; hash and characters of each word are given.

    Up to 4 words, the characters are those of the most frequent run; from 5 on, of all runs that stood before.
    """
    runs, places, at, keys, times = room
    many = len(words)
    runs[:many] = words
    for k in range(many):
        places[k] = k
    for n in range(_SHORTEST, _LONGEST + 1):
        many = _lengthened(words, runs, places, many, n)
        if n <= _LONGEST_TOP and len(words) >= n:
            counts[n - _SHORTEST] = _chars(lengths, 0, n) + n - 1
        if many == 0:
            continue
        _tally(runs, places, at, many, keys, times)
        if n <= _LONGEST_TOP:
            counts[n - _SHORTEST] = _most_frequent(lengths, places, at, times, many, n, counts[n - _SHORTEST])
        else:
            counts[n - _SHORTEST] = _repeated(lengths, places, at, times, many, n)
        many = _left(places, at, times, many)


@compiled
def _lengthened(words: Hashes, runs: Hashes, places: Lengths, many: int, n: int) -> int:
    """Keep the places where a run of n words may be repeated, and lengthen its hash by the n-th; how many are left.

    A run goes on only where the next place is left too; pairs are all kept.
    """
    left = 0
    for k in range(many):
        place = places[k]
        if place + n <= len(words) and (n == _SHORTEST or (k + 1 < many and places[k + 1] == place + 1)):
            value = (runs[place] ^ (runs[place] >> _SHIFT)) * _MULTIPLIER
            runs[place] = (value ^ words[place + n - 1]) * _MULTIPLIER
            places[left] = place
            left += 1
    return left


@compiled
def _tally(runs: Hashes, places: Lengths, at: Lengths, many: int, keys: Hashes, times: Lengths) -> None:
    """Count each run in an open hash table, and keep for each place its slot."""
    slots = slots_for(many)
    mask = np.uint64(slots - 1)
    times[:slots] = 0
    for k in range(many):
        key = runs[places[k]]
        slot = (key ^ (key >> _SHIFT)) & mask
        while times[slot] and keys[slot] != key:
            slot = (slot + np.uint64(1)) & mask
        keys[slot] = key
        times[slot] += 1
        at[places[k]] = slot


@compiled
def _chars(lengths: Lengths, place: int, n: int) -> int:
    total = 0
    for k in range(place, place + n):
        total += lengths[k]
    return total


@compiled
def _most_frequent(lengths: Lengths, places: Lengths, at: Lengths, times: Lengths, many: int, n: int, once: int) -> int:
    """Characters in all occurrences of the most frequent run, spaces between its words too; the first of equals."""
    best, chosen = 1, once
    for k in range(many):
        count = times[at[places[k]]]
        if count > best:
            best = count
            chosen = count * (_chars(lengths, places[k], n) + n - 1)
    return chosen


@compiled
def _left(places: Lengths, at: Lengths, times: Lengths, many: int) -> int:
    """Keep the places of runs that occur more than once; a slot that was marked is negative."""
    left = 0
    for k in range(many):
        if abs(times[at[places[k]]]) > 1:
            places[left] = places[k]
            left += 1
    return left


@compiled
def _repeated(lengths: Lengths, places: Lengths, at: Lengths, times: Lengths, many: int, n: int) -> int:
    """Characters of the runs that stood before, each counted once: after a repeated run the next word is looked at."""
    total = free = 0
    for k in range(many):
        place, slot = places[k], at[places[k]]
        if place < free or abs(times[slot]) == 1:
            continue
        if times[slot] < 0:
            total += _chars(lengths, place, n)
            free = place + n
        else:
            times[slot] = -times[slot]
    return total
