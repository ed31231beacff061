"""The inner loop over text: UTF-8 bytes in; out come its words, the digest of its normal form, and its characters.

It reads Arrow's buffers as they are (no Python strings), takes any bytes (what is no UTF-8 is part of no word), and goes
over each text once, in segments that stay in the processor's nearest cache. What the ASCII in 64 bytes is, is seen at once.

A word is a hash of 32 bits, so two different words are taken for one in 4 thousand million; as a shingle is five in a row,
that changes a similarity only where two texts have such words in the same place.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.copying import copy
from curation.deduplication.digest_kernels import murmur_blocks, murmur_end
from curation.deduplication.lanes import (
    LANES,
    copy_lanes,
    count_bits,
    decode,
    eight_bytes,
    first_bits,
    looked_at,
    lowest_bit,
    multiplied,
    up_to_sixteen,
)

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Kinds = npt.NDArray[np.int32]
Bounds = npt.NDArray[np.uint16]

POINT = 0x1FFFFF
"""Bits of the kind of a character: 0 where it is part of no word, its case-folded code point, or a row of `expansions`."""
EXPANDS = 1 << 21
"""Bit of a kind: case-folded it is the code points in a row of `expansions`."""
SPACE = 1 << 22
"""Bit of a kind: white space, as `str.isspace` has it."""
COMPOSES = 1 << 23
"""Bit of a kind: a text with this character may not be in NFC. (All these stand here, because machine code is kept until
the file changes that it was made from.)"""
SEGMENT = 4096
"""Bytes of a text that are looked at together."""
ROOM = 4 * SEGMENT
"""Bytes of a segment in lower case, at most: no code point takes more than three times its bytes."""
_INSIDE, _BLANK, _CHARACTERS, _DOUBTFUL = range(4)
_BASIS = np.uint64(0x243F6A8885A308D3)
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_ONE = np.uint64(1)


@piece
def word_hash(low: Bytes, begin: int, end: int, state: np.uint64, absorbed: int) -> np.uint64:
    """The hash of a word whose last bytes are low[begin:end], after `absorbed` bytes that went into the state.

    Of two multiplied numbers both halves (as in wyhash; Wang, 2019); up to 16 bytes cost one multiplication.
    """
    length = absorbed + end - begin
    while end - begin > 16:
        state = multiplied(state ^ eight_bytes(low, begin), _PRIME ^ eight_bytes(low, begin + 8))
        begin += 16
    first, second = up_to_sixteen(low, begin, end - begin)
    return np.uint64(multiplied(state ^ first, _MIX_1 ^ second ^ np.uint64(length) * _MIX_2))


@piece
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


@piece
def scan(
    data: Bytes,
    i: int,
    ahead: int,
    stop: int,
    kinds: Kinds,
    expansions: Kinds,
    folding: bool,
    low: Bytes,
    end: int,
    bounds: Bounds,
    n: int,
    room: Bytes,
    filled: int,
    line: Bytes,
    state: Ints,
) -> tuple[int, int, int, int]:
    """Go over data[i:ahead], and a little further (never beyond `stop`); the new i, end, n and filled.

    low[end:] gets it in lower case, bounds[n:] where in `low` words begin and end in turn, and room[filled:] its bytes:
    as they are, or with each run of white space as one blank. `line` is scratch, of 2 * LANES bytes.
    """
    inside, blank = np.uint64(state[_INSIDE]), np.uint64(state[_BLANK])
    characters = 0
    while i < ahead:
        size = min(LANES, stop - i)
        if i + LANES <= len(data):
            beyond, of_words, white = looked_at(data, i, low, end, line)
        else:
            copy(data, i, stop, line, LANES)
            beyond, of_words, white = looked_at(line, LANES, low, end, line)
        near = min(size, lowest_bit(beyond))
        ours = first_bits(near)
        of_words &= ours
        edges = (of_words ^ (of_words << _ONE | inside)) & ours
        following = n + count_bits(edges)
        while n < following:  # eight at a time, for how many there are cannot be foreseen
            for j in range(8):
                bounds[n + j] = end + lowest_bit(edges)
                edges &= edges - _ONE
            n += 8
        n = following
        if folding:
            kept = ~(white & (white << _ONE | blank)) & ours
            while kept != 0:
                first = lowest_bit(kept)
                run = lowest_bit(~(kept >> np.uint64(first)))
                copy_lanes(line, first, room, filled)
                filled += run
                kept &= ~(first_bits(run) << np.uint64(first))
        else:
            copy(data, i, i + near, room, filled)
            filled += near
        if near:
            last = np.uint64(near - 1)
            inside, blank = of_words >> last & _ONE, white >> last & _ONE
        end += near
        i += near
        characters += near
        coming = min(stop, i + LANES // 2) if near < size else i
        while i < coming and data[i] >= 128:
            point, width = decode(data, i, stop)
            kind = int(kinds[point]) if 0 <= point < len(kinds) else 0
            characters += 1
            if kind & COMPOSES:
                state[_DOUBTFUL] = 1
            if folding and kind & SPACE:
                room[filled] = 32
                filled += 0 if blank else 1
                blank = _ONE
            else:
                for j in range(width):
                    room[filled + j] = data[i + j]
                filled += width
                blank = np.uint64(0)
            i += width
            fold = kind & POINT
            if (fold != 0) != (inside != 0):
                bounds[n] = end
                n += 1
                inside ^= _ONE
            if kind & EXPANDS:
                for part in expansions[fold]:
                    end = put(low, end, part) if part else end
            elif fold:
                end = put(low, end, fold)
    state[_INSIDE], state[_BLANK] = np.int64(inside), np.int64(blank)
    state[_CHARACTERS] += characters
    return i, end, n, filled


def scratch() -> tuple[Bytes, Bounds, Bytes, Bytes, Ints]:
    """What `read_texts` works in, for one call at a time."""
    low, bounds, room = np.empty(ROOM, np.uint8), np.empty(2 * SEGMENT, np.uint16), np.empty(2 * SEGMENT, np.uint8)
    return low, bounds, room, np.empty(2 * LANES, np.uint8), np.empty(4, np.int64)


@kernel
def read_texts(
    data: Bytes,
    offsets: Ints,
    kinds: Kinds,
    expansions: Kinds,
    folding: bool,
    digests: Hashes,
    characters: Ints,
    doubtful: npt.NDArray[np.bool_],
    words: npt.NDArray[np.uint32],
    counts: Ints,
    low: Bytes,
    bounds: Bounds,
    room: Bytes,
    line: Bytes,
    state: Ints,
) -> None:
    """Write the words of all texts to `words`, one text behind the other, and how many each has to `counts`.

    `words` has room for a word for every second byte, and one a text. Of each text, too: the two halves of the digest of
    its bytes, or with `folding` of those bytes with each run of white space as one blank and none at the ends; its code
    points; and whether Unicode normalisation may change it.
    """
    at = 0
    for text in range(len(counts)):
        i, stop, begin, digest = offsets[text], offsets[text + 1], at, digests[text]
        digest[0], digest[1] = 0, 0
        state[_INSIDE], state[_BLANK], state[_CHARACTERS], state[_DOUBTFUL] = 0, 1, 0, 0
        end, filled, taken, absorbed, word = 0, 0, 0, 0, _BASIS
        while i < stop:
            bounds[0] = 0
            ahead, n = min(stop, i + SEGMENT), state[_INSIDE]
            i, end, n, filled = scan(
                data, i, ahead, stop, kinds, expansions, folding, low, end, bounds, n, room, filled, line, state
            )
            if i < stop:
                whole = (filled - 1) & ~15  # leaves one byte or more: it may be a blank at the end
                murmur_blocks(room, whole, digest)
                copy(room, whole, filled, room, 0)
                taken += whole
                filled -= whole
            elif state[_INSIDE]:
                bounds[n] = end
                n += 1
            for k in range(0, n - 1, 2):
                words[at] = np.uint32(word_hash(low, bounds[k], bounds[k + 1], word, absorbed))
                at += 1
                absorbed, word = 0, _BASIS
            if n & 1:  # a word that goes on
                first = int(bounds[n - 1])
                while end - first > 16:
                    word = multiplied(word ^ eight_bytes(low, first), _PRIME ^ eight_bytes(low, first + 8))
                    first += 16
                    absorbed += 16
                copy(low, first, end, low, 0)
                end -= first
            else:
                end = 0
        if folding and state[_BLANK] and filled > 0:
            filled -= 1
        whole = filled & ~15
        murmur_blocks(room, whole, digest)
        murmur_end(room, whole, filled - whole, taken + filled, digest)
        characters[text], doubtful[text], counts[text] = state[_CHARACTERS], state[_DOUBTFUL] != 0, at - begin
