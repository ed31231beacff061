"""Files that are too large to be held, or of which too much comes out, read in the memory of a few pieces.

JSON Lines are cut at line ends, Parquet at its row groups, and all cores read the pieces. What nothing cuts safely (CSV,
an array of JSON, mailboxes, crawls, archives, whatever is compressed, and lines that lie in a store) is read as a stream
by one process. A line, row, element, message or member that is larger than the limit fails alone and is never held. What a file holds
is told from its first bytes, and its column of text from its first rows, once, so that pieces never show in an answer.

The digest is taken in the same pass that finds the pieces. Reading one later opens the file again: that it is still the
same file is told by what the system says of it (size, times, inode), before and after. A store is asked for the object
that the inventory saw and for no other.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from errno import ESTALE
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import xxhash

from curation.fetching import File, named_problems
from curation.formats import Item, Poison, ReadingSettings, Table, media_type
from curation.formats.archives import COMPRESSED, TAR, archive_stream, unfolding, without_ending
from curation.formats.arrow import ARROW_FILE, ARROW_STREAM, arrow_stream
from curation.formats.care import died_at, is_careful, reading
from curation.formats.column_tables import group_tables, row_groups
from curation.formats.decoding import are_of_rows, is_plain_utf8
from curation.formats.delimited import TSV, delimited_stream
from curation.formats.extracts import checked, died, over_the_limit
from curation.formats.json_files import json_stream, parsed_line
from curation.formats.mail import MAILBOX, mailbox_stream
from curation.formats.packages import ZIP
from curation.formats.parquet import PARQUET, Group, first_rows, parquet_rows
from curation.formats.row_tables import PLACES, GeneralWay, json_lines
from curation.formats.rows import Row, sampled_column, unfolded_items, with_column
from curation.formats.sniffing import JSON, JSON_LINES
from curation.formats.warc import WARC, warc_items
from curation.inventory import open_regular
from curation.line_pieces import Piece, first_lines, line_blocks, line_pieces, without_mark
from curation.object_stores import CHANGED

PIECE_BYTES = 16 << 20
_CHUNK = 1 << 20
_STREAM_ITEMS = 2_000
_UNBOUNDED = 1 << 62
_NOT_UTF8 = "a file of this size is read as UTF-8: write the line anew, or the file"

Found = Iterable[Item] | Table
Stamp = tuple[int, int, int, int]
_OBJECT: Stamp = (0, 0, 0, 0)
"""Of an object in a store."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file holds, and how that is compressed ("" for not at all)."""

    media_type: str
    compression: str = ""

    @property
    def is_piecewise(self) -> bool:
        """Whether it can be read in pieces, or as a stream."""
        if self.compression:
            return self.media_type in _FORWARD or self.media_type == JSON_LINES
        return self.media_type in (JSON_LINES, PARQUET) or self.media_type in _STREAMS


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is read: as what, in which pieces, and which of its records are too large."""

    kind: Kind
    stamp: Stamp
    column: tuple[str, ...]
    pieces: tuple[Piece, ...]
    poisons: tuple[Poison, ...] = ()


def is_large(file: File, settings: ReadingSettings) -> bool:
    """Whether a file is larger than what is read whole."""
    return not file.problem and file.size > settings.max_bytes


def is_piecewise(data: bytes, path: str) -> bool:
    """Whether a file that is held already could be read in pieces."""
    return _kind(io.BytesIO(data), path).is_piecewise


def is_halved(data: bytes, path: str) -> bool:
    """Whether a file that is held already has pieces that are halved when a process dies of one."""
    return _kind(io.BytesIO(data), path) in (Kind(JSON_LINES), Kind(PARQUET))


def plan(file: File, settings: ReadingSettings) -> Plan:
    """Look through a file once. Raises Unreadable for one that cannot be read, or not in pieces."""
    with named_problems(), _opened(file) as opened:
        stamp = _stamp(opened)
        kind = _kind(opened, file.path)
        if not kind.is_piecewise:
            raise over_the_limit(settings.max_bytes)
        pieces, poisons = [Piece(0, file.size)], list[Poison]()
        if isinstance(file.root, Path):
            state = xxhash.xxh3_128()
            chunks = _chunks(opened, state, min(_CHUNK, settings.max_bytes))
            if kind == Kind(JSON_LINES):
                pieces, poisons = line_pieces(chunks, settings.max_bytes, PIECE_BYTES)
            for _ in chunks:
                pass
            if state.hexdigest() != file.bytes_digest or _stamp(opened) != stamp:
                raise OSError(ESTALE, CHANGED, file.path)
        column: tuple[str, ...] = ()
        if kind.media_type == PARQUET:
            pieces = [_piece_of(groups) for groups in row_groups(opened, PIECE_BYTES)]
            column = sampled_column(first_rows(opened), PARQUET, settings)
        elif kind.media_type == JSON_LINES:
            column = _sampled(_content(opened, file, kind, settings), settings)
        return Plan(kind, stamp, column, tuple(pieces), tuple(poisons))


def named(planned: Plan, piece: Piece) -> tuple[str, str] | None:
    """The place of what cannot be halved, and what it is in words; None of a file that is read as one stream."""
    if piece.bounds:
        return f"row={piece.first}", str(groups_in(piece)[0])
    if planned.kind == Kind(JSON_LINES) and planned.stamp != _OBJECT:
        return f"L{piece.first}", "the line"
    return None


def halves(file: File, planned: Plan, piece: Piece) -> tuple[Piece, ...]:
    """Lines or row groups as two pieces; none where it is one. Raises Unreadable as `read_piece` does."""
    if piece.bounds:
        half = (piece.end - piece.start) // 2
        middle, bounds = piece.start + half, piece.bounds
        first = Piece(piece.start, middle, piece.first, bounds[: half + 1])
        return (first, Piece(middle, piece.end, bounds[half], bounds[half:])) if half else ()
    with named_problems(), _opened(file) as opened:
        if _stamp(opened) != planned.stamp:
            raise OSError(ESTALE, CHANGED, file.path)
        opened.seek(piece.start)
        data = opened.read(piece.end - piece.start)
    cut = data.rfind(b"\n", 0, len(data) // 2) + 1 or data.find(b"\n") + 1
    if not 0 < cut < len(data):
        return ()
    middle, lines = piece.start + cut, data.count(b"\n", 0, cut)
    return Piece(piece.start, middle, piece.first), Piece(middle, piece.end, piece.first + lines)


def read_piece(file: File, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Found]:
    """What a piece gives, so much at a time as can be held.

    Raises Unreadable when the whole file fails by it, and Damaged when something of its row groups cannot be read.
    """
    bounds = replace(settings, max_records=_UNBOUNDED, max_characters=_UNBOUNDED)
    with named_problems(), _opened(file) as opened:
        if _stamp(opened) != planned.stamp:
            raise OSError(ESTALE, CHANGED, file.path)
        kind = planned.kind.media_type
        if planned.kind == Kind(JSON_LINES) and isinstance(file.root, Path):
            yield _lines(_bytes(opened, piece), planned, piece, bounds)
        elif kind == PARQUET:
            yield from _groups(opened, planned, piece, bounds)
        elif kind == JSON_LINES:
            yield from _line_stream(_content(opened, file, planned.kind, settings), planned, bounds)
        elif kind in (TAR, ZIP):
            within, depth = replace(settings, max_unfolded=_most(file, settings)), 2 if planned.kind.compression else 1
            yield from _held(archive_stream(_content(opened, file, planned.kind, settings), kind, within, depth))
        else:
            yield from _held(_STREAMS[kind](_content(opened, file, planned.kind, settings), kind, bounds))
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


_FORWARD: dict[str, Callable[[BinaryIO, str, ReadingSettings], Iterator[Item]]] = {
    "text/csv": delimited_stream,
    TSV: delimited_stream,
    JSON: json_stream,
    MAILBOX: mailbox_stream,
    WARC: warc_items,
    ARROW_STREAM: arrow_stream,
    TAR: archive_stream,
}
"""What is read from its beginning to its end."""

_STREAMS = {**_FORWARD, ARROW_FILE: arrow_stream, ZIP: archive_stream}


def _opened(file: File) -> BinaryIO:
    if isinstance(file.root, Path):
        return open_regular(file.root / file.path)
    return file.root.open(file.path, file.bytes_digest, file.size)


def _kind(opened: BinaryIO, path: str) -> Kind:
    """What the first bytes say; a crawl is compressed record by record, and read as it is. The file is wound back."""
    head = opened.read(_CHUNK)
    opened.seek(0)
    if path.endswith(".warc.gz") and head.startswith(b"\x1f\x8b"):
        return Kind(WARC)
    kind = media_type(head, path)
    if kind not in COMPRESSED:
        return Kind(_with_lines(kind, head))
    inner = unfolding(opened, kind, _UNBOUNDED).read(_CHUNK)
    opened.seek(0)
    return Kind(_with_lines(media_type(inner, without_ending(path)), inner), kind)


def _with_lines(kind: str, head: bytes) -> str:
    """Lines of JSON are cut as bytes, which of another encoding they cannot be."""
    return kind if kind != JSON_LINES or is_plain_utf8(head) or are_of_rows(head) else "text/plain"


def _content(opened: BinaryIO, file: File, kind: Kind, settings: ReadingSettings) -> BinaryIO:
    """What the file holds, from its beginning."""
    opened.seek(0)
    return unfolding(opened, kind.compression, _most(file, settings)) if kind.compression else opened


def _most(file: File, settings: ReadingSettings) -> int:
    """Bytes that a file may unfold to."""
    return max(settings.max_unfolded, settings.max_ratio * file.size)


def _stamp(opened: BinaryIO) -> Stamp:
    """What the system says of a file; an object that is opened is always the same."""
    if not isinstance(opened, io.BufferedReader) or not isinstance(opened.raw, io.FileIO):
        return _OBJECT
    seen = os.fstat(opened.fileno())
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _chunks(opened: BinaryIO, state: xxhash.xxh3_128, size: int) -> Iterator[bytes]:
    while chunk := opened.read(size):
        state.update(chunk)
        yield chunk


def _sampled(opened: BinaryIO, settings: ReadingSettings) -> tuple[str, ...]:
    """The column of text that the first rows tell, wherever the first piece ends."""
    return sampled_column(_sample_rows(first_lines(opened, settings.max_bytes), settings), JSON_LINES, settings)


def _sample_rows(lines: Iterable[bytes], settings: ReadingSettings) -> Iterator[Row]:
    """The values of lines, without those that a process died of here: read at their place they fail alone."""
    for number, line in enumerate(lines, 1):
        place = f"sample={number}"
        if died_at(place) is None:
            with reading(place):
                row = parsed_line("", line.decode("utf-8", "replace"))
                if is_careful():
                    list(unfolded_items(row, settings, JSON_LINES))
            yield row


def _bytes(opened: BinaryIO, piece: Piece) -> bytes:
    opened.seek(piece.start)
    return without_mark(opened.read(piece.end - piece.start), piece.start)


def _lines(data: bytes, planned: Plan, piece: Piece, settings: ReadingSettings) -> Found:
    try:
        return json_lines(data, piece.first, JSON_LINES, settings, planned.column, piece.end - len(data))
    except (GeneralWay, MemoryError):  # by itself a line takes less, and one that takes too much fails alone
        return [checked(item) for item in _line_items(data, planned, piece, settings)]


def _line_stream(content: BinaryIO, planned: Plan, settings: ReadingSettings) -> Iterator[Found]:
    """Lines of a stream, so many at a time as are few bytes; of what is compressed no place in bytes is known."""
    for block in _apart(line_blocks(content, settings.max_bytes, PIECE_BYTES)):
        if isinstance(block, Poison):
            yield [block]
            continue
        piece, data = block
        with reading(_place(piece, data)):
            found = _lines(data, planned, piece, settings)
        if planned.kind.compression and isinstance(found, Table):
            found = replace(found, extracts=found.extracts.drop(PLACES))
        yield found


def _apart(blocks: Iterator[tuple[Piece, bytes] | Poison]) -> Iterator[tuple[Piece, bytes] | Poison]:
    """The blocks; those that a process died of line by line, and of a line that one died of its failure."""
    for block in blocks:
        if isinstance(block, Poison) or died_at(_place(*block)) is None:
            yield block
            continue
        piece, data = block
        start = piece.end - len(data)
        for number, line in enumerate(data.splitlines(keepends=True), piece.first):
            signal = died_at(f"L{number}")
            yield (Piece(start, start + len(line), number), line) if signal is None else died(f"L{number}", signal)
            start += len(line)


def _place(piece: Piece, data: bytes) -> str:
    """The place of a block of lines, and of one line."""
    more = data.count(b"\n", 0, len(data) - 1)
    return f"L{piece.first}" + (f"-{piece.first + more}" if more else "")


def _groups(opened: BinaryIO, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Found]:
    groups = groups_in(piece)
    try:
        yield from group_tables(opened, groups, planned.column, PARQUET, settings, 2 * PIECE_BYTES)
    except GeneralWay:
        rows = parquet_rows(opened, PARQUET, settings, groups)
        own = with_column(settings, planned.column)
        yield from _held(item for row in rows for item in unfolded_items(row, own, PARQUET))


def _piece_of(groups: Sequence[Group]) -> Piece:
    bounds = (groups[0].first, *(group.first + group.rows for group in groups))
    return Piece(groups[0].number - 1, groups[-1].number, bounds[0], bounds)


def groups_in(piece: Piece) -> list[Group]:
    """The row groups of a piece; of lines there are none."""
    numbered = enumerate(pairwise(piece.bounds), piece.start + 1)
    return [Group(number, first, end - first) for number, (first, end) in numbered]


def _line_items(data: bytes, planned: Plan, piece: Piece, settings: ReadingSettings) -> Iterator[Item]:
    """Line by line, where telemetry or foreign bytes stand among the lines."""
    own = with_column(settings, planned.column)
    for number, line in enumerate(io.BytesIO(data), piece.first):
        try:
            text = line.decode()
        except UnicodeDecodeError:
            yield Poison(f"L{number}", "unknown encoding", _NOT_UTF8)
            continue
        if text.strip():
            yield from unfolded_items(parsed_line(f"L{number}", text.rstrip("\n")), own, JSON_LINES)
