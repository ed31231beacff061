"""E-mail addresses: RFC 5321's mailbox as people write it, with letters beyond ASCII (RFC 6531), and ` [at] ` for `@`.

Of the signs that RFC 5322 allows in a local part those are left out that in running text part addresses from what
surrounds them (`/ ? & | { } `` ` ``); quoted local parts and addresses of hosts by number are not looked for. Letters of
two bytes in UTF-8 (Latin, Greek, Cyrillic, Hebrew, Arabic) may stand in an address; Chinese and Japanese, which stand
about addresses without a space, may not. `logo@2x.png` is a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

LONGEST_LOCAL, LONGEST = 64, 254
_LETTER = rb"(?:[A-Za-z0-9]|[\xc3-\xd4][\x80-\xbf])"
_LABEL = _LETTER + rb"(?:(?:" + _LETTER + rb"|-){0,61}" + _LETTER + rb")?"
_TOP = rb"(?:xn--[A-Za-z0-9-]{2,59}|(?:[A-Za-z]|[\xc3-\xd4][\x80-\xbf]){2,24})"
_END = rb"(?![A-Za-z0-9_@]|-[A-Za-z0-9]|[\xc3-\xd4][\x80-\xbf])"
_DOMAIN = re.compile(rb"(?:" + _LABEL + rb"\.)+(" + _TOP + rb")" + _END)
_DOT = rb"(?:\.|[ ]?[\[({][ ]?(?:dot|DOT|Dot|\.)[ ]?[\])}][ ]?)"
_SPELT = re.compile(rb"[\[({][ ]?(?:at|AT|At|@)[ ]?[\])}][ ]?(?:" + _LABEL + _DOT + rb")+(" + _TOP + rb")" + _END)
_KEYS = re.compile(
    rb"(?i)(?:.*[^a-z])?(?:e?-?mails?|to|from|cc|bcc|user|username|login|address|addr|contact|id|sender)="
)
_FILES = frozenset(b"png jpg jpeg gif svg webp bmp ico css scss less js mjs ts tsx jsx json html htm md txt".split())


def find_email(data: bytes, at: int) -> Iterator[tuple[int, int]]:
    """The address about the `@`, or about the bracket before an ` [at] `, if there is one."""
    spelt = data[at] != 64
    domain = (_SPELT if spelt else _DOMAIN).match(data, at if spelt else at + 1, at + 1 + LONGEST)
    if domain is None or domain[1].lower() in _FILES or _goes_on(data, domain.end()):
        return
    stop = at - 1 if spelt and at and data[at - 1] == 32 else at
    start = _local_start(data, stop)
    if start < stop and domain.end() - start <= LONGEST and not _is_repository(data, start, stop, domain.end()):
        yield start, domain.end()


def _goes_on(data: bytes, end: int) -> bool:
    """Whether the match ends only because it may be no longer."""
    return end < len(data) and (data[end : end + 1].isalnum() or data[end] in b"_@")


def _local_start(data: bytes, stop: int) -> int:
    """Where the local part that ends at `stop` starts; `stop` if there is none."""
    floor = max(0, stop - LONGEST_LOCAL - 2)
    found = _last_run(data[floor:stop])
    start = stop - len(found)
    if len(found) > LONGEST_LOCAL or found.endswith(b"."):
        return stop
    cut = found.rfind(b"..") + 2 if b".." in found else 0
    key = _KEYS.match(found, cut)
    cut = key.end() if key else cut
    while cut < len(found) and found[cut] in b".!#$%'*+=^~-":
        cut += 1
    return start + cut


def _last_run(text: bytes) -> bytes:
    """The longest ending that a local part may be made of, from the beginning of a character."""
    place = len(text)
    while place > 0 and (text[place - 1] in _PLAIN or _is_pair(text, place)):
        place -= 1 if text[place - 1] in _PLAIN else 2
    return text[place:]


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.!#$%'*+=^_~-")


def _is_pair(text: bytes, place: int) -> bool:
    return place > 1 and 0x80 <= text[place - 1] <= 0xBF and 0xC3 <= text[place - 2] <= 0xD4


def _is_repository(data: bytes, start: int, stop: int, end: int) -> bool:
    """`git@host:path` names a repository."""
    return data[start:stop] == b"git" and data[end : end + 1] in (b":", b"/")
