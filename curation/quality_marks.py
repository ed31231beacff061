"""The one pass over UTF-8 bytes that all quality signals start from: what each byte is, as bitmaps. Compiled by Numba.

Sixty-four bytes of ASCII are told apart at once; other characters are looked up one by one in the table that
`curation.quality_characters` makes. The meaning of the table's bits stands here, because cached machine code is thrown
away only when the file changes that it was made from. Words and lines are then walked along the bitmaps
(`curation.quality_words`, `curation.quality_lines`), and no character is decoded twice.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.bitmaps import Bitmaps
from curation.compilation import cgutils, emitted, inlined, piece, types
from curation.deduplication.lanes import (
    BYTES,
    as_bits,
    count_bits,
    every,
    first_bits,
    loaded,
    lowest_bit,
    within,
)
from curation.utf8 import code_point

SPACE: Final = 1
ALPHA: Final = 2
BREAK: Final = 4
TERMINAL: Final = 8
CLOSER: Final = 16
WIDE_TERMINAL: Final = 32
BULLET: Final = 64
QUOTE: Final = 128
ALNUM: Final = 256
PAIRS: Final = 512
FOURS: Final = 1024

INK, STARTS, EDGES, ALPHAS, ALNUMS, ENDS, SOUGHT, FIRSTS, BREAKS = range(9)
"""The bitmaps of a text: what is not white space, where words start, and where they start or end; the first bytes of
letters, of letters and digits, of marks that end sentences, of what C4 looks for, and of all characters; the last bytes of
line breaks."""
ROOM: Final = 144
"""Bytes that must lie behind a text in its array: blocks are read whole, and one beyond the last."""
_ELLIPSIS: Final = 0x2026
_CONTINUES: Final = -64
_OPENINGS: Final = (b"jav", b"lor", b"ter", b"pri", b"coo", b"use")
"""How the phrases begin that C4 looks for; `{` it looks for too."""
_BEGUN, _BEHIND, _OWN, _BEHIND_NEXT, _SPILT = 5, 6, 7, 2, 3
_ZERO, _ONE, _LAST = np.uint64(0), np.uint64(1), np.uint64(63)

Bytes = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.uint16]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


class Tally(NamedTuple):
    """How much of a text is what: characters, line feeds, line breaks, words, those cut from scripts without spaces, hash
    signs, ellipses; and whether all of it is ASCII."""

    chars: int
    feeds: int
    breaks: int
    words: int
    pieces: int
    hashes: int
    ellipses: int
    is_ascii: bool


@emitted
def classified(typing: Any, data: Any, at: Any) -> Any:
    """Which of the 64 bytes of data[at:] are, as bits: beyond ASCII; within a character; ASCII letters, digits, white
    space, line breaks, line feeds, hash signs, dots, marks that end sentences, and what C4 looks for."""

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        def at_(step: int) -> Any:
            place = builder.add(given[1], given[1].type(step))
            return loaded(context, builder, signature.args[0], given[0], place, BYTES)

        def is_(lanes: Any, letter: str | int) -> Any:
            return builder.icmp_unsigned("==", lanes, every(ord(letter) if isinstance(letter, str) else letter))

        def either(*flags: Any) -> Any:
            first, *others = flags
            for other in others:
                first = builder.or_(first, other)
            return first

        lanes, second, third = at_(0), at_(1), at_(2)
        small = [builder.or_(each, every(0x20)) for each in (lanes, second, third)]
        phrases = [
            builder.and_(builder.and_(is_(small[0], a), is_(small[1], b)), is_(small[2], c)) for a, b, c in _OPENINGS
        ]
        breaks = either(within(builder, lanes, 0x0A, 4), within(builder, lanes, 0x1C, 3))
        found = [
            builder.icmp_signed("<", lanes, every(0)),
            builder.icmp_signed("<", lanes, every(_CONTINUES)),
            within(builder, small[0], ord("a"), 26),
            within(builder, lanes, ord("0"), 10),
            either(breaks, is_(lanes, 0x09), is_(lanes, 0x1F), is_(lanes, " ")),
            breaks,
            is_(lanes, "\n"),
            is_(lanes, "#"),
            is_(lanes, "."),
            either(*(is_(lanes, mark) for mark in ".!?")),
            either(is_(lanes, "{"), *phrases),
        ]
        return cgutils.pack_array(builder, [as_bits(builder, flags) for flags in found])

    return types.UniTuple(types.uint64, 11)(data, types.int64), code


class Block(NamedTuple):
    """What is held of a block of a text, as `_mark_others` says."""

    own: Hashes
    spilt: Hashes
    piece: Ints


def block_room() -> Block:
    """Room for a block."""
    return Block(np.empty(_OWN, np.uint64), np.empty(_SPILT, np.uint64), np.empty(3, np.int64))


def room_for(size: int) -> Bitmaps:
    """Bitmaps for a text of so many bytes."""
    return np.empty((9, ((size + 63) >> 6) + 2), np.uint64)


@piece
def mark(data: Bytes, start: int, end: int, flags: Flags, room: Block, marks: Bitmaps) -> Tally:
    """Mark the text data[start:end], valid UTF-8; bit p is byte start + p. The end of the last word is an edge too."""
    chars = feeds = breaks = words = pieces = hashes = ellipses = dots = 0
    is_ascii, was_ink, none = True, _ZERO, _ZERO
    own, spilt, piece = room
    for k in range(_SPILT):
        spilt[k], piece[k] = none, -1
    blocks = (end - start + 63) >> 6
    for block in range(blocks + 1):
        i = start + (block << 6)
        inside = first_bits(max(0, min(64, end - i)))
        beyond, later, alpha, digits, space, broken, fed, hashed, dot, ends, sought = classified(data, i)
        ink, broken, dot, alpha, ends = inside & ~space, broken & inside, dot & inside, alpha & inside, ends & inside
        alnum = alpha | (digits & inside)
        begun, behind = none, none
        if beyond & inside != 0 or spilt[_BEHIND_NEXT] != 0:
            is_ascii = False
            own[0], own[1], own[2], own[3], own[4] = ink & ~spilt[0], broken | spilt[1], alpha, alnum, ends
            own[_BEGUN], own[_BEHIND] = none, spilt[_BEHIND_NEXT]
            for k in range(_SPILT):
                spilt[k] = none
            found, cut = _mark_others(data, i, block, beyond & ~later & inside, flags, own, spilt, piece)
            ellipses += found
            pieces += cut
            ink, broken, alpha, alnum, ends, begun, behind = own[0], own[1], own[2], own[3], own[4], own[5], own[6]
        prior = ink << _ONE | was_ink
        starts = (ink & ~prior) | begun | (behind & ink)
        if broken & ~fed != 0:
            broken = _single(data, i, end, broken)
        if dot & (dot >> _ONE) != 0 or (dots != 0 and dot & _ONE != 0):
            found, dots = _ellipses(dot, dots)
            ellipses += found
        else:
            dots = int(dot >> _LAST)
        marks[INK, block], marks[STARTS, block], marks[EDGES, block] = ink, starts, starts | (prior & ~ink)
        marks[ALPHAS, block], marks[ALNUMS, block], marks[ENDS, block] = alpha, alnum, ends
        marks[SOUGHT, block], marks[FIRSTS, block], marks[BREAKS, block] = sought & inside, inside & ~later, broken
        chars += count_bits(inside & ~later)
        feeds += count_bits(fed & inside)
        breaks += count_bits(broken)
        words += count_bits(starts)
        hashes += count_bits(hashed & inside)
        was_ink = ink >> _LAST
    for row in range(BREAKS + 1):
        marks[row, blocks + 1] = none
    return Tally(chars, feeds, breaks, words, pieces, hashes, ellipses, is_ascii)


@piece
def _mark_others(
    data: Bytes, i: int, block: int, others: np.uint64, flags: Flags, own: Hashes, spilt: Hashes, piece: Ints
) -> tuple[int, int]:
    """Mark the characters beyond ASCII whose first bytes are `others`, of the 64 from byte i on; how many are ellipses,
    and how many begin a piece of a script without spaces.

    `own` are the bits of the block: ink, breaks, letters, letters and digits, ends of sentences, first bytes of pieces, and
    places behind pieces, where a word begins unless the piece goes on. `spilt` are those that reach into the next block:
    white space, breaks, and places behind pieces. `piece` is the last one's end, length and kind.
    """
    ellipses = pieces = 0
    while others != 0:
        k = lowest_bit(others)
        others &= others - _ONE
        code, width = code_point(data, i + k)
        ellipses += code == _ELLIPSIS
        flag = int(flags[code]) if code < len(flags) else 0
        bit, shift = _ONE << np.uint64(k), np.uint64(k)
        if flag & SPACE:
            own[0] &= ~(first_bits(width) << shift)
            spilt[0] |= first_bits(max(0, k + width - 64))
            if flag & BREAK:
                own[1], spilt[1] = _with_bit(own[1], spilt[1], k + width - 1)
        own[2] |= bit * np.uint64(flag & ALPHA != 0)
        own[3] |= bit * np.uint64(flag & ALNUM != 0)
        own[4] |= bit * np.uint64(flag & (TERMINAL | WIDE_TERMINAL) != 0)
        kind = 2 if flag & PAIRS else 4 if flag & FOURS else 0
        if kind:
            place = (block << 6) + k
            if place == piece[0] and kind == piece[2] and piece[1] < kind:
                piece[1] += 1
                own[_BEHIND] &= ~bit
            else:
                own[_BEGUN] |= bit
                pieces += 1
                piece[1], piece[2] = 1, kind
            piece[0] = place + width
            own[_BEHIND], spilt[_BEHIND_NEXT] = _with_bit(own[_BEHIND], spilt[_BEHIND_NEXT], k + width)
    return ellipses, pieces


@inlined
def _with_bit(own: np.uint64, next_own: np.uint64, k: int) -> tuple[np.uint64, np.uint64]:
    """The bits of a block and of the next one, with bit k of both together set."""
    if k < 64:
        return np.uint64(own | _ONE << np.uint64(k)), next_own
    return own, np.uint64(next_own | _ONE << np.uint64(k - 64))


@piece
def _single(data: Bytes, i: int, end: int, broken: np.uint64) -> np.uint64:
    """The line breaks of 64 bytes without carriage returns before line feeds: of the two, the second breaks the line."""
    left = broken
    while left != 0:
        k = lowest_bit(left)
        left &= left - _ONE
        if data[i + k] == 0x0D and i + k + 1 < end and data[i + k + 1] == 0x0A:
            broken &= ~(_ONE << np.uint64(k))
    return broken


@piece
def _ellipses(dot: np.uint64, dots: int) -> tuple[int, int]:
    """How many times three dots follow each other, and how many more stand at the end; `dots` stood before."""
    found = 0
    for k in range(64):
        dots = dots + 1 if dot >> np.uint64(k) & _ONE else 0
        if dots == 3:
            found += 1
            dots = 0
    return found, dots
