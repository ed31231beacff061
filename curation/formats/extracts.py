"""What every reader of a format takes and gives, and the limits that hold for all of them.

A reader is a function from a file's bytes to extracts. A file that cannot be read at all raises `Unreadable`; a record
that cannot be read is a `Poison` among its healthy neighbours, so that it fails alone. Limits are on work (bytes,
records, nesting), never on time, so that they mean the same on every machine.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import PurePath
from typing import Literal

from curation.formats.care import crashed, died_at, reading
from curation.formats.structure import Structure

TEXT_COLUMNS = ("text", "content", "body", "document", "article", "markdown", "passage", "raw_content")

MiB = 1 << 20


@dataclass(frozen=True)
class ReadingSettings:
    """How files become documents."""

    # Bytes of one file that is held whole; a larger one is a failure "over the limit". Files of rows, mailboxes, crawls
    # and archives of any size are read in pieces, compressed or not: then it is one record or member that may have no
    # more.
    max_bytes: int = 64 * MiB
    # Records of one file (lines of JSONL, rows of a table) that is held whole.
    max_records: int = 1_000_000
    # Characters of text that one such file may give (a compressed table can hold far more than its bytes).
    max_characters: int = 256 * MiB
    # Bytes that the archives of one file may unfold to, archives within them among these.
    max_unfolded: int = 512 * MiB
    # Times its own bytes that a file may unfold to, where that is more; so a large archive may be read, and none explode.
    max_ratio: int = 100
    # Pages of one PDF.
    max_pages: int = 10_000
    # Bytes of memory that a process which reads may take beyond what it has at its start. A file that makes it need more
    # is a failure.
    max_memory: int = 4096 * MiB
    # How deep archives may lie within each other.
    max_archives: int = 3
    # How deep block elements of HTML may lie in each other; an extractor's cost grows with the square of it.
    max_nesting: int = 1_000
    # How the text of a web page is found: `fast` is resiliparse's main content, `careful` is trafilatura's, at a
    # twentieth of the speed.
    html: Literal["fast", "careful"] = "fast"
    # How the headings, lists, tables and listings of office documents, and of pages read with care, are written.
    structure: Structure = "markdown"
    # Columns that hold the text of a table-like file: the first that a row has. With none of them, the file's column
    # of strings with the most text is taken.
    text_columns: tuple[str, ...] = TEXT_COLUMNS
    # Columns that make a row a record when it has all of an entry's, beside the known pairs; it is then kept whole.
    records: tuple[tuple[str, ...], ...] = ()
    # Processes that read; 0 takes all cores.
    workers: int = field(default=0, metadata={"runtime": True})

    def __post_init__(self) -> None:
        if not all(self.records):
            raise ValueError(
                "records: an entry names no column, and would keep every row whole; name some, or remove it"
            )


@dataclass(frozen=True, slots=True)
class Extract:
    """One document to be: `part` is its place within the file ("" for the whole, `L12`, `row=5`).

    `date` (ISO 8601) and `metadata` (canonical JSON) are what the content says of itself: `curation.formats.metadata`.
    """

    part: str
    media_type: str
    text: str
    title: str | None = None
    date: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Poison:
    """One record that cannot be read, and why; `detail` names the mend and never quotes the data."""

    part: str
    error: str
    detail: str


Item = Extract | Poison
"""What a reader yields."""

Reader = Callable[[bytes, str, ReadingSettings], Iterator[Item]]
"""A reader takes a file's bytes, its media type and the settings. It raises `Unreadable` for the whole file."""


TOO_MUCH = "reading it takes more than reading.max_memory: raise it, or exclude {}"


class Unreadable(Exception):
    """A file that gives no document: `error` is the short reason that failures are counted by, `detail` the mend."""

    def __init__(self, error: str, detail: str) -> None:
        super().__init__(f"{error}: {detail}")
        self.error = error
        self.detail = detail


def reader_failed(error: Exception) -> Unreadable:
    """What is said of a parser that stumbled: the error's kind and place in the code, for its message might quote the data."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} at {PurePath(last.filename).name}:{last.lineno}"
    return Unreadable("reader failed", f"{where}; exclude the file, and report it")


may_die: ContextVar[bool] = ContextVar("may_die", default=False)
"""Whether this process is one that a parser may crash."""


class NeedsWorker(Exception):
    """The parser of this file may crash the process that it runs in, and this one may not die."""


def over_the_limit(max_bytes: int) -> Unreadable:
    """What is said of a file that is too large."""
    return Unreadable("over the limit", f"larger than reading.max_bytes ({max_bytes}): raise it, or split the file")


class NeedsPieces(Exception):
    """More comes out of this file than may be held; in pieces it can be read."""


class Exhausted(Unreadable):
    """The end of the work that one file may cost: what comes after is not looked at, so the file fails whole."""


def limited(items: Iterable[Item], settings: ReadingSettings, error: type[Unreadable] = Unreadable) -> Iterator[Item]:
    """The items as they come. Raises `error` when they are more records, or more text, than one file may give."""
    characters = 0
    stream = iter(items)
    for item in islice(stream, settings.max_records):
        characters += len(item.text) if isinstance(item, Extract) else 0
        if characters > settings.max_characters:
            raise error("over the limit", f"more text than reading.max_characters ({settings.max_characters})")
        yield item
    if next(stream, None) is not None:
        raise error("over the limit", f"more records than reading.max_records ({settings.max_records})")


def checked(item: Item) -> Item:
    """The item, or why its text is none: escapes in JSON can spell NULs and halves of characters."""
    if isinstance(item, Poison):
        return item
    if "\0" in item.text:
        return Poison(item.part, "binary", "the text holds NUL characters: remove them")
    try:
        for text in (item.text, item.title or "", item.metadata or ""):
            _ = text.isascii() or text.encode("utf-8")
    except UnicodeEncodeError:
        return Poison(item.part, "not Unicode", "the text holds half a surrogate pair: write the record again")
    return item


def died(part: str, signal: str, what: str = "the record") -> Poison:
    """The failure of what a process died of."""
    return Poison(part, "reader died", crashed(signal, what))


def took_all_memory(part: str, what: str = "the record") -> Poison:
    """The failure of a record that its process had no memory for; to be called where MemoryError is handled. Raises that
    error itself where the process has no limit of its own, for then it is the machine's doing."""
    if not may_die.get():
        raise
    return Poison(part, "over the limit", TOO_MUCH.format(what))


def is_elsewhere(error: Exception) -> bool:
    """Whether an error says nothing of the file: it is the network's, or the system's."""
    return isinstance(error, ConnectionError) or getattr(error, "errno", None) is not None


def below(part: str, joint: str, read: Callable[[], Iterable[Item]], settings: ReadingSettings) -> Iterator[Item]:
    """The items of what lies within a file, each at its place below `part`, or one Poison there: it fails alone."""
    if (signal := died_at(part)) is not None:
        yield died(part, signal)
        return
    try:
        with reading(part, joint):
            items = list(limited(read(), settings))
    except (Exhausted, NeedsWorker, ConnectionError):
        raise
    except MemoryError:
        yield took_all_memory(part)
    except Unreadable as error:
        yield Poison(part, error.error, error.detail)
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, its neighbours are read
        failed = reader_failed(error)
        yield Poison(part, failed.error, failed.detail)
    else:
        for item in items:
            yield replace(item, part=f"{part}{joint}{item.part}" if item.part else part)
