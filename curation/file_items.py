"""One file to its items: documents and poison records within the limits, or one reason for the whole file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from curation.fetching import File
from curation.formats import Extract, Item, NeedsWorker, Poison, ReadingSettings, Unreadable, media_type, read_items
from curation.formats.decoding import decode
from curation.formats.extracts import limited, may_die, reader_failed

_TOO_MUCH = "reading it takes more than reading.max_memory: raise it, or exclude the file"
_CRASHED = "its parser crashed{}: exclude the file, and report it"


def items_of(file: File, fetch: Callable[[], bytes], settings: ReadingSettings) -> list[Item]:
    """What one file gives; a file that gives no document has one Poison without a part, at the end.

    Raises NeedsWorker for a file whose parser may crash, unless this process may die; ConnectionError, and MemoryError
    in a process without a limit of its own, for they are the network's or the machine's doing and not the file's.
    """
    try:
        items = list(_healthy(file, fetch(), settings))
    except Unreadable as error:
        return [Poison("", error.error, error.detail)]
    except (ConnectionError, NeedsWorker):
        raise
    except MemoryError:
        if may_die.get():
            return [Poison("", "over the limit", _TOO_MUCH)]
        raise
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, the file fails alone and is named
        failed = reader_failed(error)
        return [Poison("", failed.error, failed.detail)]
    if not any(isinstance(item, Extract) or not item.part for item in items):
        items.append(Poison("", "no text", "no record of the file could be read; see its own failures, if any"))
    return items


def died_of(signal: str) -> Poison:
    """The failure of a file that the process reading it died of."""
    return Poison("", "reader died", _CRASHED.format(f" ({signal})" if signal else ""))


def _healthy(file: File, data: bytes, settings: ReadingSettings) -> Iterator[Item]:
    """The file's items within the limits, each with text that a table can hold."""
    if not data.strip():
        yield Extract("", media_type(data, file.path), decode(data))
        return
    for item in limited(read_items(data, file.path, settings), settings):
        yield _checked(item)


def _checked(item: Item) -> Item:
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
