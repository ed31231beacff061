"""The digest of a text: MurmurHash3 (x64, 128 bits; Appleby, 2011), a stretch of bytes at a time.

Its collisions are as rare as those of any hash of 128 bits, unless somebody makes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import piece
from curation.deduplication.lanes import eight_bytes, up_to_sixteen

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
_27, _31, _33 = (np.uint64(n) for n in (27, 31, 33))


@piece
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


@piece
def murmur_end(data: Bytes, at: int, n: int, total: int, state: Hashes) -> None:
    """End the digest with the last of `total` bytes, which are the n < 16 bytes data[at:]; sixteen can be read there."""
    k1, k2 = up_to_sixteen(data, at, n)
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
