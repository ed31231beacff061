"""One pass over a page's bytes that finds the tags which say something of the page, compiled by Numba.

It parts markup as HTML's own tokenizer does (HTML Living Standard, section 13.2.5). Where a page is such that the tree
could hold other elements than its tags say, or in another order, it gives up (`UNSURE`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from curation.compilation import emitted, inlined, kernel, piece, types
from curation.deduplication.lanes import BYTES, LANES, as_bits, every, loaded, lowest_bit

UNSURE = -1
"""The tree must be asked."""

HTML, META, LINK, ANCHOR, SCRIPT = range(7, 12)
"""Kinds of tags that are found; a heading's kind is its level, 1 to 6."""
_RAW, _TABLE, _CELL, _ROW, _SELECT, _BUTTON, _PHRASE, _FOREIGN = range(12, 20)

MOST_HEADINGS = 200
_MOST_TAGS = 500

_NAMES = {
    HTML: "html",
    META: "meta",
    LINK: "link",
    ANCHOR: "a",
    SCRIPT: "script",
    _RAW: "iframe noembed noframes style textarea title xmp",
    _TABLE: "table",
    _CELL: "caption td th",
    _ROW: "col colgroup tbody tfoot thead tr",
    _SELECT: "select",
    _BUTTON: "button",
    _PHRASE: "abbr acronym b bdo big br cite code del dfn em font i img ins kbd mark q s samp small span strike strong "
    "sub sup tt u var wbr",
    _FOREIGN: "applet frameset marquee math object plaintext svg template",
    **{level: f"h{level}" for level in range(1, 7)},
}
_LONGEST = 12
_SLOTS = 458
"""A number by which the codes of all these names leave different remainders."""

_DIGITS = np.zeros(256, np.int64)
"""What a letter or digit of a name counts in its code; nothing for what is neither."""
for _place, _sign in enumerate("abcdefghijklmnopqrstuvwxyz0123456789", 1):
    _DIGITS[ord(_sign)] = _DIGITS[ord(_sign.upper())] = _place

_BLANK, _SLASH, _EQUALS, _END = 1, 2, 4, 8
_SIGNS = np.zeros(256, np.uint8)
for _signs, _flag in ((b"\t\n\f\r ", _BLANK), (b"/", _SLASH), (b"=", _EQUALS), (b">", _END)):
    for _byte in _signs:
        _SIGNS[_byte] = _flag


_TELLING = np.zeros((256, 256), np.uint8)
"""Whether what `rel`, `name` and the like say may matter, by the two first letters of a word."""
for _word in ("ar", "ci", "co", "da", "dc", "la", "og", "pu", "ca", "li"):
    for _first in (_word[0], _word[0].upper()):
        for _second in (_word[1], _word[1].upper()):
            _TELLING[ord(_first), ord(_second)] = 1


def _code(name: str) -> int:
    code = 0
    for letter in name:
        code = code * 37 + int(_DIGITS[ord(letter)])
    return code


_CODES = np.zeros(_SLOTS, np.int64)
_KINDS = np.zeros(_SLOTS, np.int64)
for _kind, _names in _NAMES.items():
    for _name in _names.split():
        _CODES[_code(_name) % _SLOTS] = _code(_name)
        _KINDS[_code(_name) % _SLOTS] = _kind


def telling_tags(markup: bytes) -> list[list[int]] | None:
    """Kind, start and end of each tag that tells something, in order; None where the tree must be asked.

    Of a heading they are those of what stands in it; else of the attributes. `markup` is UTF-8 without NULs. Only such
    links and `meta` are found as may be canonical, a licence, a date and the like; and of headings the
    first `MOST_HEADINGS`.
    """
    found = np.empty((_MOST_TAGS + MOST_HEADINGS, 3), np.int64)
    count = _telling_tags(np.frombuffer(markup, np.uint8), found)
    return None if count == UNSURE else found[:count].tolist()


def _equal_to(sign: str) -> Any:
    """A function that gives as bits where in 64 bytes a sign stands."""

    @emitted
    def bits(typing: Any, data: Any, at: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            lanes = loaded(context, builder, signature.args[0], given[0], given[1], BYTES)
            return as_bits(builder, builder.icmp_unsigned("==", lanes, every(ord(sign))))

        return types.uint64(data, types.int64), code

    return bits


def _next(sign: str) -> Callable[[npt.NDArray[np.uint8], int], int]:
    """A function that tells where, from a place on, the next such sign stands, or the end."""
    where, byte = _equal_to(sign), ord(sign)

    @inlined
    def to_next(markup: npt.NDArray[np.uint8], at: int) -> int:
        while at + LANES <= len(markup):
            bits = where(markup, at)
            if bits != 0:
                return int(at + lowest_bit(bits))
            at += LANES
        while at < len(markup) and markup[at] != byte:
            at += 1
        return at

    return to_next


_to_bracket, _to_quote, _to_end = _next("<"), _next('"'), _next(">")


@inlined
def _kind_at(markup: npt.NDArray[np.uint8], at: int) -> tuple[int, int]:
    """The kind of the tag whose name begins there, 0 for one that tells nothing; and where the name ends."""
    code, begin = 0, at
    while at < len(markup) and _DIGITS[markup[at]] and at < begin + _LONGEST:
        code = code * 37 + _DIGITS[markup[at]]
        at += 1
    if at == len(markup):
        return 0, at
    slot = code % _SLOTS
    kind = _KINDS[slot] if _CODES[slot] == code and _SIGNS[markup[at]] & 11 else 0  # blank / >
    while at < len(markup) and not _SIGNS[markup[at]] & 11:
        at += 1
    return kind, at


@inlined
def _around(
    kind: int, ends: bool, tables: int, in_cell: bool, in_select: bool, in_button: bool
) -> tuple[int, bool, bool, bool]:
    """In how many tables what follows a tag stands, and whether in a cell, in a `select` and in a `button`."""
    if kind == _TABLE:
        return max(0, tables + (-1 if ends else 1)), False, in_select, in_button
    if kind in (_CELL, _ROW):
        return tables, kind == _CELL and not ends, in_select, in_button
    if kind == _SELECT:
        return tables, in_cell, not ends, in_button
    return tables, in_cell, in_select, not ends or (in_button and tables > 0)


@kernel
def _telling_tags(markup: npt.NDArray[np.uint8], found: npt.NDArray[np.int64]) -> int:
    size = len(markup) - 3
    at = count = headings = level = content = tables = roots = 0
    in_cell = in_select = in_button = False
    while at < size:
        start = _to_bracket(markup, at)
        if start >= size:
            break
        ends = markup[start + 1] == 47  # /
        begin = start + 1 + ends
        if not 97 <= markup[begin] | 32 <= 122:
            at = _after_other(markup, start + 1, level > 0)
            if at < 0:
                return UNSURE
            continue
        kind, attributes = _kind_at(markup, begin)
        at, told, quoted = _after_attributes(markup, attributes, kind, level > 0)
        if at < 0:
            break  # the tag does not end: there is none
        if level:
            if 1 <= kind <= 6 and ends:
                if headings <= MOST_HEADINGS:
                    found[count] = level, content, start
                    count += 1
                level = 0
            elif quoted or told or (kind != ANCHOR and kind != _PHRASE and (kind != _BUTTON or in_button)):
                return UNSURE
        elif kind == 0 or kind == _PHRASE or (not told and kind in (ANCHOR, META, LINK)):
            continue
        elif kind == _FOREIGN:
            return UNSURE
        elif _TABLE <= kind <= _BUTTON:
            tables, in_cell, in_select, in_button = _around(kind, ends, tables, in_cell, in_select, in_button)
        elif ends:
            continue
        elif kind != SCRIPT and (in_select or (tables > 0 and not in_cell)):
            return UNSURE
        elif kind in (SCRIPT, _RAW):
            at = _after_raw(markup, begin, at, kind == SCRIPT)
            if told or at < 0:
                return UNSURE
        elif kind <= 6:
            level, content = kind, at
            headings += 1
        else:
            roots += kind == HTML
            if count >= _MOST_TAGS or roots > 1:
                return UNSURE
            found[count] = kind, attributes, at - 1
            count += 1
    return UNSURE if level else count


@inlined
def _after_other(markup: npt.NDArray[np.uint8], at: int, in_heading: bool) -> int:
    """Where to go on behind a `<` with which no tag begins: after a comment, a declaration and the like, else at what follows
    there; `UNSURE` of a comment that ends in another way, and of all of them in a heading."""
    first = markup[at]
    if first == 33 and markup[at + 1] == 45 and markup[at + 2] == 45:  # !--
        after = _after_comment(markup, at + 3)
    elif first == 47 or first == 33 or first == 63:  # / ! ?
        after = _to_end(markup, at + (first == 47))
    else:
        return at
    return UNSURE if in_heading else after


@piece
def _after_comment(markup: npt.NDArray[np.uint8], at: int) -> int:
    """Where a comment ends whose text begins there, or `UNSURE`."""
    size = len(markup) - 2
    if at < size and (markup[at] == 62 or (markup[at] == 45 and markup[at + 1] == 62)):  # > ->
        return UNSURE
    while at < size:
        if markup[at] == 45 and markup[at + 1] == 45:  # --
            if markup[at + 2] == 62:  # >
                return at + 3
            if markup[at + 2] == 33:  # !
                return UNSURE
        at += 1
    return len(markup)


@inlined
def _after_attributes(
    markup: npt.NDArray[np.uint8],
    at: int,
    kind: int,
    in_heading: bool,
) -> tuple[int, bool, bool]:
    """Where a tag ends, or -1; whether an attribute may tell something; whether, in a heading, `<` or `>` stands in a value."""
    size = len(markup)
    told = quoted = False
    while True:
        while at < size and _SIGNS[markup[at]] & 3:  # blank /
            at += 1
        if at == size:
            return -1, told, quoted
        if markup[at] == 62:  # >
            return at + 1, told, quoted
        name = at
        at += 1
        while at < size and not _SIGNS[markup[at]]:
            at += 1
        length = at - name
        while at < size and _SIGNS[markup[at]] & 1:
            at += 1
        if at == size or markup[at] != 61:  # =
            continue
        at += 1
        while at < size and _SIGNS[markup[at]] & 1:
            at += 1
        if at == size:
            continue
        mark = markup[at]
        value = at
        if mark == 34 and not in_heading:  # "
            value += 1
            at = _to_quote(markup, value)
        elif mark == 34 or mark == 39:  # " '
            value += 1
            at += 1
            while at < size and markup[at] != mark:
                quoted |= markup[at] == 60 or markup[at] == 62
                at += 1
        else:
            while at < size and not _SIGNS[markup[at]] & 9:  # blank >
                quoted |= markup[at] == 60
                at += 1
        if META <= kind <= SCRIPT:
            told |= _may_tell(markup, kind, name, length, value, at)
        at += (mark == 34 or mark == 39) and at < size


@piece
def _may_tell(
    markup: npt.NDArray[np.uint8],
    kind: int,
    name: int,
    length: int,
    value: int,
    stop: int,
) -> bool:
    """Whether the attribute of a tag of this kind may tell something of the page."""
    if kind == META:  # name property itemprop http-equiv
        if length != 4 and length != 8 and length != 10:
            return False
    elif markup[name] | 32 != (116 if kind == SCRIPT else 114) or length != (4 if kind == SCRIPT else 3):  # type rel
        return False
    starts = kind != SCRIPT
    for at in range(value, stop):
        if markup[at] == 38 or (starts and at + 1 < stop and _TELLING[markup[at], markup[at + 1]]):  # &
            return True
        if kind == SCRIPT:
            if markup[at] == 43:  # +
                return True
        else:
            starts = _SIGNS[markup[at]] & 1 != 0
    return False


@piece
def _after_raw(markup: npt.NDArray[np.uint8], name: int, at: int, is_script: bool) -> int:
    """Where the end tag begins of an element that holds text alone, or `UNSURE`; its name begins there."""
    length = 0
    while not _SIGNS[markup[name + length]]:
        length += 1
    commented = False
    size = len(markup) - length - 2
    while at < size:
        if markup[at] != 60:  # <
            at += 1
            continue
        ends = markup[at + 1] == 47  # /
        if is_script and markup[at + 1] == 33 and markup[at + 2] == 45 and markup[at + 3] == 45:  # !--
            commented = True
        if ends or commented:
            here = at + 1 + ends
            same = 0
            while same < length and markup[here + same] | 32 == markup[name + same] | 32:
                same += 1
            if same == length and _SIGNS[markup[here + same]] & 11:
                return at if ends else UNSURE
        at += 1
    return UNSURE
