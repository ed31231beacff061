"""What the quality signals are made of, counted text by text while it lies in the cache. Compiled by Numba.

Python's own string methods would need a second for each 5 MB of text. One pass over the bytes marks what each of them is
(`curation.quality_marks`); words, repeated runs of words, and lines are counted along the marks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.bitmaps import Bitmaps
from curation.compilation import kernel
from curation.quality_lines import LINE_COUNTS, Seen, Text, count_lines, room_for_lines
from curation.quality_marks import ROOM, Block, Bytes, Flags, block_room, mark, room_for
from curation.quality_words import Hashes, Lengths, StopWords, count_words
from curation.repetition_kernel import RUN_COUNTS, Runs, count_repeated, room_for_runs, slots_for

WORD_COUNTS = (
    *("chars", "breaks", "words", "pieces", "plain_words", "plain_word_chars", "alpha_words", "hashes", "ellipses"),
    "stop_words",
)
"""`breaks` are line feeds, `pieces` words cut from scripts without spaces, `plain_words` hold a letter or a digit."""
COUNTS = (*WORD_COUNTS, *RUN_COUNTS, *LINE_COUNTS)
"""The columns of `count`."""

_RUNS, _LINES = len(WORD_COUNTS), len(WORD_COUNTS) + len(RUN_COUNTS)
_WORDS, _LINES_HELD = 1 << 16, 1 << 12
"""There is room for so many words and lines of a text at first."""
Ints = npt.NDArray[np.int64]


class Room(NamedTuple):
    """What texts are counted in: bitmaps for the longest; of as many words as there is room for a hash and the characters; a
    table of lines; and what was counted of a text's runs and lines."""

    marks: Bitmaps
    hashes: Hashes
    chars: Lengths
    seen: Hashes
    of_runs: Ints
    of_lines: Ints


def _room(largest: int, words: int, lines: int) -> Room:
    counted = np.empty(len(RUN_COUNTS), np.int64), np.empty(len(LINE_COUNTS), np.int64)
    return Room(
        room_for(largest), np.empty(words, np.uint64), np.empty(words, np.int32), room_for_lines(lines), *counted
    )


def count_all(data: Bytes, offsets: Ints, flags: Flags, stop_words: StopWords, short_line: int) -> Ints:
    """What `COUNTS` names, a row per text. Text i is data[offsets[i] : offsets[i + 1]], valid UTF-8."""
    counts = np.zeros((len(offsets) - 1, len(COUNTS)), np.int64)
    near = int(np.searchsorted(offsets[1:], len(data) - ROOM, side="right"))
    _count_some(data, offsets[: near + 1], flags, stop_words, short_line, counts[:near])
    if near < len(counts):  # too near to the end of the bytes
        begin = int(offsets[near])
        behind = np.concatenate([data[begin : int(offsets[-1])], np.zeros(ROOM, np.uint8)])
        behind.flags.writeable = False
        _count_some(behind, offsets[near:] - begin, flags, stop_words, short_line, counts[near:])
    return counts


def _count_some(data: Bytes, offsets: Ints, flags: Flags, stop_words: StopWords, short_line: int, counts: Ints) -> None:
    offsets.flags.writeable = False
    largest = int(np.diff(offsets).max(initial=0))
    row, words, lines = 0, min(largest, _WORDS), min(largest, _LINES_HELD)
    while True:
        room, runs = _room(largest, words, lines), room_for_runs(words)
        row, more_words, more_lines = count(
            data, offsets, row, flags, stop_words, short_line, room, block_room(), runs, counts
        )
        if row == len(counts):
            return
        if more_words > words:
            words = max(more_words, 2 * words)
        else:
            lines = max(more_lines, 2 * lines)


@kernel
def count(
    data: Bytes,
    offsets: Ints,
    row: int,
    flags: Flags,
    stop_words: StopWords,
    short_line: int,
    room: Room,
    block: Block,
    runs: Runs,
    counts: Ints,
) -> tuple[int, int, int]:
    """Count texts from `row` on; the row after the last, or the one for whose words and lines there must be more room, and how
    many those are. `ROOM` bytes can be read behind each text."""
    marks, hashes, chars, seen, of_runs, of_lines = room
    while row < len(counts):
        start, end = offsets[row], offsets[row + 1]
        found = mark(data, start, end, flags, block, marks)
        slots = slots_for(found.breaks + 1)
        if found.words > len(hashes) or slots > seen.shape[1]:
            return row, found.words, found.breaks + 1
        words = count_words(data, start, end, found.is_ascii, marks, stop_words, hashes, chars)
        counts[row, 0], counts[row, 1], counts[row, 2] = found.chars, found.feeds, found.words
        counts[row, 3], counts[row, 4], counts[row, 5] = found.pieces, words.plain, words.plain_chars
        counts[row, 6], counts[row, 7], counts[row, 8] = words.alpha, found.hashes, found.ellipses
        counts[row, 9] = words.stop_words
        count_repeated(hashes, found.words, chars, runs, of_runs)
        before = Seen(seen, slots, np.uint64(row + 1))
        whole = Text(start, end, found.is_ascii, words.longest)
        for column in range(len(of_lines)):
            of_lines[column] = 0
        count_lines(data, whole, short_line, flags, marks, before, of_lines)
        for column in range(len(of_runs)):
            counts[row, _RUNS + column] = of_runs[column]
        for column in range(len(of_lines)):
            counts[row, _LINES + column] = of_lines[column]
        row += 1
    return row, 0, 0
