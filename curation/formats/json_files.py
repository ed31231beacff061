"""JSON and JSON lines: rows of a table, one chat, or a document that is JSON itself (a configuration).

A line that is broken fails alone; a broken JSON file fails whole, for nothing says where it would go on. An element that a
process died of is passed over by its signs alone; so is one of a large file that is too large itself, or has bytes that are
no UTF-8. What is passed over must be well-formed: of what is not, nothing says where it ends.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import BinaryIO

from curation.formats.care import died_at, is_careful, reading
from curation.formats.decoding import decode, decode_rows, is_unicode
from curation.formats.extracts import (
    Extract,
    Item,
    Poison,
    ReadingSettings,
    Unreadable,
    died,
    over_the_limit,
    took_all_memory,
)
from curation.formats.rows import PASSED, Row, extract, extracts, is_chat
from curation.formats.telemetry import is_telemetry

_CHUNK = 1 << 20
_ENDS = (",", "]", " ", "\t", "\n", "\r")
_BLANK = re.compile(r"[ \t\n\r]*")
_ARRAY = re.compile(r"[ \t\n\r]*\[[ \t\n\r]*")
# What repeats a group is atomic, never possessive: Python 3.11.2, which Debian 12 has, goes on behind where the last try failed.
_REST = r'(?>(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)'
_STRING = re.compile(_REST + '(")?')
"""What is left of a string, and whether it ends there."""
_ESCAPE = re.compile(r"(?:\\(?:u[0-9a-fA-F]{0,3})?)?")
"""What may stand behind that where what is held ends."""
_BARE = re.compile(r'[^ \t\n\r"\[\]{},:]*')
_NUMBER = r"-?(?:0|[1-9][0-9]*+)(?>(?:\.[0-9]++)?)(?>(?:[eE][+-]?[0-9]++)?)"
_SCALAR = re.compile(rf"{_NUMBER}|-?Infinity|NaN|true|false|null")
_GAP = r"[ \t\n\r]*+"
_SIMPLE = rf'{_GAP}(?:"{_REST}"|{_SCALAR.pattern}){_GAP}'
_KEY = rf'{_GAP}"{_REST}"{_GAP}:'
_LIST = rf"\[{_SIMPLE}(?>(?:,{_SIMPLE})*)\]"
_OBJECT = rf"\{{{_KEY}{_SIMPLE}(?>(?:,{_KEY}{_SIMPLE})*)\}}"
_FLAT = rf"(?:{_SIMPLE}|{_GAP}(?:{_LIST}|{_OBJECT}){_GAP})"
_FLAT_VALUES = re.compile(rf"(?>(?:{_FLAT},)+)")
_FLAT_MEMBERS = re.compile(rf"(?>(?:{_KEY}{_FLAT},)+)")
"""As many as are held whole, to be passed over at once."""
_CLOSERS = {"[": "]", "{": "}"}
_MOST_PASSED = 1 << 20
"""Levels of nesting, or digits of a number, that are passed over; more count as broken."""
_FIRST = "first"
_NOT_UTF8 = "a file of this size is read as UTF-8: write the element anew, or the file"


def read_json_lines(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per line that is not blank, at `L` and the line's number from 1."""
    return extracts(json_line_rows(data, media_type, settings), media_type, settings)


def read_json(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per element of an array, at `row=` and its number from 1; any other value is one document."""
    text = decode(data)
    if is_careful() and _is_table(text):
        rows = _streamed(io.BytesIO(text.encode()), len(text))
        return extracts(rows, media_type, settings, passes_over=True)
    value = _parsed(text)
    if isinstance(value, list) and not is_chat(value):
        return extracts(_elements(value), media_type, settings)
    if is_telemetry(value):
        return extracts([("", value)], media_type, settings)
    return iter([_whole(text, value, media_type, settings)])


def json_stream(opened: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The elements of an array of any size, of which one is held; it must be UTF-8, and no chat.

    Raises Unreadable for what is no array, or is broken.
    """
    return extracts(_streamed(opened, settings.max_bytes), media_type, settings, passes_over=True)


def json_line_rows(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """The value of each line that is not blank."""
    for number, line in enumerate(decode_rows(data).split("\n"), 1):
        if line.strip():
            yield parsed_line(f"L{number}", line)


def json_rows(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """The elements of an array; any other value is one row."""
    value = _parsed(decode(data))
    return _elements(value if isinstance(value, list) else [value])


def _streamed(opened: BinaryIO, most: int) -> Iterator[Row]:
    text = _Ahead(opened, most)
    if not text.takes("["):
        if not is_unicode(text.held):
            raise Unreadable("unknown encoding", "a file of this size is read as UTF-8: save it so")
        raise over_the_limit(most)
    number = passed = 0
    while not text.takes("]"):
        if number and not text.takes(","):
            raise _broken(number)
        number += 1
        if (signal := died_at("")) is not None:
            with reading(PASSED):
                text.pass_over(number)
            passed += 1
            yield died(f"row={number}", signal)
            continue
        try:
            value = text.value(number)
        except _FailsAlone as why:
            text.pass_over(number)
            passed += 1
            yield Poison(f"row={number}", *map(str, why.args))
            continue
        if number == passed + 1 and is_chat([value]):
            raise over_the_limit(most)  # an array of turns is one document
        yield f"row={number}", value
    if not text.is_over():
        raise _broken(number)


class _FailsAlone(Exception):
    """Why a value cannot be had, and the mend; the place is still at its beginning."""


def _broken(number: int) -> Unreadable:
    return Unreadable("malformed JSON", f"after element {number} of the array: write the file again whole")


class _Awaited(Enum):
    """What may stand next in a value that is passed over."""

    VALUE = auto()
    KEY = auto()
    COLON = auto()
    FIRST = auto()
    """A value or a key, or the end of what holds none."""
    REST = auto()
    """The comma before the next, or the end."""


class _Ahead:
    """The text of a file from where it is read; as much of it is held as the value there takes."""

    def __init__(self, opened: BinaryIO, most: int) -> None:
        self.opened, self.most = opened, most
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self.held, self.at, self.is_ended = "", 0, False

    def takes(self, sign: str) -> bool:
        """Whether the next sign that is not blank is this one, which is then passed over."""
        while True:
            blank = _BLANK.match(self.held, self.at)
            self.at = blank.end() if blank else self.at
            if self.at < len(self.held) or not self._more():
                break
        found = self.held.startswith(sign, self.at)
        self.at += len(sign) if found else 0
        return found

    def is_over(self) -> bool:
        """Whether nothing but blanks is left."""
        self.takes("")
        return self.at == len(self.held)

    def value(self, number: int) -> object:
        """The value that begins here, the element of that number."""
        self.takes("")
        while True:
            try:
                value, end = _DECODER.raw_decode(self.held, self.at)
            except json.JSONDecodeError as error:
                if not self._more():
                    raise _broken(number - 1) from error
            except (ValueError, RecursionError) as error:
                raise Unreadable("malformed JSON", f"element {number} of the array: {_beyond(error)}") from error
            else:
                is_whole = self.held.startswith(_ENDS, end)  # a number may go on where what is held ends
                if end - self.at > self.most:
                    raise self._too_large()
                if not is_unicode(self.held[self.at : end]):
                    raise _FailsAlone("unknown encoding", _NOT_UTF8)
                if is_whole or not self._more():
                    self.at = end
                    return value

    def pass_over(self, number: int) -> None:
        """Take the value that begins here, the element of that number, unread.

        Raises Unreadable if it is not well-formed, or nothing follows that may.
        """
        inner: list[str] = []
        awaited = _Awaited.VALUE
        while inner or awaited is not _Awaited.REST:
            self.takes("")
            then = self._passes(awaited, inner)
            if then is None or len(inner) > _MOST_PASSED:
                raise _broken(number - 1)
            awaited = then
        self.takes("")
        if not self.held.startswith((",", "]"), self.at):
            raise _broken(number - 1)

    def _passes(self, awaited: _Awaited, inner: list[str]) -> _Awaited | None:
        """Pass over what is awaited within what the signs in `inner` will close: what is awaited then, or None if broken."""
        sign = self.held[self.at : self.at + 1]
        if awaited in (_Awaited.FIRST, _Awaited.REST) and sign == inner[-1]:
            inner.pop()
            self.at += 1
            return _Awaited.REST
        is_object = inner[-1:] == ["}"]
        if (flat := self._flat(awaited, inner)) is not None:
            self.at = flat.end()
            return _Awaited.KEY if is_object else _Awaited.VALUE
        if awaited is _Awaited.REST:
            self.at += 1
            return (_Awaited.KEY if is_object else _Awaited.VALUE) if sign == "," else None
        if awaited is _Awaited.COLON:
            self.at += 1
            return _Awaited.VALUE if sign == ":" else None
        if awaited is _Awaited.KEY or (awaited is _Awaited.FIRST and is_object):
            return _Awaited.COLON if sign == '"' and self._passes_string() else None
        if sign in _CLOSERS:
            inner.append(_CLOSERS[sign])
            self.at += 1
            return _Awaited.FIRST
        return _Awaited.REST if (self._passes_string() if sign == '"' else self._passes_scalar()) else None

    def _flat(self, awaited: _Awaited, inner: list[str]) -> re.Match[str] | None:
        """The members or elements here that hold nothing nested deeper, with the comma behind the last."""
        if inner[-1:] == ["}"]:
            return _FLAT_MEMBERS.match(self.held, self.at) if awaited in (_Awaited.FIRST, _Awaited.KEY) else None
        is_next = inner and awaited in (_Awaited.FIRST, _Awaited.VALUE)
        return _FLAT_VALUES.match(self.held, self.at) if is_next else None

    def _passes_string(self) -> bool:
        self.at += 1
        while True:
            found = _STRING.match(self.held, self.at)
            self.at = found.end() if found else self.at
            if found and found[1]:
                return True
            if not _ESCAPE.fullmatch(self.held, self.at) or not self._read():
                return False

    def _passes_scalar(self) -> bool:
        scalar = ""
        while len(scalar) <= _MOST_PASSED:
            found = _BARE.match(self.held, self.at)
            scalar += found[0] if found else ""
            self.at = found.end() if found else self.at
            if self.at < len(self.held) or not self._read():
                return bool(_SCALAR.fullmatch(scalar))
        return False

    def _more(self) -> bool:
        """Hold as much again; False at the end. Raises _FailsAlone when that is more than may be held."""
        if self.is_ended:
            return False
        if len(self.held) - self.at > self.most:
            raise self._too_large()
        return self._read()

    def _read(self) -> bool:
        """Hold what is not passed over yet, and as much again; False at the end."""
        if self.is_ended:
            return False
        self.held, self.at = self.held[self.at :], 0
        chunk = self.opened.read(max(_CHUNK, len(self.held)))
        self.is_ended = not chunk
        self.held += self.decoder.decode(chunk, self.is_ended)
        return True

    def _too_large(self) -> _FailsAlone:
        return _FailsAlone(
            "over the limit", f"larger than reading.max_bytes ({self.most}): raise it, or split the record"
        )


_DECODER = json.JSONDecoder()


def _is_table(text: str) -> bool:
    """Whether a text is an array and, by its first element, no chat; also where a process died of that one."""
    begun = _ARRAY.match(text)
    if begun is None or died_at(_FIRST) is not None:
        return begun is not None
    with reading(_FIRST):
        try:
            value, _ = _DECODER.raw_decode(text, begun.end())
        except (ValueError, RecursionError):
            return False
    return not is_chat([value])


def _elements(values: list[object]) -> Iterator[Row]:
    return ((f"row={number}", row) for number, row in enumerate(values, 1))


def _whole(text: str, value: object, media_type: str, settings: ReadingSettings) -> Item:
    """A file that is one chat, one record or one row with a text; else the JSON as it is written."""
    item = extract("", value, settings, media_type)
    return item if isinstance(item, Extract) else Extract("", media_type, text)


def _parsed(text: str) -> object:
    if not text.strip():
        return text
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise Unreadable("malformed JSON", f"{where}: write the file again whole") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable("malformed JSON", _beyond(error)) from error


def parsed_line(part: str, line: str) -> Row:
    """The value of one line, or why it has none."""
    try:
        value: object = json.loads(line)
    except json.JSONDecodeError as error:
        return Poison(part, "malformed JSON", f"{error.msg} at column {error.colno}: mend or remove the line")
    except (ValueError, RecursionError) as error:
        return Poison(part, "malformed JSON", _beyond(error))
    except MemoryError:
        return took_all_memory(part)
    return part, value


def _beyond(error: Exception) -> str:
    """What well-formed JSON can still ask too much of: nesting, or a number of thousands of digits."""
    return "nested too deep" if isinstance(error, RecursionError) else "a number has too many digits"
