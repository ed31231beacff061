"""Lines of a file of any size: pieces of whole lines, with the number of the first, and the lines that are too large.

`line_pieces` finds them in a file in which one can go to any place, `line_blocks` in a stream, which is read once.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from curation.formats import Poison

PIECE_LINES = 250_000
_SAMPLE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes, or row groups, from `start` to before `end`; `first` is the number of its first line or row.

    Of row groups `bounds` are the numbers of their first rows, and one more than that of the last row.
    """

    start: int = 0
    end: int = 0
    first: int = 1
    bounds: tuple[int, ...] = ()


def line_pieces(chunks: Iterable[bytes], most: int, about: int) -> tuple[list[Piece], list[Poison]]:
    """Pieces of about so many bytes that end at line ends, and the lines of more than `most`, which are in none.

    A chunk is no larger than a line may be.
    """
    made = _LinePieces(most, about)
    for chunk in chunks:
        made.add(chunk)
    made.end_line(made.offset)
    made.cut(made.offset)
    return made.pieces, made.poisons


@dataclass(slots=True)
class _LinePieces:
    """Pieces in the making: where the chunk, the piece and the line begin, and the piece's lines so far."""

    limit: int
    about: int
    offset: int = 0
    start: int = 0
    line: int = 0
    first: int = 1
    lines: int = 0
    pieces: list[Piece] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)

    def add(self, chunk: bytes) -> None:
        """The bytes that follow."""
        ends = chunk.count(b"\n")
        if ends:
            too_large = self.end_line(self.offset + chunk.find(b"\n"))
            self.lines += ends - too_large
            self.line = self.offset + chunk.rfind(b"\n") + 1
            if self.line - self.start >= min(self.about, self.limit) or self.lines >= PIECE_LINES:
                self.cut(self.line)
        self.offset += len(chunk)

    def end_line(self, end: int) -> bool:
        """The line that began before ends here; one that is too large is set apart between two pieces."""
        if end - self.line <= self.limit:
            return False
        self.cut(self.line)
        self.poisons.append(_too_large(self.first, self.limit))
        self.start, self.first = end + 1, self.first + 1
        return True

    def cut(self, end: int) -> None:
        """A piece ends."""
        if end > self.start:
            self.pieces.append(Piece(self.start, end, self.first))
        self.start, self.first, self.lines = max(end, self.start), self.first + self.lines, 0


def first_lines(opened: BinaryIO, most: int) -> Iterator[bytes]:
    """Lines that are not blank, until they are many bytes or one is too large."""
    read = 0
    while read < _SAMPLE_BYTES and (line := opened.readline(most + 2)):
        if len(line.removesuffix(b"\n")) > most:
            return
        text = without_mark(line, read)
        read += len(line)
        if text.strip():
            yield text


def line_blocks(content: BinaryIO, most: int, about: int) -> Iterator[tuple[Piece, bytes] | Poison]:
    """Whole lines as pieces of about so many bytes; for a line that is too large, which is never held, why it is in none."""
    start, first, held, is_skipped = 0, 1, b"", False
    while chunk := content.read(min(about, most)):
        if is_skipped:
            end = chunk.find(b"\n") + 1
            start += end or len(chunk)
            if not end:
                continue
            first, chunk, is_skipped = first + 1, chunk[end:], False
        held += chunk
        end = held.find(b"\n")
        if (end if end >= 0 else len(held)) > most:
            yield _too_large(first, most)
            is_skipped = end < 0
            start += len(held) if is_skipped else end + 1
            held = b"" if is_skipped else held[end + 1 :]
            first += not is_skipped
        if end := held.rfind(b"\n") + 1:
            yield Piece(start, start + end, first), without_mark(held[:end], start)
            first, start, held = first + held.count(b"\n", 0, end), start + end, held[end:]
    if held:
        yield Piece(start, start + len(held), first), without_mark(held, start)


def without_mark(data: bytes, start: int) -> bytes:
    """The bytes that begin there, without the mark that says they are UTF-8."""
    return data.removeprefix(codecs.BOM_UTF8) if start == 0 else data


def _too_large(line: int, most: int) -> Poison:
    mend = f"the line is larger than reading.max_bytes ({most}): raise it, or split the record"
    return Poison(f"L{line}", "over the limit", mend)
