"""What the quality signals are made of, counted text by text while it lies in the cache. Compiled by Numba.

Python's own string methods would need a second for each 5 MB of text. One pass over the bytes marks what each of them is
(`curation.quality_marks`); words, repeated runs of words, and lines are counted along the marks.

The compiled code is cached on disk beside this module; only the first use on a machine pays for compiling.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curation.compilation import compiled
from curation.copying import copy
from curation.quality_lines import LINE_COUNTS, Seen, Text, count_lines
from curation.quality_marks import ROOM, Bytes, Flags, mark, room_for
from curation.quality_words import StopWords, count_words
from curation.repetition_kernel import RUN_COUNTS, count_repeated, room_for_runs, slots_for

WORD_COUNTS = (
    *("chars", "breaks", "words", "pieces", "plain_words", "plain_word_chars", "alpha_words", "hashes", "ellipses"),
    "stop_words",
)
"""`breaks` are line feeds, `pieces` words cut from scripts without spaces, `plain_words` hold a letter or a digit."""
COUNTS = (*WORD_COUNTS, *RUN_COUNTS, *LINE_COUNTS)
"""The columns of `count`."""

_RUNS, _LINES = len(WORD_COUNTS), len(WORD_COUNTS) + len(RUN_COUNTS)
Ints = npt.NDArray[np.int64]


@compiled
def count(data: Bytes, offsets: Ints, flags: Flags, stop_words: StopWords, short_line: int) -> Ints:
    """What `COUNTS` names, a row per text. Text i is data[offsets[i] : offsets[i + 1]], valid UTF-8."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, len(COUNTS)), np.int64)
    marks, runs = room_for(0), room_for_runs(0)
    hashes, chars = np.empty(0, np.uint64), np.empty(0, np.int32)
    seen = np.zeros((4, 16), np.uint64)
    for row in range(rows):
        text, start, end = data, offsets[row], offsets[row + 1]
        if end + ROOM > len(data):
            text = np.zeros(end - start + ROOM, np.uint8)
            copy(data, start, end, text, 0)
            start, end = 0, end - start
        if (end - start + 63) >> 6 > marks.shape[1] - 2:
            marks = room_for(end - start)
        found = mark(text, start, end, flags, marks)
        if found.words > len(hashes):
            hashes, chars = np.empty(found.words, np.uint64), np.empty(found.words, np.int32)
            runs = room_for_runs(found.words)
        words = count_words(text, start, end, found.is_ascii, marks, stop_words, hashes, chars)
        of_words = (
            found.chars,
            found.feeds,
            found.words,
            found.pieces,
            words.plain,
            words.plain_chars,
            words.alpha,
            found.hashes,
            found.ellipses,
            words.stop_words,
        )
        for column, number in enumerate(of_words):
            counts[row, column] = number
        count_repeated(hashes, found.words, chars, runs, counts[row, _RUNS:_LINES])
        slots = slots_for(found.breaks + 1)
        if slots > seen.shape[1]:
            seen = np.zeros((4, slots), np.uint64)
        before = Seen(seen, slots, np.uint64(row + 1))
        whole = Text(start, end, found.is_ascii, words.longest)
        count_lines(text, whole, short_line, flags, marks, before, counts[row, _LINES:])
    return counts
