"""Words of texts as decontamination compares them: the hash of each, and where it stands. Compiled by Numba.

What a bit of a fold means is said in `curation.decontamination.characters`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, kernel, piece
from curation.copying import copy
from curation.utf8 import code_point

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]

BLOCK: Final = 1 << 16
"""Words that are looked at together."""
PRIME: Final = np.uint64(0x9E3779B97F4A7C15)
_ALONE: Final = 1 << 24
_LETTER: Final = _ALONE - 1
_BASIS: Final = np.uint64(0x243F6A8885A308D3)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_27, _30, _31 = np.uint64(27), np.uint64(30), np.uint64(31)


@inlined
def mixed(x: np.uint64) -> np.uint64:
    """The finalizer of SplitMix64."""
    x = (x ^ (x >> _30)) * _MIX_1
    x = (x ^ (x >> _27)) * _MIX_2
    return x ^ (x >> _31)


class Characters(NamedTuple):
    """The tables of `curation.decontamination.characters`."""

    folds: Int32s
    expansions: Int32s


class Block(NamedTuple):
    """Some words of a text: the hash of each, its first byte and its end."""

    hashes: Hashes
    firsts: Ints
    ends: Ints


def block_of(words: int) -> Block:
    """Room for so many words."""
    return Block(np.empty(words, np.uint64), np.empty(words, np.int64), np.empty(words, np.int64))


@piece
def is_blank(byte: int) -> bool:
    """Whether an ASCII byte is white space."""
    return byte == 32 or 9 <= byte <= 13


@piece
def enumerates(data: Bytes, first: int, end: int, begin: int, stop: int, leads: bool, escaped: bool) -> bool:
    """Whether the word data[first:end] only numbers what follows: `a)`, `(b)`, `C.`, `12)`, and `12.` where it leads a line."""
    if end - first > 3 or end >= stop:
        return False
    for i in range(first, end):
        if not 48 <= data[i] <= 57 and not (end - first == 1 and 97 <= data[i] | 32 <= 122):
            return False
    mark = data[end]
    if mark != 41 and mark != 46 and mark != 58:  # ) . :
        return False
    if (
        end + 1 < stop
        and not is_blank(data[end + 1])
        and not (escaped and (data[end + 1] == 92 or data[end + 1] == 34))
    ):
        return False
    if first > begin and not is_blank(data[first - 1]) and data[first - 1] != 40 and data[first - 1] != 91:
        opens = data[first - 1] == 34 or (first - 1 > begin and data[first - 2] == 92)
        if not (escaped and opens):
            return False
    return bool(mark == 41 or data[first] > 57 or leads)


@piece
def begins_line(data: Bytes, i: int, begin: int, folds: Int32s) -> bool:
    """Whether no word stands between byte i and the beginning of its line."""
    while i > begin:
        i -= 1
        if data[i] == 10:
            return True
        if data[i] >= 128 or folds[data[i]] != 0:
            return False
    return True


@piece
def words(
    data: Bytes, start: int, begin: int, stop: int, escaped: bool, characters: Characters, block: Block, held: int
) -> tuple[int, int]:
    """Add the words from byte `start` on behind the `held` ones, until the block is full: (where to go on, how many).

    The text is data[begin:stop]. With `escaped`, a backslash and what belongs to it ends a word, as in JSON.
    """
    i, n, inside, state = start, held, False, _BASIS
    first = end = start
    leads, fresh_line = False, begins_line(data, start, begin, characters.folds)
    while n < len(block.hashes):
        size, fold = 1, 0
        if i < stop:
            byte = int(data[i])
            if byte >= 128:
                point, size = code_point(data, i)
                fold = int(characters.folds[point]) if point < len(characters.folds) else 0
            elif escaped and byte == 92:
                size = min(stop - i, 6 if i + 1 < stop and data[i + 1] == 117 else 2)
                fresh_line = fresh_line or (i + 1 < stop and data[i + 1] == 110)
            else:
                fold = int(characters.folds[byte])
        letter = fold if fold >= 0 else int(characters.expansions[-fold, 0])
        if inside and (fold == 0 or letter & _ALONE):
            if not enumerates(data, first, end, begin, stop, leads, escaped):
                block.hashes[n], block.firsts[n], block.ends[n] = mixed(state), first, end
                n += 1
            inside, state = False, _BASIS
            continue
        if i >= stop:
            return stop, n
        if fold == 0:
            fresh_line = fresh_line or data[i] == 10
        elif letter:
            if not inside:
                first, inside, leads, fresh_line = i, True, fresh_line, False
            if fold > 0:
                state = (state ^ np.uint64(fold & _LETTER)) * PRIME
            else:
                for k in range(characters.expansions.shape[1]):
                    part = characters.expansions[-fold, k]
                    if part:
                        state = (state ^ np.uint64(part & _LETTER)) * PRIME
            end = i + size
            if letter & _ALONE:
                block.hashes[n], block.firsts[n], block.ends[n] = mixed(state), first, end
                n += 1
                inside, state = False, _BASIS
        i += size
    return i, n


@kernel
def all_words(data: Bytes, offsets: Ints, characters: Characters, block: Block, hashes: Hashes, counts: Ints) -> int:
    """Write the word hashes of all texts, one after the other, and how many each has; `hashes` has room for a word a byte, and
    `block` for `BLOCK`."""
    n = 0
    for row in range(len(counts)):
        i, stop = offsets[row], offsets[row + 1]
        before = n
        while i < stop:
            i, fresh = words(data, i, offsets[row], stop, False, characters, block, 0)
            copy(block.hashes, 0, fresh, hashes, n)
            n += fresh
        counts[row] = n - before
    return n
