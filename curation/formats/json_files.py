"""JSON and JSON lines: rows of a table, one chat, or a document that is JSON itself (a configuration).

A line that is broken fails alone; a broken JSON file fails whole, for nothing says where it would go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, Poison, ReadingSettings, Unreadable
from curation.formats.rows import Row, extract, extracts, is_chat
from curation.formats.telemetry import is_telemetry


def read_json_lines(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per line that is not blank, at `L` and the line's number from 1."""
    return extracts(json_line_rows(data, media_type, settings), media_type, settings)


def read_json(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """A document per element of an array, at `row=` and its number from 1; any other value is one document."""
    text = decode(data)
    value = _parsed(text)
    if isinstance(value, list) and not is_chat(value):
        return extracts(_elements(value), media_type, settings)
    if is_telemetry(value):
        return extracts([("", value)], media_type, settings)
    return iter([_whole(text, value, media_type, settings)])


def json_line_rows(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """The value of each line that is not blank."""
    for number, line in enumerate(decode(data).split("\n"), 1):
        if line.strip():
            yield parsed_line(f"L{number}", line)


def json_rows(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Row]:
    """The elements of an array; any other value is one row."""
    value = _parsed(decode(data))
    return _elements(value if isinstance(value, list) else [value])


def _elements(values: list[object]) -> Iterator[Row]:
    return ((f"row={number}", row) for number, row in enumerate(values, 1))


def _whole(text: str, value: object, media_type: str, settings: ReadingSettings) -> Item:
    """A file that is one chat, one record or one row with a text; else the JSON as it is written."""
    item = extract("", value, settings.text_columns, media_type)
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
    return part, value


def _beyond(error: Exception) -> str:
    """What well-formed JSON can still ask too much of: nesting, or a number of thousands of digits."""
    return "nested too deep" if isinstance(error, RecursionError) else "a number has too many digits"
