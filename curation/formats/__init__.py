"""The formats that can be read: one line each.

To add one, write a reader (`curation.formats.extracts.Reader`) and give it a line in `FORMATS`: the media type, the
reader, and the endings that hint at it where content alone does not tell. Binary formats are told by their magic number
in `curation.formats.sniffing`. A type that is known and has no line here is a failure that names it. Archives hold files
of any format, and come before them all (`curation.formats.archives`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module

from curation.formats import sniffing
from curation.formats.archives import ARCHIVES, read_archive
from curation.formats.arrow import ARROW_FILE, ARROW_STREAM, arrow_rows, read_arrow
from curation.formats.column_tables import parquet_table
from curation.formats.decoding import decode
from curation.formats.delimited import TSV, delimited_rows, read_delimited
from curation.formats.epub import read_epub
from curation.formats.extracts import Extract, Item, NeedsWorker, Poison, Reader, ReadingSettings, Unreadable, may_die
from curation.formats.html import read_html, ready_for_html
from curation.formats.json_files import json_line_rows, json_rows, read_json, read_json_lines
from curation.formats.mail import MAIL, MAILBOX, read_mail, read_mailbox
from curation.formats.notebooks import NOTEBOOK, read_notebook
from curation.formats.office import read_docx, read_pptx, read_xlsx
from curation.formats.packages import DOCX, EPUB, PPTX, XLSX, ZIP, kind_of
from curation.formats.parquet import PARQUET, parquet_rows, read_parquet
from curation.formats.pdf import PDF, read_pdf
from curation.formats.plain import SOURCE_CODE, read_markdown, read_plain
from curation.formats.row_tables import GeneralWay, Table, delimited_table, json_line_table
from curation.formats.rows import CHAT, RECORD, Row, Rows
from curation.formats.warc import WARC, read_warc
from records import ready_to_digest

__all__ = [
    "FORMATS",
    "ROW_TYPES",
    "Extract",
    "Format",
    "Item",
    "NeedsWorker",
    "Poison",
    "ReadingSettings",
    "Table",
    "Unreadable",
    "media_type",
    "read_file",
    "read_items",
    "read_rows",
    "ready",
]


@dataclass(frozen=True)
class Format:
    """A media type, the function that reads it, and the endings (lower case, with their dot) that hint at it.

    `rows` gives what lies in a table-like file before any of it is taken for a document. `isolated` marks a parser that
    can crash or eat memory: it runs in processes that may die, and nowhere else. `table` gives the same documents as
    `read`, as columns, or raises `GeneralWay`. `ready` imports what takes long, once for all processes that read.
    """

    media_type: str
    read: Reader
    endings: tuple[str, ...] = ()
    rows: Rows | None = None
    isolated: bool = False
    table: Callable[[bytes, str, ReadingSettings], Table] | None = None
    ready: Callable[[], None] | None = None


FORMATS = (
    Format("text/plain", read_plain, (".txt", ".text", ".log")),
    Format("text/markdown", read_markdown, (".md", ".markdown", ".mdx")),
    Format("text/x-rst", read_plain, (".rst",)),
    Format("text/html", read_html, (".html", ".htm", ".xhtml"), ready=ready_for_html),
    Format(sniffing.JSON, read_json, (".json",), json_rows),
    Format(
        sniffing.JSON_LINES, read_json_lines, (".jsonl", ".ndjson", ".jsonlines"), json_line_rows, table=json_line_table
    ),
    Format("text/csv", read_delimited, (".csv",), delimited_rows, table=delimited_table),
    Format(TSV, read_delimited, (".tsv",), delimited_rows, table=delimited_table),
    Format(PARQUET, read_parquet, rows=parquet_rows, table=parquet_table),
    Format(ARROW_FILE, read_arrow, rows=arrow_rows),
    Format(ARROW_STREAM, read_arrow, rows=arrow_rows),
    Format(PDF, read_pdf, isolated=True),
    Format(DOCX, read_docx, isolated=True),
    Format(PPTX, read_pptx, isolated=True),
    Format(XLSX, read_xlsx, isolated=True),
    Format(EPUB, read_epub, isolated=True),
    Format(WARC, read_warc),
    Format(NOTEBOOK, read_notebook, (".ipynb",)),
    Format(MAIL, read_mail, (".eml",)),
    Format(MAILBOX, read_mailbox, (".mbox",)),
    *(Format(language, read_plain, endings) for language, endings in SOURCE_CODE.items()),
)

ROW_TYPES = (*(one.media_type for one in FORMATS if one.rows), CHAT, RECORD)
"""The media types of documents that were rows of a table-like file."""

_FORMATS = {one.media_type: one for one in FORMATS}
_CONVERT = {
    "application/x-ole-storage": "an office document of before 2007, or one with a password: save it anew without one",
    "application/rtf": "save it as .docx",
}
_ENDINGS = {ending: one.media_type for one in FORMATS for ending in one.endings}


def media_type(data: bytes, path: str) -> str:
    """The media type of a file, told by its content; the ending decides only where content does not."""
    kind = sniffing.media_type(data, path, _ENDINGS)
    return kind_of(data) if kind == ZIP else kind


def ready(endings: frozenset[str]) -> None:
    """Import what files with these endings will need, so that not every process that reads does it for itself."""
    ready_to_digest()  # rows
    if ".parquet" in endings:
        import_module("pyarrow.parquet")
    for ending in endings & _ENDINGS.keys():
        if prepare := _FORMATS[_ENDINGS[ending]].ready:
            prepare()


def read_file(data: bytes, path: str, settings: ReadingSettings) -> Iterator[Item] | Table:
    """What `read_items` gives; of a file of many rows as columns, where these are of the usual kind."""
    kind = media_type(data, path)
    if kind in _FORMATS and (table := _FORMATS[kind].table):
        try:
            return table(data, kind, settings)
        except GeneralWay:
            pass
    return _items(data, kind, path, settings)


def read_items(data: bytes, path: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents and poison records of one file.

    Raises Unreadable when there is no reading it at all, and NeedsWorker when that would take a process that may die.
    """
    return _items(data, media_type(data, path), path, settings)


def _items(data: bytes, kind: str, path: str, settings: ReadingSettings) -> Iterator[Item]:
    if kind == sniffing.BINARY:
        raise Unreadable("binary", "no text and no known format; exclude it if it is not wanted")
    if kind in ARCHIVES:
        return read_archive(data, kind, path, settings)
    if kind not in _FORMATS:
        raise Unreadable(
            f"no reader for {kind}", _CONVERT.get(kind, "exclude it, or convert it to a format that can be read")
        )
    if _FORMATS[kind].isolated and not may_die.get():
        raise NeedsWorker(kind)
    return _read(_FORMATS[kind], data, settings)


def _read(found: Format, data: bytes, settings: ReadingSettings) -> Iterator[Item]:
    try:
        yield from found.read(data, found.media_type, settings)
    except ModuleNotFoundError as error:
        raise Unreadable(f"no reader for {found.media_type}", "install it: pip install 'headwater[formats]'") from error


def read_rows(data: bytes, path: str, settings: ReadingSettings) -> Iterator[Row]:
    """The rows of a table-like file, or the lines of a text that are not blank, each at its place.

    Raises Unreadable when there is no reading it at all.
    """
    kind = media_type(data, path)
    if kind in _FORMATS and (rows := _FORMATS[kind].rows):
        return rows(data, kind, settings)
    if not kind.startswith("text/"):
        raise Unreadable(f"no rows in {kind}", "exclude it, or convert it to JSON Lines, CSV or Parquet")
    lines = enumerate(decode(data).splitlines(), 1)
    return ((f"L{number}", line) for number, line in lines if line.strip())
