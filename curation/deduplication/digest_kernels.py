"""The inner loops over whole texts: which may not be in NFC, and the digest of each with its white space folded.

They read Arrow's buffers as they are (no Python strings), take any bytes, and hold no more than a fixed block of a text
at a time, however long it is. ASCII is looked at 64 bytes at once. The digest is MurmurHash3 (x64, 128 bits; Appleby,
2011): its collisions are as rare as those of any hash of 128 bits, unless somebody makes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled, part
from curation.copying import copy
from curation.deduplication.lanes import (
    LANES,
    any_over,
    blanked,
    copy_lanes,
    decode,
    eight_bytes,
    first_bits,
    lowest_bit,
)

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]

ROOM = 16384
"""Bytes of folded text that are held at a time."""
_ONE, _27, _31, _33 = (np.uint64(n) for n in (1, 27, 31, 33))


@part
def may_compose(data: Bytes, start: int, stop: int, classes: Bytes) -> bool:
    """Whether a text has a code point that NFC may change."""
    i = start
    while i < stop:
        if i + LANES <= stop and not any_over(data, i, 0xCC):  # every code point below U+0300 is as NFC has it
            i += LANES
            continue
        ahead = min(i + LANES, stop)
        while i < ahead:
            if data[i] < 0xCC:
                i += 1
                continue
            point, size = decode(data, i, stop)
            if 0 <= point < len(classes) and classes[point] & 2:
                return True
            i += size
    return False


@part
def murmur_blocks(data: Bytes, stop: int, state: Hashes) -> None:
    """Take the whole 16-byte blocks of data[:stop] into the state of the digest."""
    h1, h2 = state[0], state[1]
    for at in range(0, stop - 15, 16):
        k1 = eight_bytes(data, at) * np.uint64(0x87C37B91114253D5)
        k1 = ((k1 << _31) | (k1 >> _33)) * np.uint64(0x4CF5AD432745937F)
        h1 ^= k1
        h1 = ((h1 << _27) | (h1 >> np.uint64(37))) + h2
        h1 = h1 * np.uint64(5) + np.uint64(0x52DCE729)
        k2 = eight_bytes(data, at + 8) * np.uint64(0x4CF5AD432745937F)
        k2 = ((k2 << _33) | (k2 >> _31)) * np.uint64(0x87C37B91114253D5)
        h2 ^= k2
        h2 = ((h2 << _31) | (h2 >> _33)) + h1
        h2 = h2 * np.uint64(5) + np.uint64(0x38495AB5)
    state[0], state[1] = h1, h2


@part
def murmur_end(data: Bytes, n: int, total: int, state: Hashes) -> None:
    """End the digest with the last n < 16 bytes of `total`."""
    k1, k2 = np.uint64(0), np.uint64(0)
    for i in range(n):
        byte = np.uint64(data[i]) << np.uint64(8 * (i & 7))
        if i < 8:
            k1 |= byte
        else:
            k2 |= byte
    k2 = k2 * np.uint64(0x4CF5AD432745937F)
    state[1] ^= ((k2 << _33) | (k2 >> _31)) * np.uint64(0x87C37B91114253D5)
    k1 = k1 * np.uint64(0x87C37B91114253D5)
    state[0] ^= ((k1 << _31) | (k1 >> _33)) * np.uint64(0x4CF5AD432745937F)
    h1, h2 = state[0] ^ np.uint64(total), state[1] ^ np.uint64(total)
    h1 += h2
    h2 += h1
    h1 = (h1 ^ (h1 >> _33)) * np.uint64(0xFF51AFD7ED558CCD)
    h1 = (h1 ^ (h1 >> _33)) * np.uint64(0xC4CEB9FE1A85EC53)
    h2 = (h2 ^ (h2 >> _33)) * np.uint64(0xFF51AFD7ED558CCD)
    h2 = (h2 ^ (h2 >> _33)) * np.uint64(0xC4CEB9FE1A85EC53)
    h1 ^= h1 >> _33
    h2 ^= h2 >> _33
    h1 += h2
    state[0], state[1] = h1, h2 + h1


@part
def digest_text(
    data: Bytes, start: int, stop: int, classes: Bytes, folding: bool, room: Bytes, line: Bytes, state: Hashes
) -> int:
    """The digest of a text, in `state`, and its code points: as it is, or with each run of white space as one blank.

    White space at its ends does not count. `room` and `line` are scratch, of ROOM and 2 * LANES bytes.
    """
    state[:] = 0
    i, end, total, characters, after_space = start, 0, 0, 0, _ONE
    while i < stop:
        if end > ROOM - 3 * LANES:
            whole = (end - 1) & ~15  # leaves one byte or more: it may be a blank at the end
            murmur_blocks(room, whole, state)
            copy(room, whole, end, room, 0)
            total += whole
            end -= whole
        size = min(LANES, stop - i)
        if i + LANES <= len(data):
            beyond, white = blanked(data, i, line)
        else:
            copy(data, i, stop, line, LANES)
            beyond, white = blanked(line, LANES, line)
        near = min(size, lowest_bit(beyond))
        if folding:
            dropped = white & ((white << _ONE) | after_space)
            kept = ~dropped & first_bits(near)
            while kept != 0:
                first = lowest_bit(kept)
                run = lowest_bit(~(kept >> np.uint64(first)))
                copy_lanes(line, first, room, end)
                end += run
                kept &= ~(first_bits(run) << np.uint64(first))
            after_space = (white >> np.uint64(near - 1)) & _ONE if near else after_space
        elif near:
            copy(data, i, i + near, room, end)
            end += near
        characters += near
        i += near
        ahead = min(stop, i + LANES) if near < size else i
        while i < ahead and data[i] >= 128:
            point, size = decode(data, i, stop)
            characters += 1
            if folding and 0 <= point < len(classes) and classes[point] & 1:
                room[end] = 32
                end += 0 if after_space else 1
                after_space = _ONE
            else:
                for j in range(size):
                    room[end + j] = data[i + j]
                end += size
                after_space = np.uint64(0)
            i += size
    if folding and after_space and end > 0:
        end -= 1
    whole = end & ~15
    murmur_blocks(room, whole, state)
    murmur_end(room[whole:], end - whole, total + end, state)
    return characters


@compiled
def mark_doubtful(data: Bytes, offsets: Ints, classes: Bytes, doubtful: npt.NDArray[np.bool_]) -> None:
    """Mark the texts that may not be in NFC."""
    for i in range(len(doubtful)):
        doubtful[i] = may_compose(data, offsets[i], offsets[i + 1], classes)


@compiled
def digest_all(data: Bytes, offsets: Ints, classes: Bytes, folding: bool, digests: Bytes, characters: Ints) -> None:
    """Write the digest of each text in hexadecimal to its row of 32 bytes of `digests`, and count its code points."""
    room, line, state = np.empty(ROOM, np.uint8), np.empty(2 * LANES, np.uint8), np.empty(2, np.uint64)
    for i in range(len(characters)):
        characters[i] = digest_text(data, offsets[i], offsets[i + 1], classes, folding, room, line, state)
        for j in range(32):
            digit = np.int64(state[j >> 4] >> np.uint64(60 - 4 * (j & 15))) & 15
            digests[i, j] = 48 + digit if digit < 10 else 87 + digit
