"""E-mail and mailboxes: what a message says is its document, and each attachment is read as the file it is.

Of a message that says the same in plain text and in HTML the plain text counts. Subject and date are kept; addresses are
not, for they are about people and no text. A message of a mailbox that cannot be read fails alone, and so does an
attachment: a picture in a message stands among the failures as a picture in a folder does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage, Message
from email.parser import BytesParser
from functools import partial
from itertools import islice, pairwise
from typing import BinaryIO

from curation.formats.decoding import decode
from curation.formats.extracts import Extract, Item, Poison, ReadingSettings, Unreadable, below
from curation.formats.html import read_html
from curation.formats.metadata import iso_date

MAIL = "message/rfc822"
MAILBOX = "application/mbox"

MAX_FORWARDED = 20
"""Messages within messages that are followed; each costs its whole size again."""

_START = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n")
_CHUNK = 1 << 20
_QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)


def read_mail(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """One message and its attachments (`attachment=2`). Raises Unreadable when it is none."""
    yield from _message(data, settings, 0)


def read_mailbox(data: bytes, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The messages of a mailbox (RFC 4155, in the mboxrd form), each with its number: `message=3`.

    Raises Unreadable for a file in which no message begins.
    """
    for number, one in enumerate(_messages(data), 1):
        yield from below(f"message={number}", "/", partial(_message, one, settings, 0), settings)


def mailbox_stream(opened: BinaryIO, media_type: str, settings: ReadingSettings) -> Iterator[Item]:
    """The same of a mailbox of any size, of which one message is held; one that is too large fails alone."""
    for number, one in enumerate(_streamed(opened, settings.max_bytes), 1):
        if one is None:
            mend = f"the message is larger than reading.max_bytes ({settings.max_bytes}): raise it, or take it out"
            yield Poison(f"message={number}", "over the limit", mend)
        else:
            yield from below(f"message={number}", "/", partial(_message, one, settings, 0), settings)


def message_of(data: bytes, number: int) -> tuple[bytes, str]:
    """A message of a mailbox, by its number. Raises LookupError when there are not so many."""
    found = next(islice(_messages(data), number - 1, None), None)
    if found is None:
        raise LookupError(f"the mailbox has no message {number}")
    return found, "message.eml"


def attachment_of(data: bytes, number: int) -> tuple[bytes, str]:
    """What is attached to a message, by its number, with its name. Raises LookupError when there is not so much."""
    part = next(islice(_attachments(_parsed(data)), number - 1, None), None)
    if part is None:
        raise LookupError(f"the message has no attachment {number}")
    forwarded = _forwarded(part)
    return (_payload(part), part.get_filename() or "") if forwarded is None else (forwarded.as_bytes(), "message.eml")


def _messages(data: bytes) -> Iterator[bytes]:
    starts = [*_START.finditer(data)]
    if not starts or data[: starts[0].start()].strip():
        raise _malformed()
    ends = [start.start() for start in starts[1:]] + [len(data)]
    return (_plain(data[start.start() : end]) for start, end in zip(starts, ends, strict=True))


def _streamed(opened: BinaryIO, most: int) -> Iterator[bytes | None]:
    """The messages, None for one of more than so many bytes. What is held begins where one does."""
    held, seen, is_large = opened.read(_CHUNK), 0, False
    begins = _START.search(held)
    if begins is None or held[: begins.start()].strip():
        raise _malformed()
    held = held[begins.start() :]
    while True:
        starts = [start.start() for start in _START.finditer(held, seen)]
        for start, end in pairwise([0, *(at for at in starts if at)]):
            yield None if is_large or end - start > most else _plain(held[start:end])
            is_large = False
        held = held[starts[-1] if starts else 0 :]
        if len(held) > most:
            is_large, held = True, held[-_CHUNK:]
        seen = held.rfind(b"\n") + 1  # where a line begins that is not whole yet
        chunk = opened.read(_CHUNK)
        if not chunk:
            break
        held += chunk
    yield None if is_large else _plain(held)


def _plain(message: bytes) -> bytes:
    """The message without the line that it begins with, and its other such lines as they were written."""
    return _QUOTED.sub(rb"\1", message.partition(b"\n")[2])


def _malformed() -> Unreadable:
    return Unreadable("malformed mailbox", "it should begin with a line `From …`: export it as mbox again")


def _message(data: bytes, settings: ReadingSettings, depth: int) -> Iterator[Item]:
    """What the message says, then what is attached to it."""
    message = _parsed(data)
    yield Extract("", MAIL, _said(message, settings), _header(message, "Subject"), iso_date(_header(message, "Date")))
    for number, attached in enumerate(_attachments(message), 1):
        yield from below(f"attachment={number}", "/", partial(_attachment, attached, settings, depth), settings)


def _parsed(data: bytes) -> EmailMessage:
    message = BytesParser(policy=policy.default).parsebytes(data)
    if not message.keys():
        raise Unreadable("malformed message", "it has no headers: save the message whole, with its source")
    assert isinstance(message, EmailMessage)  # what the policy makes
    return message


def _said(message: EmailMessage, settings: ReadingSettings) -> str:
    """The text of the message: all its plain parts, or where there is none its HTML."""
    parts = [part for part in _inline(message) if part.get_content_maintype() == "text"]
    plain = [_text(part) for part in parts if part.get_content_subtype() != "html"]
    if any(text.strip() for text in plain):
        return "\n\n".join(text.strip("\r\n") for text in plain if text.strip()).replace("\r\n", "\n")
    pages = [part for part in parts if part.get_content_subtype() == "html"]
    return "\n\n".join(_page(part, settings) for part in pages)


def _page(part: Message, settings: ReadingSettings) -> str:
    data = _text(part).encode("utf-8", "surrogatepass")
    if not data.strip():
        return ""
    return "\n\n".join(item.text for item in read_html(data, "text/html", settings) if isinstance(item, Extract))


def _text(part: Message) -> str:
    """A part in the encoding that it names; where that is none, or the wrong one, as any file."""
    data = _payload(part)
    try:
        return data.decode(part.get_content_charset("utf-8"))
    except (LookupError, ValueError):
        return decode(data)


def _payload(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _leaves(message: Message) -> Iterator[Message]:
    """All parts that hold no others, in order; a message within the message is one."""
    waiting: list[Message] = [message]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(inner, list):
            waiting += [each for each in reversed(inner) if isinstance(each, Message)]
        else:
            yield part


def _inline(message: Message) -> Iterator[Message]:
    return (part for part in _leaves(message) if not _is_attached(part))


def _attachments(message: Message) -> Iterator[Message]:
    return (part for part in _leaves(message) if _is_attached(part))


def _is_attached(part: Message) -> bool:
    """Whether a part is a file of its own: told so, or no text; of `multipart` without parts there is nothing to read."""
    kind = part.get_content_maintype()
    return kind != "multipart" and (part.get_content_disposition() == "attachment" or kind != "text")


def _attachment(part: Message, settings: ReadingSettings, depth: int) -> Iterator[Item]:
    from curation.formats import read_items

    if (forwarded := _forwarded(part)) is None:
        return read_items(_payload(part), part.get_filename() or "", settings)
    if depth == MAX_FORWARDED:
        raise Unreadable("over the limit", f"more than {MAX_FORWARDED} messages within each other")
    return _message(forwarded.as_bytes(), settings, depth + 1)


def _forwarded(part: Message) -> Message | None:
    """The message that an attachment is."""
    inner = part.get_payload()
    is_message = part.get_content_type() == MAIL and isinstance(inner, list) and bool(inner)
    return inner[0] if is_message and isinstance(inner, list) and isinstance(inner[0], Message) else None


def _header(message: Message, name: str) -> str | None:
    """A header as one line of text; a broken one as it stands."""
    value = message.get(name)
    text = " ".join(str(value).split()) if value is not None else ""
    return text.encode("utf-8", "replace").decode() or None
