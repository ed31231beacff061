"""Passes over a page's bytes that count tags, compiled by Numba; imported for large pages alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.formats.html_nesting import BLOCKS

UNSURE = -1

_RAW = ("iframe", "noembed", "noframes", "plaintext", "script", "style", "xmp")
_FOREIGN = ("math", "svg")
_IS_BLOCK, _IS_RAW, _IS_FOREIGN, _IS_SCRIPT = 1, 2, 3, 4
_LONGEST = 12
_SLOTS = 129
"""The smallest number by which the codes of all these names leave different remainders."""


def _code(name: str) -> int:
    """A name of at most twelve letters as a number, five bits a letter."""
    code = 0
    for letter in name:
        code = code << 5 | ord(letter) & 31
    return code


_CODES = np.zeros(_SLOTS, np.int64)
_KINDS = np.zeros(_SLOTS, np.uint8)
for _names, _kind in ((BLOCKS, _IS_BLOCK), (_RAW, _IS_RAW), (_FOREIGN, _IS_FOREIGN), (("script",), _IS_SCRIPT)):
    for _name in _names:
        _CODES[_code(_name) % _SLOTS] = _code(_name)
        _KINDS[_code(_name) % _SLOTS] = _kind

_BEGINS = np.zeros((256, 256), np.uint8)
"""Whether the two letters begin the name of a block element."""
for _name in BLOCKS:
    for _first in (_name[0], _name[0].upper()):
        for _second in (_name[1], _name[1].upper()):
            _BEGINS[ord(_first), ord(_second)] = 1


def start_tags(markup: bytes) -> int:
    """How many start tags of block elements there are at most: `<` and the first two letters of such a name."""
    return int(_start_tags(np.frombuffer(markup, np.uint8), _BEGINS))


def nesting(markup: bytes) -> int:
    """How deep block elements lie in each other by their tags, an end tag ending only elements of its own name.

    Comments and what stands within scripts and styles do not count. Of a tree that is written out as HTML this is the
    truth or more than it, or `UNSURE` where a script, a style or another element's text is written so that it can be
    taken for tags.
    """
    return int(_nesting(np.frombuffer(markup, np.uint8), _CODES, _KINDS, np.zeros(_SLOTS, np.int64)))


@kernel
def _start_tags(markup: npt.NDArray[np.uint8], begins: npt.NDArray[np.uint8]) -> int:
    found = 0
    for at in range(len(markup) - 2):
        if markup[at] == 60:  # <
            found += begins[markup[at + 1], markup[at + 2]]
    return found


@piece
def _comment_end(markup: npt.NDArray[np.uint8], at: int, size: int) -> int:
    """The place before the next `-->`, from a place on; `size` where there is none before it."""
    while at < size and not (markup[at + 1] == 45 and markup[at + 2] == 45 and markup[at + 3] == 62):  # -->
        at += 1
    return at


@piece
def _tag_end(markup: npt.NDArray[np.uint8], at: int, size: int) -> int:
    """Where, from a place on, the next `>` stands; `size` where there is none before it."""
    while at < size and markup[at] != 62:  # >
        at += 1
    return at


@piece
def _name_at(
    markup: npt.NDArray[np.uint8], at: int, codes: npt.NDArray[np.int64], kinds: npt.NDArray[np.uint8]
) -> tuple[int, int, int]:
    """The code of the letters that stand there, 0 for none; the kind of element that they name, 0 for any other; and their end."""
    code, start = 0, at
    while at < len(markup) and at < start + _LONGEST and 97 <= markup[at] | 32 <= 122:
        code = code << 5 | int(markup[at]) & 31
        at += 1
    slot = code % len(codes)
    named = code and codes[slot] == code and (at == len(markup) or markup[at] in (9, 10, 12, 13, 32, 47, 62))
    return code, int(kinds[slot]) if named else 0, at


@kernel
def _nesting(
    markup: npt.NDArray[np.uint8],
    codes: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.uint8],
    opened: npt.NDArray[np.int64],
) -> int:
    depth = deepest = foreign = raw = at = 0
    commented = False
    size = len(markup) - 3
    while at < size:
        if markup[at] != 60:  # <
            at += 1
            continue
        at += 1
        if markup[at] == 33 and markup[at + 1] == 45 and markup[at + 2] == 45:  # !--
            if raw:
                commented = True
            else:
                at = _comment_end(markup, at + 1, size)
            continue
        if not raw and (markup[at] == 33 or markup[at] == 63):  # ! ?
            at = _tag_end(markup, at, size)
            continue
        ends = markup[at] == 47  # /
        at += ends
        code, kind, at = _name_at(markup, at, codes, kinds)
        if code and not raw:
            at = _tag_end(markup, at, size)
        if kind == 0:
            continue
        if raw:
            if ends and code == raw:
                raw = 0
            elif commented and kind == _IS_SCRIPT:
                return UNSURE
        elif kind == _IS_FOREIGN:
            foreign += -1 if ends else 1
        elif kind != _IS_BLOCK:
            if not ends:
                if foreign > 0:
                    return UNSURE
                raw, commented = code, False
        elif not ends:
            opened[code % len(codes)] += 1
            depth += 1
            deepest = max(deepest, depth)
        elif opened[code % len(codes)] > 0:
            opened[code % len(codes)] -= 1
            depth -= 1
    return deepest
