"""The passes over UTF-8 bytes that language needs, compiled by Numba: letters by script, and the sample for the model.

The sample is letters and marks with one space between words: digits, signs and mark-up say nothing of a language, and
the model is right more often without them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from curation.compilation import inlined, kernel, piece

_LONGEST_SKIP: Final = 32
_SPACE: Final = 0x20

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@inlined
def _entry(table: Bytes, data: Bytes, i: int) -> tuple[int, int]:
    """The table's entry for the code point that starts at byte i (0 beyond its end), and how many bytes that takes."""
    first = int(data[i])
    if first < 0x80:
        return int(table[first]), 1
    if first < 0xE0:
        return int(table[(first & 0x1F) << 6 | int(data[i + 1]) & 0x3F]), 2
    if first < 0xF0:
        return int(table[(first & 0x0F) << 12 | (int(data[i + 1]) & 0x3F) << 6 | int(data[i + 2]) & 0x3F]), 3
    high = (first & 0x07) << 18 | (int(data[i + 1]) & 0x3F) << 12
    code = high | (int(data[i + 2]) & 0x3F) << 6 | int(data[i + 3]) & 0x3F
    return (int(table[code]) if code < len(table) else 0), 4


@kernel
def count_scripts(data: Bytes, offsets: Ints, table: Bytes, counts: Ints) -> None:
    """Count how many characters have each entry of the table, a row per text, but for ASCII's that are no letters.

    Text i is data[offsets[i] : offsets[i + 1]]; `counts` begins as zeros.
    """
    latin = table[0x61]
    for row in range(len(offsets) - 1):
        i, end, letters = offsets[row], offsets[row + 1], 0
        while i < end:
            if data[i] < 0x80:
                letters += table[data[i]] == latin
                i += 1
            else:
                entry, width = _entry(table, data, i)
                counts[row, entry] += 1
                i += width
        counts[row, latin] += letters


def samples(data: Bytes, offsets: Ints, table: Bytes, pieces: int, piece_bytes: int) -> tuple[Bytes, Ints]:
    """The sample of each text: its bytes, and where each sample begins and ends in them.

    A text of at most pieces * piece_bytes bytes is read whole; of another, so many pieces whose starts are evenly spread,
    the first at its beginning and the last at its end.
    """
    most = np.minimum(np.diff(offsets), pieces * (piece_bytes + 4)) + pieces
    out, ends = np.empty(int(most.sum()), np.uint8), np.zeros(len(offsets), np.int64)
    sample_letters(data, offsets, table, pieces, piece_bytes, out, ends)
    return out[: ends[-1]], ends


@kernel
def sample_letters(
    data: Bytes, offsets: Ints, table: Bytes, pieces: int, piece_bytes: int, out: Bytes, ends: Ints
) -> None:
    """Write the sample of each text behind those before, and where it ends; there is room for all."""
    at = 0
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        if end - start <= pieces * piece_bytes:
            at = _letters(data, start, end, end, table, out, at, at)
        else:
            begin, free = at, end - start - piece_bytes
            for piece in range(pieces):
                first = start + (free * piece // (pieces - 1) if pieces > 1 else 0)
                at = _letters(
                    data, _word_start(data, start, first, end, table), first + piece_bytes, end, table, out, at, begin
                )
        ends[row + 1] = at


@piece
def _word_start(data: Bytes, start: int, first: int, end: int, table: Bytes) -> int:
    """From byte `first` on, where a word may start: after what is left of one that began before, if that is short."""
    i = first
    while i < end and data[i] & 0xC0 == 0x80:
        i += 1
    if i == start:
        return i
    at, limit = i, min(end, i + _LONGEST_SKIP)
    while at < limit:
        entry, width = _entry(table, data, at)
        if not entry:
            return at
        at += width
    return i


@piece
def _letters(data: Bytes, i: int, stop: int, end: int, table: Bytes, out: Bytes, at: int, begin: int) -> int:
    """Copy the letters and marks of the characters that start before `stop`, a space before each word but the first of
    the sample, which starts at `begin`; where the next byte goes."""
    inside = False
    while i < min(stop, end):
        entry, width = _entry(table, data, i)
        if entry:
            if not inside and at > begin:
                out[at] = _SPACE
                at += 1
            for k in range(width):
                out[at + k] = data[i + k]
            at += width
        inside = entry != 0
        i += width
    return at
