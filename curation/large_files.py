"""Files that are too large to be held, read in pieces by all cores in the memory of a few pieces.

JSON Lines are cut at line ends, Parquet at its row groups; CSV and WARC, which nothing cuts safely, are read as streams
by one process. A line or record that is larger than the limit fails alone and is never held. What a file holds is told
from its first bytes, and its column of text from its first rows, once, so that pieces never show in an answer.

The digest is taken in the same pass that finds the pieces. Reading one later opens the file again: that it is still the
same file is told by what the system says of it (size, times, inode), before and after.
"""

from __future__ import annotations

import codecs
import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from errno import ESTALE
from pathlib import Path
from typing import BinaryIO

import xxhash

from curation.fetching import File, named_problems, over_the_limit
from curation.formats import Item, Poison, ReadingSettings, Table, media_type
from curation.formats.column_tables import group_tables, row_groups
from curation.formats.decoding import is_plain_utf8
from curation.formats.delimited import TSV, delimited_stream
from curation.formats.extracts import checked
from curation.formats.json_files import parsed_line
from curation.formats.parquet import PARQUET, damaged, parquet_rows
from curation.formats.row_tables import GeneralWay, json_lines
from curation.formats.rows import sampled_column, unfolded_items
from curation.formats.sniffing import JSON_LINES
from curation.formats.warc import WARC, warc_items
from curation.inventory import open_regular
from curation.object_stores import CHANGED

PIECE_BYTES = 32 << 20
PIECE_LINES = 250_000
_CHUNK = 1 << 20
_SAMPLE_BYTES = 32 << 20
_STREAM_ITEMS = 2_000
_UNBOUNDED = 1 << 62
_NOT_UTF8 = "a file of this size is read as UTF-8: write the line anew, or the file"

Found = Iterable[Item] | Table
Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes, or row groups, from `start` to before `end`; `first` is the number of its first line or row."""

    start: int = 0
    end: int = 0
    first: int = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is read: as what, in which pieces, and which of its records are too large."""

    kind: str
    stamp: Stamp
    column: tuple[str, ...]
    pieces: tuple[Piece, ...]
    poisons: tuple[Poison, ...] = ()


def is_large(file: File, settings: ReadingSettings) -> bool:
    """Whether a file is larger than what is read whole, and lies where parts of it can be read."""
    return not file.problem and file.size > settings.max_bytes and isinstance(file.root, Path)


def plan(file: File, settings: ReadingSettings) -> Plan:
    """Look through a file once. Raises Unreadable for one that cannot be read, or not in pieces."""
    with named_problems(), _opened(file) as opened:
        stamp = _stamp(opened)
        head = opened.read(_CHUNK)
        kind = _kind(head, file.path)
        if kind not in _STREAMS and kind not in (JSON_LINES, PARQUET):
            raise over_the_limit(settings.max_bytes)
        if kind == JSON_LINES and not is_plain_utf8(head):
            raise over_the_limit(settings.max_bytes)
        opened.seek(0)
        state = xxhash.xxh3_128()
        chunks = _chunks(opened, state, min(_CHUNK, settings.max_bytes))
        pieces, poisons = _line_pieces(chunks, settings) if kind == JSON_LINES else ([], [])
        for _ in chunks:
            pass
        if state.hexdigest() != file.bytes_digest or _stamp(opened) != stamp:
            raise OSError(ESTALE, CHANGED, file.path)
        if kind == PARQUET:
            pieces = [Piece(*group) for group in row_groups(opened, PIECE_BYTES)]
            column = sampled_column(parquet_rows(opened, kind, settings), kind, settings)
            return Plan(kind, stamp, column, tuple(pieces))
        if kind in _STREAMS:
            return Plan(kind, stamp, (), (Piece(0, file.size),))
        return Plan(kind, stamp, _sampled(opened, settings), tuple(pieces), tuple(poisons))


def read_piece(file: File, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Found]:
    """What a piece gives, so much at a time as can be held. Raises Unreadable when the whole file fails by it."""
    bounds = replace(settings, max_records=_UNBOUNDED, max_characters=_UNBOUNDED)
    with named_problems(), _opened(file) as opened:
        if _stamp(opened) != planned.stamp:
            raise OSError(ESTALE, CHANGED, file.path)
        if planned.kind == JSON_LINES:
            yield _lines(opened, planned, piece, bounds)
        elif planned.kind == PARQUET:
            yield from _groups(opened, planned, piece, bounds)
        else:
            yield from _held(_STREAMS[planned.kind](opened, planned.kind, bounds))
        if _stamp(opened) != planned.stamp:
            raise OSError(ESTALE, CHANGED, file.path)


def _held(items: Iterator[Item]) -> Iterator[list[Item]]:
    """A stream of items, so many at a time as are few bytes."""
    held: list[Item] = []
    size = 0
    for item in items:
        held.append(checked(item))
        size += 0 if isinstance(item, Poison) else len(item.text)
        if size > PIECE_BYTES or len(held) == _STREAM_ITEMS:
            yield held
            held, size = [], 0
    yield held


_STREAMS: dict[str, Callable[[BinaryIO, str, ReadingSettings], Iterator[Item]]] = {
    "text/csv": delimited_stream,
    TSV: delimited_stream,
    WARC: warc_items,
}


def _opened(file: File) -> BinaryIO:
    assert isinstance(file.root, Path)  # as `is_large` has it
    return open_regular(file.root / file.path)


def _kind(head: bytes, path: str) -> str:
    """What the first bytes say; a crawl is compressed record by record, and read as it is."""
    if path.endswith(".warc.gz") and head.startswith(b"\x1f\x8b"):
        return WARC
    return media_type(head, path)


def _stamp(opened: BinaryIO) -> Stamp:
    seen = os.fstat(opened.fileno())
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _chunks(opened: BinaryIO, state: xxhash.xxh3_128, size: int) -> Iterator[bytes]:
    while chunk := opened.read(size):
        state.update(chunk)
        yield chunk


def _line_pieces(chunks: Iterable[bytes], settings: ReadingSettings) -> tuple[list[Piece], list[Poison]]:
    """Pieces that end at line ends, and the lines that are too large to be in any. A chunk is no larger than a line may be."""
    made = _LinePieces(settings.max_bytes)
    for chunk in chunks:
        made.add(chunk)
    made.end_line(made.offset)
    made.cut(made.offset)
    return made.pieces, made.poisons


@dataclass(slots=True)
class _LinePieces:
    """Pieces in the making: where the chunk, the piece and the line begin, and the piece's lines so far."""

    limit: int
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
            if self.line - self.start >= min(PIECE_BYTES, self.limit) or self.lines >= PIECE_LINES:
                self.cut(self.line)
        self.offset += len(chunk)

    def end_line(self, end: int) -> bool:
        """The line that began before ends here; one that is too large is set apart between two pieces."""
        if end - self.line <= self.limit:
            return False
        self.cut(self.line)
        mend = f"the line is larger than reading.max_bytes ({self.limit}): raise it, or split the record"
        self.poisons.append(Poison(f"L{self.first}", "over the limit", mend))
        self.start, self.first = end + 1, self.first + 1
        return True

    def cut(self, end: int) -> None:
        """A piece ends."""
        if end > self.start:
            self.pieces.append(Piece(self.start, end, self.first))
        self.start, self.first, self.lines = max(end, self.start), self.first + self.lines, 0


def _sampled(opened: BinaryIO, settings: ReadingSettings) -> tuple[str, ...]:
    """The column of text that the first rows tell, wherever the first piece ends."""
    opened.seek(0)
    rows = (parsed_line("", line.decode("utf-8-sig", "replace")) for line in _first_lines(opened, settings.max_bytes))
    return sampled_column(rows, JSON_LINES, settings)


def _first_lines(opened: BinaryIO, most: int) -> Iterator[bytes]:
    """Lines that are not blank, until they are many bytes or one is too large."""
    left = _SAMPLE_BYTES
    while left > 0 and (line := opened.readline(most + 2)):
        if len(line.removesuffix(b"\n")) > most:
            return
        left -= len(line)
        if not line.isspace():
            yield line


def _bytes(opened: BinaryIO, piece: Piece) -> bytes:
    opened.seek(piece.start)
    data = opened.read(piece.end - piece.start)
    return data.removeprefix(codecs.BOM_UTF8) if piece.start == 0 else data


def _lines(opened: BinaryIO, planned: Plan, piece: Piece, settings: ReadingSettings) -> Found:
    data = _bytes(opened, piece)
    try:
        return json_lines(data, piece.first, planned.kind, settings, planned.column, piece.end - len(data))
    except GeneralWay:
        return [checked(item) for item in _line_items(data, planned, piece, settings)]


def _groups(opened: BinaryIO, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Found]:
    groups = range(piece.start, piece.end)
    given = 0
    try:
        for table in group_tables(opened, groups, piece.first, planned.column, planned.kind, settings, PIECE_BYTES):
            yield table
            given += 1
    except GeneralWay as error:
        if given:
            raise damaged() from error
        rows = parquet_rows(opened, planned.kind, settings, groups, piece.first)
        columns = (*settings.text_columns, *planned.column)
        yield from _held(item for row in rows for item in unfolded_items(row, columns, planned.kind))


def _line_items(data: bytes, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Item]:
    """Line by line, where telemetry or foreign bytes stand among the lines."""
    columns = (*settings.text_columns, *planned.column)
    for number, line in enumerate(io.BytesIO(data), piece.first):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            yield Poison(f"L{number}", "unknown encoding", _NOT_UTF8)
            continue
        if text.strip():
            yield from unfolded_items(parsed_line(f"L{number}", text.rstrip("\n")), columns, planned.kind)
