"""CSV and TSV: a row is a document; a row with too many or too few fields fails alone.

A row that a process died of is passed over by its quotes alone: where they are balanced, its last line ends. Of a file of
any size a row fails alone, too, that is too long to be held, or has bytes that are no UTF-8.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import BinaryIO, NamedTuple

from curation.formats.care import died_at, is_careful, reading
from curation.formats.decoding import decode_rows, is_unicode
from curation.formats.extracts import Item, Poison, ReadingSettings, Unreadable, died
from curation.formats.rows import PASSED, Row, extracts

TSV = "text/tab-separated-values"
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'(?>(?:[^"]++|"")*)')
"""A field from after its quote to before the quote that ends it."""
_NOT_UTF8 = "a file of this size is read as UTF-8: write the row anew, or the file"


def read_delimited(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per row, at `row=` and its number from 1; the first line is the header and no row."""
    return extracts(delimited_rows(data, media_type, settings), media_type, settings, passes_over=True)


def delimited_rows(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """Each row by the names of the header; a broken quote ends them."""
    text = decode_rows(data)
    return _rows(io.StringIO(text, newline=""), _delimiter(text, media_type), settings)


def delimited_stream(opened: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents of a file of any size, of which one row is held; it must be UTF-8."""
    stream = io.TextIOWrapper(opened, "utf-8-sig", "surrogateescape", newline="")
    try:
        lines = _Lines(stream, settings.max_bytes)
        header = next(lines, "")
        if not is_unicode(header):
            raise Unreadable("unknown encoding", f"the first line: {_NOT_UTF8}")
        lines.delimiter = _delimiter(header, media_type)
        rows = _rows(chain([header], lines), lines.delimiter, settings, lines.odd)
        yield from extracts(rows, media_type, settings, passes_over=True)
    except _TooLong as error:
        raise Unreadable("over the limit", f"the header: {error}") from error
    finally:
        stream.detach()


class _TooLong(Exception):
    """A row is too long to be held; the next line is that behind it. `lines` are those of it that the parser did not see."""

    def __init__(self, why: str, lines: int) -> None:
        super().__init__(why)
        self.lines = lines


@dataclass(slots=True)
class _Lines:
    """Lines of a file of any size, of which those of a row are held."""

    stream: io.TextIOWrapper
    most: int
    delimiter: str = ","
    row: list[str] = field(default_factory=list)
    length: int = 0
    """Of the row, as far as it is read."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self.stream.readline(self.most + 1)
        self.length += len(line)
        if self.length > self.most:
            lines = self._pass_over(line)
            raise _TooLong(f"longer than reading.max_bytes ({self.most}): raise it, or split the record", lines)
        if not line:
            raise StopIteration
        self.row.append(line)
        return line

    def odd(self, part: str, fields: Iterable[str]) -> Poison | None:
        """Why a row is no Unicode; to be asked of each, for then its lines are done with."""
        self._clear()
        return None if is_unicode("".join(fields)) else Poison(part, "unknown encoding", _NOT_UTF8)

    def _pass_over(self, line: str) -> int:
        """Read to the end of the row that this line belongs to, hold nothing of it, and count its lines from this one on.

        Raises csv.Error where its quotes are broken, for then nothing says where it ends.
        """
        is_quoted, begins, is_closed, lines = False, True, False, 0
        for before in self.row:
            is_quoted = _ends_quoted(before, self.delimiter, is_quoted)
        self._clear()
        while line:
            if is_closed and not line.startswith((*_after_quote(self.delimiter), '"')):
                raise csv.Error("a quote within a field in quotes")
            was = is_quoted
            is_quoted = _ends_quoted(line, self.delimiter, was, begins)
            lines += line.endswith(("\n", "\r"))
            if not is_quoted and line.endswith(("\n", "\r")):
                return lines
            is_closed = (  # by a quote that may be half of a doubled one
                line.endswith('"') and not is_quoted and _ends_quoted(line[:-1], self.delimiter, was, begins)
            )
            begins = is_closed or line.endswith((self.delimiter, "\n", "\r"))
            line = self.stream.readline(self.most + 1)
        if is_quoted:
            raise csv.Error("a field in quotes that does not end")
        return lines

    def _clear(self) -> None:
        self.row.clear()
        self.length = 0


def _rows(
    given: Iterable[str],
    delimiter: str,
    settings: ReadingSettings,
    odd: Callable[[str, Iterable[str]], Poison | None] = lambda part, fields: None,
) -> Iterator[Row]:
    """The rows; of one for which `odd` says why, that; it is asked of the header and of empty lines, too."""
    csv.field_size_limit(settings.max_bytes)  # the module's own limit (131,072) is shorter than many a text
    lines = iter(given)
    parsed = csv.reader(lines, delimiter=delimiter, strict=True)
    number = passed = 0
    line = 1
    try:
        with reading("header"):
            header = next(parsed, [])
        if why := odd("", header):
            raise Unreadable(why.error, f"the header: {why.detail}")
        line = 1 + parsed.line_num
        while True:
            try:
                for fields in _careful(parsed, lines, delimiter) if is_careful() else parsed:
                    part = f"row={number + 1}"
                    number += bool(fields)
                    if isinstance(fields, _Dead):
                        odd(part, ())
                        passed += fields.lines
                        yield died(part, fields.signal)
                    elif (why := odd(part, fields)) or fields:
                        yield why or _row(part, line, header, fields)
                    line = 1 + parsed.line_num + passed
                return
            except _TooLong as error:
                number += 1
                passed += error.lines
                line = 1 + parsed.line_num + passed
                yield Poison(f"row={number}", "over the limit", str(error))
    except csv.Error as error:
        message = f"line {line}: mend the quotes: from here on no row can be told from the next"
        if number == 0:
            raise Unreadable("malformed CSV", message) from error
        yield Poison(f"row={number + 1}", "malformed CSV", message)


class _Dead(NamedTuple):
    """A row that a process died of, which the parser does not see, and the empty lines before it."""

    signal: str
    lines: int


def _careful(parsed: Iterator[list[str]], lines: Iterator[str], delimiter: str) -> Iterator[list[str] | _Dead]:
    """The fields of each row, or what a process died of."""
    while True:
        if (signal := died_at("")) is not None:
            with reading(PASSED):
                passed = _pass_over(lines, delimiter)
            yield _Dead(signal, passed)
        elif (fields := next(parsed, None)) is not None:
            yield fields
        else:
            return


def _pass_over(lines: Iterator[str], delimiter: str) -> int:
    """Take the lines of the next row, and the empty ones before it, and count them."""
    is_quoted, taken = False, 0
    for line in lines:
        taken += 1
        if is_quoted or line.strip("\r\n"):
            is_quoted = _ends_quoted(line, delimiter, is_quoted)
            if not is_quoted:
                break
    return taken


def _ends_quoted(line: str, delimiter: str, is_quoted: bool, begins: bool = True) -> bool:
    """Whether a line ends within a field in quotes; `is_quoted` says whether it begins in one, `begins` whether with one."""
    at = 0
    while True:
        if not is_quoted and (at or begins) and line.startswith('"', at):
            is_quoted, at = True, at + 1
        if is_quoted:
            field = _QUOTED.match(line, at)
            at = field.end() if field else at
            if at == len(line):
                return True
            if at + 1 < len(line) and not line.startswith(_after_quote(delimiter), at + 1):
                raise csv.Error("a quote within a field in quotes")
        is_quoted, at = False, line.find(delimiter, at) + 1
        if not at:
            return False


def _after_quote(delimiter: str) -> tuple[str, ...]:
    """What may follow the quote that ends a field."""
    return delimiter, "\n", "\r"


def _row(part: str, line: int, header: list[str], fields: list[str]) -> Row:
    if len(fields) != len(header):
        return Poison(part, "malformed CSV", f"line {line}: {len(fields)} fields where the header has {len(header)}")
    return part, dict(zip(header, fields, strict=True))


def _delimiter(text: str, media_type: str) -> str:
    """The tab for TSV, else the delimiter that the header line holds most of."""
    if media_type == TSV:
        return "\t"
    header = text.partition("\n")[0]
    return max(_DELIMITERS, key=header.count)
