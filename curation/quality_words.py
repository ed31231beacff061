"""Words of a text along its bitmaps: how many there are, of which kind, and a hash of each. Compiled by Numba."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.bitmaps import Bitmaps, any_set, count_set
from curation.compilation import compiled
from curation.deduplication.lanes import count_bits, lowest_bit
from curation.deduplication.text_kernels import word_hash
from curation.quality_marks import ALNUMS, ALPHAS, EDGES, FIRSTS, INK, Bytes
from curation.utf8 import lower

_FNV_BASIS: Final = np.uint64(0xCBF29CE484222325)
_FNV_PRIME: Final = np.uint64(0x100000001B3)
_ONE, _BASIS = np.uint64(1), np.uint64(0x243F6A8885A308D3)

Hashes = npt.NDArray[np.uint64]
Lengths = npt.NDArray[np.int32]


class StopWords(NamedTuple):
    """Hashes of words in small letters; for each byte that one begins with, in any case, a bit for each of their lengths
    (that of 63 stands for all longer ones)."""

    hashes: Hashes
    lengths: Hashes


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
    said = [np.frombuffer(word.encode(), np.uint8) for word in words]
    lengths = np.zeros(256, np.uint64)
    for word in said:
        first = int(word[0])
        for byte in {first, first ^ 0x20 if chr(first).isascii() and chr(first).isalpha() else first}:
            lengths[byte] |= _ONE << np.uint64(min(len(word), 63))
    return StopWords(np.array([_folded(word, 0, len(word)) for word in said], np.uint64), lengths)


@compiled
def _folded(data: Bytes, start: int, end: int) -> np.uint64:
    """FNV-1a of the bytes, with A to Z as a to z."""
    value = _FNV_BASIS
    for i in range(start, end):
        value = (value ^ np.uint64(lower(data[i]))) * _FNV_PRIME
    return value


@compiled
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
    wanted = np.uint64(len(stop_words.hashes))
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
                        length = np.uint64(min(p - first, 63))
                        if stop_words.lengths[data[start + first]] >> length & _ONE != 0:
                            found |= _stop_word(data, start + first, start + p, stop_words.hashes)
            first = p if ink >> np.uint64(k) & _ONE != 0 else -1
    return Words(plain, plain_chars, alpha, count_bits(found), longest)


@compiled
def _stop_word(data: Bytes, start: int, end: int, hashes: Hashes) -> np.uint64:
    """The bit of the stop word that these bytes spell, 0 if they spell none."""
    value = _folded(data, start, end)
    for k in range(len(hashes)):
        if hashes[k] == value:
            return _ONE << np.uint64(k)
    return np.uint64(0)
