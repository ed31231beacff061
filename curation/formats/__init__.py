"""The formats that can be read: one line each.

To add one, write a reader (`curation.formats.extracts.Reader`) and give it a line in `FORMATS`: the media type, the
reader, and the endings that hint at it where content alone does not tell. Binary formats are told by their magic number
in `curation.formats.sniffing`. A type that is known and has no line here is a failure that names it. Archives hold files
of any format, and come before them all (`curation.formats.archives`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from curation.formats import sniffing
from curation.formats.archives import ARCHIVES, read_archive
from curation.formats.delimited import TSV, read_delimited
from curation.formats.extracts import Extract, Item, Poison, Reader, ReadingSettings, Unreadable
from curation.formats.html import read_html
from curation.formats.json_files import read_json, read_json_lines
from curation.formats.mail import MAIL, MAILBOX, read_mail, read_mailbox
from curation.formats.notebooks import NOTEBOOK, read_notebook
from curation.formats.parquet import PARQUET, read_parquet
from curation.formats.plain import SOURCE_CODE, read_markdown, read_plain

__all__ = [
    "FORMATS",
    "Extract",
    "Format",
    "Item",
    "Poison",
    "ReadingSettings",
    "Unreadable",
    "media_type",
    "read_items",
]


@dataclass(frozen=True)
class Format:
    """A media type, the function that reads it, and the endings (lower case, with their dot) that hint at it.

    `isolated` marks a parser that can crash or eat memory, so that it belongs in a process that may die.
    """

    media_type: str
    read: Reader
    endings: tuple[str, ...] = ()
    isolated: bool = False


FORMATS = (
    Format("text/plain", read_plain, (".txt", ".text", ".log")),
    Format("text/markdown", read_markdown, (".md", ".markdown", ".mdx")),
    Format("text/x-rst", read_plain, (".rst",)),
    Format("text/html", read_html, (".html", ".htm", ".xhtml")),
    Format(sniffing.JSON, read_json, (".json",)),
    Format(sniffing.JSON_LINES, read_json_lines, (".jsonl", ".ndjson", ".jsonlines")),
    Format("text/csv", read_delimited, (".csv",)),
    Format(TSV, read_delimited, (".tsv",)),
    Format(PARQUET, read_parquet),
    Format(NOTEBOOK, read_notebook, (".ipynb",)),
    Format(MAIL, read_mail, (".eml",)),
    Format(MAILBOX, read_mailbox, (".mbox",)),
    *(Format(language, read_plain, endings) for language, endings in SOURCE_CODE.items()),
)

_READERS = {one.media_type: one.read for one in FORMATS}
_ENDINGS = {ending: one.media_type for one in FORMATS for ending in one.endings}


def media_type(data: bytes, path: str) -> str:
    """The media type of a file, told by its content; the ending decides only where content does not."""
    return sniffing.media_type(data, path, _ENDINGS)


def read_items(data: bytes, path: str, settings: ReadingSettings) -> Iterator[Item]:
    """The documents and poison records of one file. Raises Unreadable when there is no reading it at all."""
    kind = media_type(data, path)
    if kind == sniffing.BINARY:
        raise Unreadable("binary", "no text and no known format; exclude it if it is not wanted")
    if kind in ARCHIVES:
        return read_archive(data, kind, path, settings)
    if kind not in _READERS:
        raise Unreadable(f"no reader for {kind}", "exclude it, or convert it to a format that can be read")
    return _READERS[kind](data, kind, settings)
