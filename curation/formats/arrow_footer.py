"""What the footer of an Arrow file names. It is believed by whoever reads the file, so where it is damaged, record batches would
be left out, or read twice, without a word: here it is held against the file, which has nothing but blocks up to its footer.
"""

from __future__ import annotations

import io
import struct
from itertools import chain
from typing import BinaryIO

_HEAD, _TAIL = 8, 10
"""The magic number with its padding, and the length of the footer with the magic number."""
_DICTIONARIES, _BATCHES = 2, 3
_BLOCK = struct.Struct("<qi4xq")
_GAP = 4096
"""Of what no block covers so much is looked at: it begins with a message, or there is none."""


def sound_batches(data: bytes | BinaryIO) -> tuple[int, bool]:
    """How many record batches, from the first, lie where a block may, and whether the file has no more than these.

    The footer must be one that PyArrow has opened.
    """
    file = io.BytesIO(data) if isinstance(data, bytes) else data
    footer_at = file.seek(0, io.SEEK_END) - _TAIL
    file.seek(footer_at)
    footer_at -= int.from_bytes(file.read(4), "little")
    file.seek(footer_at)
    footer = file.read()
    named = [_blocks(footer, kind) for kind in (_BATCHES, _DICTIONARIES)]
    broken = _broken_at(file, sorted(chain.from_iterable(named)), footer_at)
    starts = [start for start, _ in named[0]]
    if broken is None:
        return len(starts), True
    return next((number for number, at in enumerate(starts) if at >= broken), len(starts)), False


def _broken_at(file: BinaryIO, blocks: list[tuple[int, int]], end: int) -> int | None:
    """The first place where the blocks do not lie one behind the other, with nothing between them and behind the last."""
    covered = blocks[0][0] if blocks else _end_of_schema(file, end)
    for start, after in [*blocks, (end, end)]:
        if not _HEAD <= covered <= start <= end or _holds_something(file, covered, start):
            return min(start, covered)
        covered = max(start, after)
    return None


def _holds_something(file: BinaryIO, start: int, end: int) -> bool:
    """Whether there is more than padding and the mark of a stream's end."""
    file.seek(start)
    return bool(file.read(min(end - start, _GAP)).strip(b"\0\xff"))


def _end_of_schema(file: BinaryIO, end: int) -> int:
    """Where the first message ends: behind a mark, its length and as many bytes; `end` where it has no mark, as some write it."""
    file.seek(_HEAD)
    mark, length = struct.unpack("<ii", file.read(8))
    return _HEAD + 8 + int(length) if mark == -1 else end


def _blocks(footer: bytes, field: int) -> list[tuple[int, int]]:
    """Where each block that a field of the footer, a FlatBuffer, names begins and ends."""

    def number(kind: str, at: int) -> int:
        return int(struct.unpack_from(f"<{kind}", footer, at)[0])

    root = number("I", 0)
    fields = root - number("i", root)
    slot = 4 + 2 * field
    within = number("H", fields + slot) if slot < number("H", fields) else 0
    if not within:
        return []
    vector = root + within + number("I", root + within)
    read = (_BLOCK.unpack_from(footer, vector + 4 + _BLOCK.size * each) for each in range(number("I", vector)))
    return [(start, start + metadata + body) for start, metadata, body in read]
