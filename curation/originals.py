"""From a locator back to the bytes: what a document was made from, as it lies in its source.

A locator names places within places (`mail.zip#box.mbox#message=3/attachment=1/L2`); each is followed as far as it is
bytes of its own. A row of Parquet or a sheet is not: then it is the file, member or attachment that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from curation.formats import ReadingSettings, media_type
from curation.formats.archives import ARCHIVES, member_of
from curation.formats.mail import MAIL, MAILBOX, attachment_of, message_of
from curation.formats.sniffing import JSON_LINES
from curation.formats.warc import WARC, payload_of

Inner = tuple[bytes, str]
"""Bytes that lie within others, and the name that hints at what they are ("" for none)."""

_NUMBERED: Mapping[str, tuple[str, Callable[[bytes, int], Inner]]] = {
    MAILBOX: ("message", message_of),
    MAIL: ("attachment", attachment_of),
    WARC: ("record", payload_of),
}
_LINE = re.compile(r"L([0-9]+)")


def original(data: bytes, path: str, part: str, settings: ReadingSettings) -> bytes:
    """The bytes at `part` of a file, "" being all of it; the smallest piece around it that is bytes of its own.

    `data` is the file, `path` its name. Raises Unreadable when the way to the part cannot be read any more, and
    LookupError when there is none.
    """
    while part:
        kind = media_type(data, path)
        if kind in ARCHIVES:
            data, path, part = member_of(data, kind, path, part, settings)
        elif kind in _NUMBERED and (found := _number(part, _NUMBERED[kind][0])):
            number, part = found
            data, path = _NUMBERED[kind][1](data, number)
        elif kind == JSON_LINES and (line := _LINE.match(part)) and _is_utf8(data):
            return data.split(b"\n")[int(line[1]) - 1]
        else:
            return data
    return data


def _number(part: str, name: str) -> tuple[int, str] | None:
    """The number of `message=3/attachment=1`, and what is left of it behind."""
    found = re.match(rf"{name}=([0-9]+)(?:/|$)", part)
    return (int(found[1]), part[found.end() :]) if found else None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
