"""What fastText does to tell the labels of a line (Joulin et al. 2016, "Bag of Tricks"), compiled by Numba.

A line is the mean of the vectors of its words, of the runs of two to four characters in each of them (with `<` before
and `>` behind), and of the line's end. Labels are the leaves of a binary tree; at each node a logistic regression says which
way. Numbers are added up in the order and the precision of fastText, so that probabilities are the same to four digits.
"""

from __future__ import annotations

from math import exp, log
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.compilation import kernel, piece
from curation.language.model import Model

_BASIS: Final = np.uint64(2166136261)
_PRIME: Final = np.uint64(16777619)
_WORD: Final = np.uint64(0xFFFFFFFF)
_SIGN: Final = np.uint64(0xFFFFFF00)
_DIM: Final = 16
_SPACE, _BEFORE, _BEHIND = 0x20, 0x3C, 0x3E
_LEAST: Final = np.float32(log(1e-5))
_ONE = np.uint64(1)

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@piece
def _absorbed(state: np.uint64, byte: int) -> np.uint64:
    """A byte more of FNV-1a in 32 bits; bytes count as signed."""
    value = np.uint64(byte) | _SIGN if byte >= 0x80 else np.uint64(byte)
    return ((state ^ value) * _PRIME) & _WORD


@kernel
def fill_slots(words: Bytes, ends: npt.NDArray[np.int64], slots: Rows) -> None:
    """Put the words into a hash table by fastText's hash; `slots` begins as zeros, and has a power of two of them."""
    for number in range(len(ends) - 1):
        state = _BASIS
        for i in range(ends[number], ends[number + 1]):
            state = _absorbed(state, words[i])
        at = np.int64(state) & (len(slots) - 1)
        while slots[at]:
            at = (at + 1) & (len(slots) - 1)
        slots[at] = number + 1


class Room(NamedTuple):
    """What a text is told in: rows and bytes, of the longest text 4 and 1 for each byte, and some; a vector; and the nodes of
    the tree that are still to be looked at, with their scores."""

    rows: Rows
    word: Bytes
    hidden: Floats
    nodes: Rows
    scores: Floats


def predictions(data: Bytes, offsets: npt.NDArray[np.int64], model: Model) -> tuple[Rows, npt.NDArray[np.float64]]:
    """The two most probable labels of each text, and their probabilities; where there is none, a label beyond the last.

    Text i is data[offsets[i] : offsets[i + 1]], words with one space between them; an empty one has no label.
    """
    count, longest, nodes = len(offsets) - 1, int(np.diff(offsets).max(initial=0)), len(model.left)
    labels, told = np.full((count, 2), len(model.outputs) + 1, np.int32), np.zeros((count, 2))
    room = Room(
        np.empty(4 * longest + 16, np.int32),
        np.empty(longest + 8, np.uint8),
        np.empty(_DIM, np.float32),
        np.empty(nodes, np.int32),
        np.empty(nodes, np.float32),
    )
    predict(data, offsets, model, room, labels, told)
    return labels, told


@kernel
def predict(
    data: Bytes,
    offsets: npt.NDArray[np.int64],
    model: Model,
    room: Room,
    labels: Rows,
    told: npt.NDArray[np.float64],
) -> None:
    """Write the two most probable labels of each text that is not empty, and their probabilities."""
    for i in range(len(offsets) - 1):
        if offsets[i + 1] > offsets[i]:
            found = _rows(data, offsets[i], offsets[i + 1], model, room.word, room.rows)
            _mean(model.rows, room.rows, found, room.hidden)
            _best(model, room.hidden, room.nodes, room.scores, labels, told, i)


@piece
def _rows(data: Bytes, start: int, end: int, model: Model, word: Bytes, rows: Rows) -> int:
    """The rows of a text's words and runs of characters, and of the end of the line; how many."""
    found, at = 0, start
    while at < end:
        size, state = 1, _BASIS
        word[0] = _BEFORE
        while at < end and data[at] != _SPACE:
            word[size] = data[at]
            state = _absorbed(state, data[at])
            size, at = size + 1, at + 1
        at += 1
        word[size] = _BEHIND
        if size > 1:
            number = _known(word, size, state, model.words, model.word_ends, model.word_slots)
            if number >= 0:
                rows[found] = number
                found += 1
            found = _runs(word, size + 1, model, rows, found)
    rows[found] = model.end
    return found + 1


@piece
def _known(word: Bytes, size: int, state: np.uint64, words: Bytes, ends: npt.NDArray[np.int64], slots: Rows) -> int:
    """The number of the word[1:size]; -1 where it is not known."""
    mask = len(slots) - 1
    at = np.int64(state) & mask
    while slots[at]:
        number = slots[at] - 1
        begin = ends[number]
        if ends[number + 1] - begin == size - 1:
            k = 0
            while k < size - 1 and words[begin + k] == word[k + 1]:
                k += 1
            if k == size - 1:
                return int(number)
        at = (at + 1) & mask
    return -1


@piece
def _runs(word: Bytes, size: int, model: Model, rows: Rows, found: int) -> int:
    """The rows of the runs of characters in word[:size]; how many rows there are then."""
    kept, slots = model.kept, model.run_slots
    mask, buckets = len(slots) - 1, np.uint64(model.buckets)
    for i in range(size):
        if word[i] & 0xC0 == 0x80:
            continue
        state, j, n = _BASIS, i, 1
        while j < size and n <= model.longest:
            state = _absorbed(state, word[j])
            j += 1
            while j < size and word[j] & 0xC0 == 0x80:
                state = _absorbed(state, word[j])
                j += 1
            if n >= model.shortest:
                number = state % buckets
                if kept[number >> np.uint64(6)] >> (number & np.uint64(63)) & _ONE:
                    at = np.int64(number) & mask
                    while slots[at, 0] != np.int64(number) + 1:
                        at = (at + 1) & mask
                    rows[found] = slots[at, 1]
                    found += 1
            n += 1
    return found


@piece
def _mean(vectors: Floats, rows: Rows, many: int, hidden: Floats) -> None:
    """The mean of the first `many` of the rows, into `hidden`."""
    for k in range(_DIM):
        hidden[k] = 0
    for i in range(many):
        row = rows[i]
        for k in range(_DIM):
            hidden[k] += vectors[row, k]
    share = np.float32(1.0 / many)
    for k in range(_DIM):
        hidden[k] *= share


@piece
def _best(
    model: Model, hidden: Floats, nodes: Rows, scores: Floats, labels: Rows, told: npt.NDArray[np.float64], text: int
) -> None:
    """Walk the tree from its root, left before right, but not where no better label than the two known ones can be."""
    first = second = np.float32(-np.inf)
    n_labels = len(model.outputs) + 1
    nodes[0], scores[0], waiting = 2 * n_labels - 2, 0, 1
    while waiting:
        waiting -= 1
        node, score = nodes[waiting], scores[waiting]
        if score < _LEAST or score < second:
            continue
        if node < n_labels:
            if score > first:
                second, labels[text, 1] = first, labels[text, 0]
                first, labels[text, 0] = score, node
            else:
                second, labels[text, 1] = score, node
            continue
        value = np.float32(0)
        for k in range(_DIM):
            value += model.outputs[node - n_labels, k] * hidden[k]
        sure = np.float32(1.0 / np.float64(np.float32(1) + np.float32(exp(np.float32(-value)))))
        nodes[waiting], scores[waiting] = model.right[node], score + np.float32(log(sure + 1e-5))
        less = np.float32(1.0 - np.float64(sure))
        nodes[waiting + 1], scores[waiting + 1] = model.left[node], score + np.float32(log(less + 1e-5))
        waiting += 2
    told[text, 0], told[text, 1] = exp(np.float64(first)), exp(np.float64(second))
