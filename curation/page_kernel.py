"""The inner loop over pages of a Parquet file: from one length to the next, as each string stands behind its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, kernel

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@inlined
def _length(data: Bytes, at: int) -> int:
    """Four bytes, the lowest first."""
    return int(data[at]) | int(data[at + 1]) << 8 | int(data[at + 2]) << 16 | int(data[at + 3]) << 24


@kernel
def take_strings(
    data: Bytes, begins: Ints, counts: Ints, firsts: Ints, numbers: Ints, taken: Bytes, offsets: Ints
) -> bool:
    """Copy some strings of pages to `taken`, where string i comes to lie at offsets[i] to offsets[i + 1].

    Page p is data[begins[p] : begins[p + 1]]: first, behind the size of that, which strings are null, then counts[p] strings.
    Of these numbers[firsts[p] : firsts[p + 1]] are copied, which ascend. False where a page is not just so long.
    """
    offsets[0] = 0
    for page in range(len(counts)):
        at, end = begins[page], begins[page + 1]
        if at + 4 > end:
            return False
        at += 4 + _length(data, at)
        which, last = firsts[page], firsts[page + 1]
        for number in range(counts[page]):
            if at + 4 > end:
                return False
            size = _length(data, at)
            at += 4
            if size > end - at:
                return False
            while which < last and numbers[which] == number:
                to = offsets[which]
                for i in range(size):
                    taken[to + i] = data[at + i]
                offsets[which + 1] = to + size
                which += 1
            at += size
        if at != end or which < last:
            return False
    return True
