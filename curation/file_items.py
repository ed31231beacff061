"""One file to its items: documents and poison records within the limits, or one reason for the whole file."""

from __future__ import annotations

from collections.abc import Callable

from curation.fetching import File
from curation.formats import (
    Extract,
    Item,
    NeedsWorker,
    Poison,
    ReadingSettings,
    Table,
    Unreadable,
    media_type,
    read_file,
    read_items,
)
from curation.formats.care import is_careful
from curation.formats.decoding import decode
from curation.formats.extracts import TOO_MUCH, Exhausted, NeedsPieces, checked, limited, may_die, reader_failed
from curation.large_files import is_halved, is_piecewise

NO_RECORD = Poison("", "no text", "no record of the file could be read; see its own failures, if any")


def items_of(file: File, fetch: Callable[[], bytes], settings: ReadingSettings) -> list[Item] | Table:
    """What one file gives; a file that gives no document has one Poison without a part, at the end.

    Raises NeedsWorker for a file whose parser may crash, unless this process may die; NeedsPieces for one of which too
    much comes out to be held; ConnectionError, and MemoryError in a process without a limit of its own, for they are the
    network's or the machine's doing and not the file's.
    """
    try:
        found = _healthy(file, fetch(), settings)
    except Exception as error:  # noqa: BLE001 - whatever a parser stumbles over, the file fails alone and is named
        return [failure_of(error)]
    if isinstance(found, Table):
        if not found.extracts.height:
            found.poisons.append(NO_RECORD)
    elif not any(isinstance(item, Extract) or not item.part for item in found):
        found.append(NO_RECORD)
    return found


def failure_of(error: Exception) -> Poison:
    """Why a whole file gives no document. Raises the error itself where that is the network's or the machine's doing."""
    if isinstance(error, ConnectionError | NeedsWorker | NeedsPieces):
        raise error
    if isinstance(error, MemoryError):
        if not may_die.get():
            raise error
        return Poison("", "over the limit", TOO_MUCH.format("the file"))
    named = error if isinstance(error, Unreadable) else reader_failed(error)
    return Poison("", named.error, named.detail)


def _healthy(file: File, data: bytes, settings: ReadingSettings) -> list[Item] | Table:
    """The file's items within the limits, each with text that a table can hold."""
    if not data or data.isspace():
        return [Extract("", media_type(data, file.path), decode(data))]
    if is_careful() and is_halved(data, file.path):
        raise NeedsPieces
    try:
        found = (read_items if is_careful() else read_file)(data, file.path, settings)
        return found if isinstance(found, Table) else [checked(item) for item in limited(found, settings, Exhausted)]
    except Exhausted as error:
        if is_piecewise(data, file.path):
            raise NeedsPieces from error
        raise
