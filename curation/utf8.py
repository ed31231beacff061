"""Code points of valid UTF-8, for the compiled loops that look at characters one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined


@inlined
def code_point(data: npt.NDArray[np.uint8], i: int) -> tuple[int, int]:
    """The code point that starts at byte i, and how many bytes it takes."""
    first = int(data[i])
    if first < 0x80:
        return first, 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | int(data[i + 1]) & 0x3F, 2
    if first < 0xF0:
        return (first & 0x0F) << 12 | (int(data[i + 1]) & 0x3F) << 6 | int(data[i + 2]) & 0x3F, 3
    high = (first & 0x07) << 18 | (int(data[i + 1]) & 0x3F) << 12
    return high | (int(data[i + 2]) & 0x3F) << 6 | int(data[i + 3]) & 0x3F, 4


@inlined
def last_start(data: npt.NDArray[np.uint8], first: int, end: int) -> int:
    """Where the last character of data[first:end], which is not empty, starts."""
    i = end - 1
    while i > first and data[i] & 0xC0 == 0x80:
        i -= 1
    return i


@inlined
def lower(byte: int) -> int:
    """A to Z as a to z, other bytes as they are."""
    return byte | 0x20 if 0x41 <= byte <= 0x5A else byte
