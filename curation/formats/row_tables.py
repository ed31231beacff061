"""Rows of a file as columns: the same documents as `curation.formats.rows` gives one by one, at a fraction of the cost.

What is usual is done here: rows that are objects of a few layouts, whose text stands in a column. What is not is left to
`extract`, row by row, or to the general way for the whole file; so there is one answer, and a property test holds the
two ways against each other. JSON is parsed by msgspec, at twice the speed of the standard library; what it refuses (lone
surrogates, NaN, or what is no JSON at all) the standard library decides.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import msgspec
import polars as pl

from curation.formats.decoding import is_plain_utf8
from curation.formats.delimited import delimited_rows
from curation.formats.extracts import Extract, Poison, ReadingSettings, Unreadable, checked
from curation.formats.json_files import parsed_line
from curation.formats.rows import (
    CHAT_COLUMNS,
    NO_TEXT,
    PAIRS,
    SAMPLE_ROWS,
    TOLD,
    extract,
    facts_of,
    has_all,
    longest_column,
    with_column,
)
from curation.formats.telemetry import MARKS, is_telemetry

EXTRACTS = pl.Schema(dict.fromkeys(("part", "media_type", "text", "title", "date", "metadata"), pl.String))
"""`Extract`, a row each."""
PLACES = pl.Schema({"byte_offset": pl.Int64, "byte_length": pl.Int64})
"""Where the record lies in the file, when it is bytes of its own there (a line)."""

_LAYOUTS = 1000
"""Layouts that are remembered."""


@dataclass(frozen=True, slots=True)
class Table:
    """What a file of rows gives: its documents (`EXTRACTS`, perhaps `PLACES`) and its poison records, in its order."""

    extracts: pl.DataFrame
    poisons: list[Poison]


class GeneralWay(Exception):
    """The file is not of the usual kind: `read_items` decides."""


Told = tuple[str | None, str | None, str | None]
_Row = tuple[str, object, bool] | Poison
"""Place and value, and whether all its strings are Unicode for certain."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What can be said of a row by the names of its columns alone."""

    plain: bool
    """No chat, no record, no telemetry: the text is in a column."""
    columns: tuple[str, ...]
    told: bool
    """Whether it has columns for a date or other facts."""

    @classmethod
    def of(cls, names: Iterable[str], settings: ReadingSettings) -> Layout:
        """The layout of rows with these columns."""
        there = set(names)
        marked = there.intersection(CHAT_COLUMNS) or there.intersection(MARKS)
        plain = not marked and not has_all(there, (*PAIRS, *settings.records))
        known = tuple(name for name in settings.text_columns if name in there)
        return cls(plain, known, bool(there.intersection(TOLD)))


def json_line_table(data: bytes, media_type: str, settings: ReadingSettings) -> Table:
    """A document per line. Raises GeneralWay, and Unreadable for the whole file."""
    if not is_plain_utf8(data):
        raise GeneralWay
    lines = data.removeprefix(codecs.BOM_UTF8)
    return json_lines(lines, 1, media_type, settings, offset=len(data) - len(lines))


def json_lines(
    data: bytes,
    first: int,
    media_type: str,
    settings: ReadingSettings,
    longest: Sequence[str] | None = None,
    offset: int = 0,
) -> Table:
    """The documents of lines, of which the first has the number `first` and begins at `offset` in the file.

    `longest` is the file's column with the most text, where that is known already. Raises as `json_line_table` does.
    """
    lines = data.split(b"\n")
    try:
        table = _Gathering(media_type, settings, longest).table(_values(lines, first))
    except UnicodeDecodeError as error:
        raise GeneralWay from error
    return replace(table, extracts=_placed(table.extracts, lines, first, offset))


def _placed(extracts: pl.DataFrame, lines: Sequence[bytes], first: int, offset: int) -> pl.DataFrame:
    """The documents of lines with their places in the file."""
    lengths = pl.Series("byte_length", map(len, lines), pl.Int64)
    offsets = (lengths + 1).cum_sum() - lengths - 1 + offset
    at = extracts["part"].str.slice(1).cast(pl.Int64) - first
    return extracts.with_columns(offsets.gather(at).alias("byte_offset"), lengths.gather(at))


def delimited_table(data: bytes, media_type: str, settings: ReadingSettings) -> Table:
    """A document per row of CSV or TSV. Raises as `json_line_table` does."""
    if not is_plain_utf8(data):
        raise GeneralWay
    rows = delimited_rows(data, media_type, settings)
    return _Gathering(media_type, settings).table(row if isinstance(row, Poison) else (*row, True) for row in rows)


def _values(lines: Iterable[bytes], first: int) -> Iterator[_Row]:
    parse = msgspec.json.Decoder().decode
    for number, line in enumerate(lines, first):
        try:
            yield f"L{number}", parse(line), True
        except (msgspec.DecodeError, RecursionError):
            text = line.decode()
            if text.strip():
                row = parsed_line(f"L{number}", text)
                yield row if isinstance(row, Poison) else (*row, False)


@dataclass(slots=True)
class _Gathering:
    """A table in the making."""

    media_type: str
    settings: ReadingSettings
    longest: Sequence[str] | None = None
    own: ReadingSettings | None = None
    """The settings with the file's own column of text, once they are wanted."""
    head: list[object] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    poisons: list[Poison] = field(default_factory=list)
    characters: int = 0
    layouts: dict[tuple[str, ...], Layout] = field(default_factory=dict)
    has_text: bool = False

    def table(self, rows: Iterable[_Row]) -> Table:
        """All rows, in order."""
        stream = iter(rows)
        head = list(islice(stream, SAMPLE_ROWS))
        self.head = [row[1] for row in head if not isinstance(row, Poison)]
        sampled = self.longest is None
        self._take(head)
        if sampled and self.head and not self.has_text:
            raise Unreadable(NO_TEXT.error, NO_TEXT.detail)
        self._take(stream)
        if len(self.parts) + len(self.poisons) > self.settings.max_records:
            raise GeneralWay
        if self.characters > self.settings.max_characters:
            raise GeneralWay
        return Table(self._extracts(), self.poisons)

    def _take(self, rows: Iterable[_Row]) -> None:
        for row in rows:
            if isinstance(row, Poison):
                self.poisons.append(row)
                continue
            part, value, is_unicode = row
            if not is_unicode or type(value) is not dict:
                self._general(part, value)
                continue
            names = tuple(value)
            layout = self.layouts.get(names) or self._layout(names)
            if not layout.plain:
                self._general(part, value)
                continue
            for name in layout.columns or self._longest():
                text = value.get(name)
                if type(text) is str:
                    self._add(part, text, layout, value)
                    break
            else:
                self._without_text(part, value, layout)

    def _layout(self, names: tuple[str, ...]) -> Layout:
        if len(self.layouts) == _LAYOUTS:
            self.layouts.clear()
        return self.layouts.setdefault(names, Layout.of(names, self.settings))

    def _without_text(self, part: str, value: dict[str, object], layout: Layout) -> None:
        """A row whose known columns hold no text: that of the file, else none."""
        text = next((value[name] for name in self._longest() if isinstance(value.get(name), str)), None)
        if isinstance(text, str):
            self._add(part, text, layout, value)
        else:
            self.poisons.append(replace(NO_TEXT, part=part))

    def _longest(self) -> Sequence[str]:
        if self.longest is None:
            self.longest = longest_column(self.head)
        return self.longest

    def _own(self) -> ReadingSettings:
        if self.own is None:
            self.own = with_column(self.settings, self._longest())
        return self.own

    def _add(self, part: str, text: str, layout: Layout, value: dict[str, object]) -> None:
        self.has_text = True
        self.characters += len(text)
        if "\0" in text:
            item = checked(Extract(part, self.media_type, text))
            assert isinstance(item, Poison)
            self.poisons.append(item)
            return
        title = value.get("title")
        self.parts.append(part)
        self.kinds.append(self.media_type)
        self.texts.append(text)
        self.told.append(facts_of(value) if layout.told else (title if isinstance(title, str) else None, None, None))

    def _general(self, part: str, value: object) -> None:
        """A row that is not of the usual kind."""
        if is_telemetry(value):
            raise GeneralWay
        item = extract(part, value, self._own(), self.media_type)
        self.has_text |= item != replace(NO_TEXT, part=part)
        self.characters += len(item.text) if isinstance(item, Extract) else 0
        item = checked(item)
        if isinstance(item, Poison):
            self.poisons.append(item)
            return
        self.parts.append(item.part)
        self.kinds.append(item.media_type)
        self.texts.append(item.text)
        self.told.append((item.title, item.date, item.metadata))

    def _extracts(self) -> pl.DataFrame:
        titles, dates, metadata = zip(*self.told, strict=True) if self.told else ((), (), ())
        columns = (self.parts, self.kinds, self.texts, titles, dates, metadata)
        return pl.DataFrame(dict(zip(EXTRACTS, columns, strict=True)), schema=EXTRACTS)
