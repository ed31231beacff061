"""Words of a text along its bitmaps: how many there are, of which kind, and a hash of each. Compiled by Numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.bitmaps import Bitmaps, any_set, count_set
from curation.compilation import kernel, piece
from curation.deduplication.lanes import count_bits, eight_bytes, first_bits, lowest_bit
from curation.deduplication.text_kernels import word_hash
from curation.quality_marks import ALNUMS, ALPHAS, EDGES, FIRSTS, INK, Bytes
from curation.utf8 import lower

_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
_SLOTS: Final = 256
_TOP: Final = np.uint64(56)
_SPREAD: Final = np.uint64(0x9E3779B97F4A7C15)
_SMALL: Final = np.uint64(0x2020202020202020)
_ONE, _NONE, _BASIS = np.uint64(1), np.uint64(0), np.uint64(0x243F6A8885A308D3)

Hashes = npt.NDArray[np.uint64]
Lengths = npt.NDArray[np.int32]


class StopWords(NamedTuple):
    """Words in small letters: a hash of each, and a hash table of their first eight bytes, each with bit 5 set, as it is in
    all small letters; by slot these bytes, and one more than the number of the word, 0 where there is none."""

    hashes: Hashes
    keys: Hashes
    numbers: Lengths


class Words(NamedTuple):
    """How many words hold a letter or digit, and the characters of these; how many hold a letter; how many stop words
    there are; the characters of the longest word."""

    plain: int
    plain_chars: int
    alpha: int
    stop_words: int
    longest: int


def stop_words_of(words: tuple[str, ...]) -> StopWords:
    """What `count_words` knows stop words by."""
    found = StopWords(np.empty(len(words), np.uint64), np.zeros(_SLOTS, np.uint64), np.zeros(_SLOTS, np.int32))
    spelt = [word.encode() for word in words]
    data = np.frombuffer(b"".join(spelt) + bytes(8), np.uint8)
    _fill(data, np.cumsum([0, *map(len, spelt)], dtype=np.int64), found)
    return found


@kernel
def _fill(data: Bytes, bounds: npt.NDArray[np.int64], found: StopWords) -> None:
    """Write stop words down, word i being data[bounds[i] : bounds[i + 1]]; eight bytes more can be read."""
    for number in range(len(found.hashes)):
        found.hashes[number] = _folded(data, bounds[number], bounds[number + 1])
        key = _key(data, bounds[number], bounds[number + 1])
        slot = _slot(key)
        while found.numbers[slot]:
            slot = (slot + 1) & (_SLOTS - 1)
        found.keys[slot], found.numbers[slot] = key, number + 1


@piece
def _key(data: Bytes, start: int, end: int) -> np.uint64:
    """The first eight bytes of a word with bit 5 set in each."""
    inside = first_bits(8 * min(end - start, 8))
    return np.uint64((eight_bytes(data, start) | _SMALL) & inside)


@piece
def _slot(key: np.uint64) -> np.int64:
    return np.int64((key * _SPREAD) >> _TOP)


@piece
def _folded(data: Bytes, start: int, end: int) -> np.uint64:
    """FNV-1a of the bytes, with A to Z as a to z."""
    value = _FNV_BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(lower(data[i]))) * _FNV_PRIME
    return value


@piece
def count_words(
    data: Bytes,
    start: int,
    end: int,
    is_ascii: bool,
    marks: Bitmaps,
    stop_words: StopWords,
    hashes: Hashes,
    chars: Lengths,
) -> Words:
    """Look at each word of the text data[start:end]: its hash and characters are written down, and counted what it holds."""
    n = plain = plain_chars = alpha = longest = 0
    first, found = -1, np.uint64(0)
    spelt, keys, numbers = stop_words
    wanted = np.uint64(len(spelt))
    every = (_ONE << wanted) - _ONE
    for block in range(((end - start) >> 6) + 1):
        edges, ink = marks[EDGES, block], marks[INK, block]
        while edges != 0:
            k = lowest_bit(edges)
            edges &= edges - _ONE
            p = (block << 6) + k
            if first >= 0:
                hashes[n] = word_hash(data, start + first, start + p, _BASIS, 0)
                size = p - first if is_ascii else count_set(marks, FIRSTS, first, p)
                chars[n] = size
                n += 1
                longest = max(longest, size)
                has_letter = any_set(marks, ALPHAS, first, p)
                alpha += has_letter
                if has_letter or any_set(marks, ALNUMS, first, p):
                    plain += 1
                    plain_chars += size
                    if found != every:
                        key = _key(data, start + first, start + p)
                        slot = _slot(key)
                        number = numbers[slot]
                        while number:
                            bit = _ONE << np.uint64(number - 1)
                            if keys[slot] == key and found & bit == 0:
                                same = spelt[number - 1] == _folded(data, start + first, start + p)
                                found |= bit if same else _NONE
                            slot = (slot + 1) & (_SLOTS - 1)
                            number = numbers[slot]
            first = p if ink >> np.uint64(k) & _ONE != 0 else -1
    return Words(plain, plain_chars, alpha, count_bits(found), longest)
