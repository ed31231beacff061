"""Bytes to text, loss-free or not at all.

In this order, each strict: a byte order mark; UTF-8; the encoding that the file itself declares (HTML, XML, a coding
line); UTF-16 without a mark; a guess from the first 64 KiB by uchardet (by way of resiliparse), then by
charset-normalizer. On 18 short texts in as many encodings uchardet named 15 rightly and charset-normalizer 10, for it
takes much Western text for Central European. A guess counts only if the text encodes back to the very same bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import chain

from curation.formats.extracts import Unreadable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark starts with that of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = (
    re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([-\w.:]+)""", re.IGNORECASE),
    re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([-\w.:]+)""", re.IGNORECASE),
    re.compile(rb"\A(?:[^\n]*\n)?[^\n]*?coding[:=][ \t]*([-\w.]+)"),
)
_LATIN = frozenset({"iso8859-1", "ascii"})
_SAMPLE = 1 << 16
_HEAD = 2048
_ESCAPED_JAPANESE = (b"\x1b$B", b"\x1b$@")
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")


def decode(data: bytes) -> str:
    """The text of the bytes, without its byte order mark; line ends stay as they are.

    Raises Unreadable: "binary" when there are NULs, "unknown encoding" when no encoding gives the text back whole.
    """
    return decoded(data)[0]


def decoded(data: bytes) -> tuple[str, bytes]:
    """The text of the bytes, and itself as UTF-8, which the bytes mostly are. Raises as `decode` does."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", ""))
    if mark:
        text = _strict(data[len(mark) :], encoding)
    elif b"\0" in data:
        text = _bare_utf16(data) or "\0"
    elif not _has_escapes(data) and (text := _strict(data, "utf-8")) is not None:
        return text, data
    else:
        text = _by_name(data)
    if text is None:
        raise Unreadable("unknown encoding", "save the file as UTF-8")
    if "\0" in text:
        raise Unreadable("binary", "a text holds no NUL characters; exclude the file if it is none")
    return text, text.encode("utf-8", "surrogatepass")  # half a pair, which a declared encoding can give


def is_plain_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8 if they decode as it, whatever else they could be; a mark of UTF-8 may stand first."""
    if b"\0" in data or any(data.startswith(mark) for mark, _ in _MARKS[1:]):
        return False
    return not _has_escapes(data)


def is_text(data: bytes) -> bool:
    """Whether the bytes can be text: no NULs, unless they are UTF-16 or UTF-32."""
    if b"\0" not in data:
        return True
    return any(data.startswith(mark) for mark, _ in _MARKS[1:]) or _bare_utf16(data) is not None


def decode_rows(data: bytes) -> str:
    """The text of a table, as `decode` gives it; NULs that `are_of_rows` stay in it, for they cost the rows that hold them alone."""
    text = _strict(data, "utf-8-sig") if are_of_rows(data) else None
    return decode(data) if text is None else text


def are_of_rows(data: bytes) -> bool:
    """Whether there are NULs in the bytes, which are UTF-8 nevertheless and have none in their first line.

    They may be the beginning of a file, and end within a character.
    """
    if is_text(data) or b"\0" in data.partition(b"\n")[0]:
        return False
    try:
        codecs.utf_8_decode(data, "strict", False)
    except UnicodeDecodeError:
        return False
    return True


def _by_name(data: bytes) -> str | None:
    """Bytes that are no UTF-8, by the encoding that they name or that is guessed."""
    known = (_round_trip(data, name) for name in _declared(data))
    guessed = (_plausible(_round_trip(data, name)) for name in _guesses(data))
    return next((text for text in chain(known, guessed) if text is not None), None)


def _has_escapes(data: bytes) -> bool:
    """Whether the bytes can only be Japanese, of the encoding that shifts by escapes."""
    head = data[:_SAMPLE]
    return b"\x1b" in head and any(escape in head for escape in _ESCAPED_JAPANESE)


def _declared(data: bytes) -> Iterator[str]:
    """The encodings that the file names, or that its escapes can only mean."""
    for pattern in _DECLARED:
        if found := pattern.search(data[:_HEAD]):
            name = found[1].decode("ascii", "replace")
            yield from (("cp1252", name) if _canonical(name) in _LATIN else (name,))
    if _has_escapes(data):
        yield from ("iso2022_jp", "iso2022_jp_2", "utf-8")


def _canonical(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return ""


def _guesses(data: bytes) -> Iterator[str]:
    """The encodings that detectors see in the first whole lines, the likeliest first; the slow one comes last."""
    from charset_normalizer import from_bytes
    from resiliparse.parse.encoding import detect_encoding

    sample = data[:_SAMPLE]
    whole_lines = sample[: sample.rfind(b"\n") + 1] or sample
    guess = detect_encoding(whole_lines, max_len=0)
    if guess:
        yield str(guess)
    best = from_bytes(whole_lines).best()
    if best is not None:
        yield best.encoding


def _bare_utf16(data: bytes) -> str | None:
    """UTF-16 without a mark: NULs in every second byte only, and no other control characters."""
    head = data[: _HEAD * 2]
    low, high = head[0::2].count(0), head[1::2].count(0)
    if len(data) % 2 or (low and high) or max(low, high) * 4 < len(head) // 2:
        return None
    text = _strict(data, "utf-16-be" if low else "utf-16-le")
    return _plausible(text)


def _plausible(text: str | None) -> str | None:
    """A guess that gives control characters was none: those bytes are no text."""
    return text if text is not None and not _CONTROL.search(text) else None


def _strict(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _round_trip(data: bytes, encoding: str) -> str | None:
    text = _strict(data, encoding)
    try:
        return text if text is not None and text.encode(encoding) == data else None
    except UnicodeError:
        return None


def is_unicode(text: str) -> bool:
    """Whether a text holds whole characters alone: none that stands for foreign bytes, and no half of one."""
    if text.isascii():  # a text knows this of itself
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
