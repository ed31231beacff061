"""The evidence of deduplication: one row per content, from which exact and near-duplicates are found without its text.

Exact is a 128-bit digest of the normalised text. Near is the bands of a min-wise sketch over word shingles: only their
hashes are kept (4 bytes a band, 72 bytes a content), for candidates are verified on the shingles themselves. An odd sketch
of 128 bytes and the number of shingles stand beside, which tell of most that are not near that they are not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.deduplication import sketch_kernels, text_kernels
from curation.deduplication.numbering import hexadecimal
from curation.deduplication.scratch import aligned
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.texts import Texts, composed, in_slices, texts_of
from curation.deduplication.unicode_tables import unicode_tables
from records import as_type, whole_numbers

Room = npt.NDArray[np.uint32]

SIGNATURES = pa.schema(
    {
        "content_digest": pa.string(),
        "normal_digest": pa.string(),
        "n_characters": pa.int64(),
        "n_shingles": pa.int64(),
        "bands": pa.binary(),
        "odd_sketch": pa.binary(),
    }
)
"""normal_digest: of the normalised text, null where the text is null. n_characters: code points of that text before its
white space was folded. n_shingles: distinct ones, or a few more where a long text repeats itself from afar. bands: one
little-endian uint32 per band, empty where the text has no word; odd_sketch: 16 of uint64, likewise (`sketch_kernels`)."""


def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """One row of `SIGNATURES` for each row of `contents` (content_digest, text), in the same order.

    A row depends on its text and the settings alone: not on the batch, nor on the number of threads.
    """
    settings, texts = settings.banded(), texts_of(contents.column("text"))
    alone, n = replace(settings, threads=1), len(texts)
    sketches, has_words = _blank_sketches(n, settings.bands, n), np.zeros(n, np.bool_)
    digests, n_characters = np.empty((n, 2), np.uint64), np.empty(n, np.int64)

    def sign(first: int, last: int) -> None:
        own = slice(first, last)
        part = texts.part(first, last)
        found = _looked_through(part, alone, _room_to_reuse(part), sketches.of(own))
        digests[own], n_characters[own], has_words[own] = found.digests, found.n_characters, found.words.counts > 0

    # Made before threads ask for them, each of which would make its own.
    unicode_tables(), _keys(settings)
    in_slices(texts, settings.threads, sign)
    names = as_type(contents.column("content_digest"), pa.string())
    numbers = whole_numbers(n_characters), whole_numbers(sketches.n_shingles)
    hashes = _binary(sketches.bands, has_words), _binary(sketches.odd.view(np.uint32), has_words)
    columns = [names, _hexadecimal(digests, texts.valid), *numbers, *hashes]
    return pa.RecordBatch.from_arrays(columns, schema=SIGNATURES)


class Sketches(NamedTuple):
    """Of each text its bands; and, unless these are not asked for, its odd sketch and how many distinct shingles it has at
    most. All are zeros where it has no word."""

    bands: Room
    odd: npt.NDArray[np.uint64]
    n_shingles: npt.NDArray[np.int64]

    def of(self, own: slice) -> Sketches:
        """Those of some texts."""
        return Sketches(self.bands[own], self.odd[own], self.n_shingles[own])

    def put(self, rows: npt.NDArray[np.int64], others: Sketches) -> None:
        """Others in the stead of some, as far as any were asked for."""
        if len(self.bands):
            self.bands[rows] = others.bands
        if len(self.odd):
            self.odd[rows], self.n_shingles[rows] = others.odd, others.n_shingles


def _blank_sketches(n: int, bands: int, n_odd: int) -> Sketches:
    """Room for the bands of some texts, and for the odd sketches of some."""
    odd = np.zeros((n_odd, sketch_kernels.ODD_WORDS), np.uint64), np.zeros(n_odd, np.int64)
    return Sketches(np.zeros((n, bands), np.uint32), *odd)


class Words(NamedTuple):
    """Text i has the words hashes[starts[i] : starts[i] + counts[i]]."""

    hashes: Room
    starts: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]


class Signed(NamedTuple):
    """Of each text: the two halves of the digest of its normal form, its code points, its words, and its bands (zeros where
    it has no word)."""

    digests: npt.NDArray[np.uint64]
    n_characters: npt.NDArray[np.int64]
    words: Words
    bands: Room


def signed(texts: Texts, settings: SignatureSettings, room: Room | None = None) -> Signed:
    """The evidence for some texts, but for odd sketches. Their words are written to `room`, which is `aligned`, if that is
    large enough, to be used again."""
    settings = settings.banded()
    return _looked_through(texts, settings, room, _blank_sketches(len(texts), settings.bands, 0))


def words_of(texts: Texts, settings: SignatureSettings) -> Words:
    """The words of each text."""
    return _looked_through(texts, settings, _room_to_reuse(texts), _blank_sketches(0, 0, 0)).words


def _looked_through(texts: Texts, settings: SignatureSettings, room: Room | None, sketches: Sketches) -> Signed:
    """The evidence for some texts; of sketches, what there is room for."""
    own = _room_for(texts)
    room = room if room is not None and len(room) >= own else aligned(_with_spare(own))
    found, doubtful = _read(texts, settings, room, 0, sketches)
    if not (settings.normalise and doubtful.any()):
        return found
    rows, changed = composed(texts, doubtful)
    more = own + _room_for(changed)
    if len(room) < more:
        room, before = aligned(more), room
        room[:own] = before[:own]
    n_bands, n_odd = (len(changed) if len(wanted) else 0 for wanted in (sketches.bands, sketches.odd))
    others = _blank_sketches(n_bands, sketches.bands.shape[1], n_odd)
    other, _ = _read(changed, settings, room, own, others)
    sketches.put(rows, others)
    found.digests[rows], found.n_characters[rows] = other.digests, other.n_characters
    found.words.starts[rows], found.words.counts[rows] = other.words.starts, other.words.counts
    return found._replace(words=found.words._replace(hashes=room))


def _read(
    texts: Texts, settings: SignatureSettings, room: Room, begin: int, sketches: Sketches
) -> tuple[Signed, npt.NDArray[np.bool_]]:
    """What stands in texts, whose words go to room[begin:], and sketches to rows of zeros, if there are any; and which may not
    be in NFC. A slice is sketched while its words are still in the processor's cache."""
    n, tables = len(texts), unicode_tables()
    is_sketched = sketches.bands.shape[1] > 0
    # Drawn before threads ask for them, each of which would draw its own.
    keys = _keys(settings) if is_sketched else None
    digests, n_characters, doubtful = np.empty((n, 2), np.uint64), np.empty(n, np.int64), np.empty(n, np.bool_)
    words = Words(room, np.empty(n, np.int64), np.empty(n, np.int64))

    def read(first: int, last: int) -> None:
        own, at = slice(first, last), begin + first + int(texts.offsets[first] - texts.offsets[0]) // 2
        low, bounds, folded, line, state = text_kernels.scratch()
        text_kernels.read_texts(
            texts.data,
            texts.offsets[first : last + 1],
            tables.kinds,
            tables.expansions,
            settings.normalise,
            digests[own],
            n_characters[own],
            doubtful[own],
            room[at:],
            words.counts[own],
            low,
            bounds,
            folded,
            line,
            state,
        )
        words.starts[own] = at + np.cumsum(words.counts[own]) - words.counts[own]
        if keys is not None:  # also of no texts: it compiles what workers then find
            _sketch(words, own, settings, keys, sketches.of(own))

    in_slices(texts, settings.threads, read)
    return Signed(digests, n_characters, words, sketches.bands), doubtful


def _sketch(words: Words, own: slice, settings: SignatureSettings, keys: SketchKeys, sketches: Sketches) -> None:
    """Make the sketches of some of the texts."""
    bins, dense, full, states, made, cells, seen = sketch_kernels.scratch(
        settings.bands * settings.rows, settings.bands
    )
    sketch_kernels.sketch_all(
        words.hashes,
        words.starts[own],
        words.counts[own],
        keys.multipliers,
        keys.key,
        keys.order,
        keys.rank,
        *sketches,
        bins,
        dense,
        full,
        states,
        made,
        cells,
        seen,
    )


def _room_for(texts: Texts) -> int:
    """The most words that texts can have together: each has a byte, and one that ends it."""
    return len(texts) + int(texts.offsets[-1] - texts.offsets[0]) // 2


def _room_to_reuse(texts: Texts) -> Room:
    """Room for the words of texts, in memory that the C library gives to the next one when it is let go."""
    return np.empty(_with_spare(_room_for(texts)), np.uint32)


def _with_spare(n_words: int) -> int:
    """Room for the words of the few texts that normalisation changes, too: what nobody writes to costs nothing, and to copy
    what was read to where there is more costs a third of reading it."""
    return n_words + n_words // 8


class SketchKeys(NamedTuple):
    """Random odd multipliers, one per word of a shingle (the same for every seed), and one for the sketch.

    `order[k, i]` is the bin that bin i asks in place k when it is empty, and `rank[i, j]` the place of bin j there.
    """

    multipliers: npt.NDArray[np.uint64]
    key: np.uint64
    order: npt.NDArray[np.uint16]
    rank: npt.NDArray[np.uint16]


def _keys(settings: SignatureSettings) -> SketchKeys:
    return sketch_keys(settings.shingle_words, settings.bands * settings.rows, settings.seed)


@lru_cache(maxsize=8)
def sketch_keys(shingle_words: int, bins: int, seed: int) -> SketchKeys:
    """The fixed numbers of a sketch, drawn by PCG64 (whose raw stream NumPy promises never to change)."""
    multipliers = np.random.PCG64(0).random_raw(shingle_words) | np.uint64(1)
    drawn = np.random.PCG64(seed).random_raw(bins * bins + 1)
    order = np.argsort(drawn[1:].reshape(bins, bins), axis=1, kind="stable")
    rank = np.argsort(order, axis=1, kind="stable")
    asked = np.ascontiguousarray(order.T.astype(np.uint16))
    return SketchKeys(multipliers, drawn[0] | np.uint64(1), asked, rank.astype(np.uint16))


def _hexadecimal(digests: npt.NDArray[np.uint64], valid: npt.NDArray[np.bool_]) -> pa.Array:
    offsets = np.arange(0, 32 * len(digests) + 1, 32, dtype=np.int32)
    there = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    data = pa.py_buffer(hexadecimal(digests))
    return pa.Array.from_buffers(pa.string(), len(digests), [there, pa.py_buffer(offsets), data])


def _binary(bands: npt.NDArray[np.uint32], has_words: npt.NDArray[np.bool_]) -> pa.Array:
    sizes = np.where(has_words, 4 * bands.shape[1], 0)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    data = (bands if has_words.all() else bands[has_words]).astype("<u4", copy=False)
    return pa.Array.from_buffers(pa.binary(), len(bands), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
