"""Continue a text: the task of any corpus, as pre-training sees it, cut so that it can be scored.

A document is cut into pieces of whole paragraphs; the first part of a piece is the prompt, the rest its continuation.
Pieces of one document always share its group.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.tasks.candidates import Candidate, user
from curation.tasks.json_contents import CHAT, RECORD
from curation.tasks.settings import TaskSettings

MIN_WORDS = 4
"""A continuation of fewer words says nothing of a model; its piece is dropped."""

_PARAGRAPH = re.compile(r"\n[ \t]*\n\s*")


def find(text: str, media_type: str, settings: TaskSettings) -> Iterator[Candidate]:
    """Candidates of any text but chats and records; `line` is where the piece begins."""
    if media_type in (CHAT, RECORD):
        return
    limit, share = settings.prompt_chars, settings.reference_chars
    line, seen = 1, 0
    for start, piece in pieces(text, limit + share):
        line, seen = line + text.count("\n", seen, start), start
        cut = _last_space(piece, len(piece) * limit // (limit + share))
        prompt, rest = piece[:cut].strip(), piece[cut:].strip()
        reference = rest[: _last_space(rest, share)].strip() if len(rest) > share else rest
        if not prompt or len(reference.split()) < MIN_WORDS:
            yield Candidate("completion", line=line, dropped="piece too short to cut")
        else:
            yield Candidate("completion", user(prompt), reference, line=line)


def pieces(text: str, size: int) -> Iterator[tuple[int, str]]:
    """The text in pieces of at most `size` characters with their offsets: whole paragraphs, as many as fit.

    A paragraph that is longer is cut at its last space that fits, or where it must be.
    """
    start = end = -1
    for left, right in _spans(text, size):
        if start >= 0 and right - start > size:
            yield start, text[start:end]
            start = -1
        start = left if start < 0 else start
        end = right
    if start >= 0:
        yield start, text[start:end]


def _spans(text: str, size: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each paragraph, or of its parts of at most `size` characters."""
    begin = len(text) - len(text.lstrip())
    stops = [match.span() for match in _PARAGRAPH.finditer(text, begin)] + [(len(text.rstrip()), len(text))]
    for stop, following in stops:
        while stop - begin > size:
            part = begin + _last_space(text[begin : begin + size + 1], size)
            yield begin, part
            begin = part + (len(text[part:stop]) - len(text[part:stop].lstrip()))
        if stop > begin:
            yield begin, stop
        begin = following


def _last_space(text: str, limit: int) -> int:
    """The offset of the last white space at or before `limit`; the limit itself where there is none."""
    for offset in range(min(limit, len(text) - 1), 0, -1):
        if text[offset].isspace():
            return offset
    return limit
