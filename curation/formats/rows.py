"""What one row of a table-like file is: a chat, a prompt with its response, or a text.

JSON lines, JSON arrays, CSV and Parquet differ only in how rows are had. A row that is a chat (OpenAI `messages`,
ShareGPT `conversations`) or a record (a prompt and a response) is kept whole, as canonical JSON with a media type of
its own: flattened to text it could not be told apart again. What else is a record is for whoever has the data to name
(`reading.records`, `task.columns`), and what was named comes first. Any other row is the text in its text column. When no
column has a known name, the column with the most characters of text in the file's first rows is taken, so that one
answer holds for the whole file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from itertools import chain, islice
from typing import cast

from curation.formats.care import died_at, is_careful, reading
from curation.formats.extracts import Extract, Item, Poison, ReadingSettings, Unreadable, died, took_all_memory
from curation.formats.metadata import as_json, iso_date
from curation.formats.telemetry import Span, chat_of, is_telemetry, spans_of
from records import Message

CHAT = "application/vnd.headwater.chat+json"
RECORD = "application/vnd.headwater.record+json"

PAIRS = (
    ("prompt", "response"),
    ("prompt", "completion"),
    ("prompt", "chosen"),
    ("instruction", "response"),
    ("instruction", "output"),
    ("question", "answer"),
    ("question", "answers"),
    ("query", "response"),
    ("query", "answer"),
    ("input", "output"),
)
"""Columns that make a row a record when it has both, and something stands in the first."""

CHAT_COLUMNS = ("messages", "conversations", "conversation")
_SHAREGPT_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
}
SAMPLE_ROWS = 1000
"""The first rows of a file, which say where its text is."""
_DATES = ("date", "published", "date_published", "publish_date", "created", "created_at", "timestamp")
_FACTS = {"lang": "language", "language": "language", "url": "url", "license": "licence", "licence": "licence"}
TOLD = (*_DATES, *_FACTS)
"""Columns that say more of a row than its title."""
NO_TEXT = Poison("", "no text", "name the text column in `reading.text_columns`, or exclude the file")

Row = tuple[str, object] | Poison
"""A row's place and its value, or why it could not be had."""

Rows = Callable[[bytes, str, ReadingSettings], Iterator[Row]]
"""What gives the rows of a table-like file; it raises `Unreadable` for the whole file."""


PASSED = "passed"
"""Where a reading with care is that passes over a row."""


def extracts(
    rows: Iterable[Row], media_type: str, settings: ReadingSettings, *, passes_over: bool = False
) -> Iterator[Item]:
    """The documents of a table-like file; text rows carry `media_type`.

    Spans of calls of models (`curation.formats.telemetry`) are chats. `passes_over` says that the rows pass over one that
    `died_at("")` tells a process died of, and give its failure. Raises Unreadable when there are rows, but none of the
    first thousand holds any text.
    """
    watched = _watched(rows, media_type, settings, passes_over) if is_careful() else rows
    stream = chain.from_iterable(map(_unfolded, watched))
    head = list(islice(stream, SAMPLE_ROWS))
    own = with_column(settings, _sampled(head, media_type, settings))
    for row in chain(head, stream):
        yield row if isinstance(row, Poison) else _held(*row, own, media_type)


def with_column(settings: ReadingSettings, longest: Sequence[str]) -> ReadingSettings:
    """The settings for one file, whose own column of text is looked at after all that are known."""
    return replace(settings, text_columns=(*settings.text_columns, *longest))


def _watched(rows: Iterable[Row], media_type: str, settings: ReadingSettings, passes_over: bool) -> Iterator[Row]:
    """The rows, each with its place noted while it is had and while it is looked at (`curation.formats.care`).

    Where a process died of having a row that cannot be passed over, or of passing over it, there is no telling where the
    next one begins, so it is the last.
    """
    stream, number = iter(rows), 0
    while True:
        number += 1
        place = f"row={number}"
        signal = died_at(f"{place}>")
        if signal is not None and (not passes_over or died_at(f"{place}>{PASSED}") is not None):
            yield died(place, signal, "the row: from here on no row can be told from the next")
            return
        with reading(f"{place}>"):
            row = next(stream, None)
        if row is None:
            return
        if isinstance(row, Poison) or (signal := died_at(row[0])) is None:
            yield row if isinstance(row, Poison) else _looked_at(row, media_type, settings)
        else:
            yield died(row[0], signal)


def _looked_at(row: tuple[str, object], media_type: str, settings: ReadingSettings) -> Row:
    with reading(row[0]):
        list(unfolded_items(row, settings, media_type))
    return row


def sampled_column(rows: Iterable[Row], media_type: str, settings: ReadingSettings) -> tuple[str, ...]:
    """The column with the most text in the first rows of a file. Raises Unreadable when these hold no text at all."""
    return _sampled(list(islice(chain.from_iterable(map(_unfolded, rows)), SAMPLE_ROWS)), media_type, settings)


def _sampled(head: Sequence[Row], media_type: str, settings: ReadingSettings) -> tuple[str, ...]:
    values = [row[1] for row in head if not isinstance(row, Poison)]
    longest = longest_column(values)
    own = with_column(settings, longest)
    if values and all(_held("", value, own, media_type) == NO_TEXT for value in values):
        raise Unreadable(NO_TEXT.error, NO_TEXT.detail)
    return longest


def unfolded_items(row: Row, settings: ReadingSettings, media_type: str) -> Iterator[Item]:
    """The document of a row; of telemetry, its chats."""
    return (one if isinstance(one, Poison) else _held(*one, settings, media_type) for one in _unfolded(row))


def _held(part: str, value: object, settings: ReadingSettings, media_type: str) -> Item:
    """One row's document; a row that takes all memory fails alone."""
    try:
        return extract(part, value, settings, media_type)
    except MemoryError:
        return took_all_memory(part)


def _unfolded(row: Row) -> Iterable[Row]:
    """The row; of what was recorded of calls of models, the chats in it."""
    if isinstance(row, Poison) or not is_telemetry(row[1]):
        return (row,)
    part, value = row
    try:
        return [_chat_row(f"{part}/{place}".strip("/"), span) for place, span in spans_of(cast(Span, value))]
    except RecursionError:
        return (Poison(part, "malformed record", "nested too deep"),)


def _chat_row(part: str, span: Span) -> Row:
    chat = chat_of(span)
    return (
        Poison(part, "no chat", "the span records no words: have message content captured")
        if chat is None
        else (part, chat)
    )


def extract(part: str, value: object, settings: ReadingSettings, media_type: str) -> Item:
    """One row's document: the record that the settings name, the chat, the record of a known pair, or the text."""
    if isinstance(value, str):
        return Extract(part, media_type, value)
    if is_chat(value):
        return _chat(part, cast(Sequence[object], value))
    if not isinstance(value, Mapping):
        return replace(NO_TEXT, part=part)
    told = facts_of(value)
    if has_all(value, settings.records):
        return _canonical(part, RECORD, value, *told)
    turns = next((value[name] for name in CHAT_COLUMNS if is_chat(value.get(name))), None)
    if turns is not None:
        return _chat(part, turns, *told)
    if is_record(value):
        return _canonical(part, RECORD, value, *told)
    text = next((value[name] for name in settings.text_columns if isinstance(value.get(name), str)), None)
    return replace(NO_TEXT, part=part) if text is None else Extract(part, media_type, text, *told)


def facts_of(value: Mapping[str, object]) -> tuple[str | None, str | None, str | None]:
    """Title, date and metadata, from the columns of a row that bear their usual names."""
    title = value.get("title")
    date = next((found for name in _DATES if name in value and (found := iso_date(value[name]))), None)
    said = {fact: value[name] for name, fact in _FACTS.items() if isinstance(value.get(name), str)}
    return title if isinstance(title, str) else None, date, as_json(said)


def longest_column(values: Iterable[object]) -> tuple[str, ...]:
    """The column with the most characters of text in these rows (the first by name among equals), if there is one."""
    sizes: Counter[str] = Counter()
    for value in values:
        if isinstance(value, Mapping):
            sizes.update(
                {str(name): len(text) for name, text in value.items() if isinstance(text, str) and text.strip()}
            )
    return (min(sizes, key=lambda name: (-sizes[name], name)),) if sizes else ()


def is_chat(value: object) -> bool:
    """Whether a value is a list of turns, each an object with a speaker and something said."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(turn, Mapping) and ("role" in turn or "from" in turn) for turn in value)


def has_all(there: Container[object], records: Iterable[Sequence[str]]) -> bool:
    """Whether a row with these columns has all that an entry of `reading.records` names."""
    return any(all(name in there for name in names) for names in records)


def is_record(value: Mapping[str, object]) -> bool:
    """Whether a row has a prompt and a place for the response, which may be empty: such a question waits for its answer."""
    return any(value.get(asked) and answered in value for asked, answered in PAIRS)


def _chat(part: str, turns: Sequence[object], *told: str | None) -> Item:
    try:
        messages = [_message(cast(Mapping[str, object], turn)) for turn in turns]
    except ValueError as error:
        return Poison(part, "malformed chat", str(error))
    return _canonical(part, CHAT, messages, *told)


def _message(turn: Mapping[str, object]) -> Message:
    """A turn as role and content. Raises ValueError for a turn that says nothing in words."""
    role = turn.get("role", turn.get("from"))
    said = _said(turn.get("content", turn.get("value")))
    if not isinstance(role, str) or said is None:
        raise ValueError("a turn has no role, or no text (a call of a tool, a picture)")
    return Message(role=_SHAREGPT_ROLES.get(role, role), content=said)


def _said(content: object) -> str | None:
    """The text of a turn: a string, or the parts of type `text` when there are no others."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        return None
    parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
    return "".join(cast(list[str], parts)) if all(isinstance(part, str) for part in parts) else None


def _canonical(part: str, media_type: str, value: object, *told: str | None) -> Item:
    try:
        text = json.dumps(
            value, ensure_ascii=False, sort_keys=True, allow_nan=False, separators=(",", ":"), default=_plain
        )
    except (ValueError, TypeError, RecursionError):
        return Poison(part, "malformed record", _without_form(value))
    return Extract(part, media_type, text, *told)


def _without_form(value: object) -> str:
    """What of a record has no JSON form, and the mend."""
    columns = value.items() if isinstance(value, Mapping) else ()
    named = [repr(name) for name, own in columns if isinstance(_canonical("", RECORD, [own], None, None, None), Poison)]
    which = f"a value ({' and '.join(named)})" if named else "a value"
    return (
        f"{which} has no JSON form (infinite, binary or nested too deep): write it as text, or leave it out of the file"
    )


def _plain(value: object) -> str:
    """The JSON form of what only Parquet and CSV know. Raises TypeError for bytes and the like."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(type(value).__name__)
