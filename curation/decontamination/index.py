"""The index of evaluation items: by which runs of four words they are found, and which of their words count.

Items that say the same are one. A run that stands in many items is their form, not their content (`which of the
following is`, the instruction before each question): in more than `POSTED` items it finds none of them, in more than a
fifth its words do not count either. An item that is nothing but form, or shorter than `min_words`, cannot be looked for;
how many there are is told.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.decontamination.characters import character_table
from curation.decontamination.settings import SEED_WORDS, MatchSettings
from records import digest

POSTED = 64
"""Items that one run of four words may lead to: more would cost time, and such a run says little of any of them."""

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)


class ItemIndex(NamedTuple):
    """What kernels search with, the name of each of its items, the words of each that count, and why others are not in it."""

    kernel: tuple[npt.NDArray[Any], ...]
    names: pl.Series
    totals: Ints
    left_out: dict[str, int]


class Form(NamedTuple):
    """What is the form of a set: runs in more than this share of its items, and in more than this number of them."""

    share: float = 0.2
    items: int = 4
    others: pl.Series | None = None
    """The words of further texts of the kind: form is told by those too, and they are not looked for."""
    strict: bool = False
    """Whether such a run leads to no item, and none of its words counts; else those do that stand in another run, too."""


def words_of(texts: pl.Series) -> pl.Series:
    """The words of each text, as the little-endian bytes of their 64-bit hashes: all that is kept of an item."""
    from curation.decontamination.word_kernel import BLOCK, Characters, all_words, block_of

    data, offsets = text_buffers(texts.to_arrow().cast(pa.large_string()))
    hashes, counts = np.empty(int(offsets[-1] - offsets[0]), np.uint64), np.empty(len(texts), np.int64)
    n = all_words(data, offsets, Characters(*character_table()), block_of(BLOCK), hashes, counts)
    return _rows(hashes[:n].astype("<u8"), np.concatenate([[0], 8 * np.cumsum(counts)])).alias("words")


def text_buffers(texts: pa.LargeStringArray) -> tuple[Bytes, Ints]:
    """The UTF-8 bytes of texts, and where each one starts and ends, without a copy; a null is empty."""
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets or bytes(8), np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return _fixed(np.frombuffer(data or b"", np.uint8)), _fixed(starts)


def item_name(words: bytes) -> str:
    """The name of an item: of its words, whatever set it stands in."""
    return digest("evaluation item", words)


def build_index(items: pl.DataFrame, settings: MatchSettings, form: Form = Form()) -> ItemIndex:  # noqa: B008 - immutable
    """The index of `items` (item, words); rows of one item count once."""
    distinct = items.select("item", "words").unique("item").sort("item")
    n_words = (distinct["words"].bin.size() // 8).cast(pl.Int64)
    long_enough = distinct.filter(n_words >= settings.min_words)
    short = distinct.height - long_enough.height
    n_items = long_enough.height
    words, bounds = _joined(pl.concat([long_enough["words"], *([] if form.others is None else [form.others])]))
    limit = max(form.items, int(form.share * (len(bounds) - 1)))
    runs = _runs(words, bounds)
    weights = _weights(bounds, runs, runs.items > limit, settings, form.strict)
    words, weights, bounds = words[: bounds[n_items]], weights[: bounds[n_items]], bounds[: n_items + 1]
    leads = (runs.item < n_items) & (runs.items <= min(POSTED, limit if form.strict else POSTED))
    whole = np.diff(bounds) < settings.ngram
    totals = np.add.reduceat(np.append(weights, 0), bounds[:-1], dtype=np.int64) if len(bounds) > 1 else bounds[:0]
    posted = _posted(runs.those(leads), whole, totals >= settings.min_words)
    del runs, leads
    seeds, starts = np.unique(posted.seed, return_index=True)
    table, bloom = _tables(seeds)
    kernel = (
        words,
        bounds,
        weights,
        whole.astype(np.uint8),
        seeds,
        np.append(starts, len(posted.seed)).astype(np.int64),
        posted.item,
        posted.place,
        table,
        bloom,
    )
    only_form = long_enough.height - len(np.unique(posted.item))
    left_out = {"fewer words than are looked for": short, "nothing but the form of its set": only_form}
    return ItemIndex(
        tuple(_fixed(np.ascontiguousarray(part)) for part in kernel),
        long_enough["item"],
        totals,
        {reason: count for reason, count in left_out.items() if count},
    )


def entries(index: ItemIndex) -> pl.DataFrame:
    """How each item is looked for: item, its weights and the places of the runs that lead to it, as bytes. What is found of an
    item in a text is a function of its words and of these."""
    _, bounds, weights, *_, items, places, _, _ = index.kernel
    order = np.lexsort((places, items))
    ends = np.searchsorted(items[order], np.arange(len(index.names) + 1))
    return pl.DataFrame(
        {"item": index.names, "weights": _rows(weights, bounds), "places": _rows(places[order], 4 * ends)}
    )


def restricted(index: ItemIndex, names: pl.Series) -> ItemIndex:
    """The index by which these items alone are found, each as by the whole."""
    words, bounds, weights, whole, seeds, starts, items, places, *_ = index.kernel
    wanted = index.names.is_in(names.implode()).to_numpy()[items]
    own, firsts = np.unique(np.repeat(seeds, np.diff(starts))[wanted], return_index=True)
    starts = np.append(firsts, wanted.sum()).astype(np.int64)
    kernel = (words, bounds, weights, whole, own, starts, items[wanted], places[wanted], *_tables(own))
    return index._replace(kernel=tuple(_fixed(np.ascontiguousarray(part)) for part in kernel))


def _rows(values: npt.NDArray[Any], bounds: Ints) -> pl.Series:
    """Bytes from each bound to the next, as a column."""
    buffers = [None, pa.py_buffer(bounds.astype(np.int64)), pa.py_buffer(np.ascontiguousarray(values))]
    column = pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(bounds) - 1, buffers)
    return pl.Series(pl.from_arrow(column))


def _joined(words: pl.Series) -> tuple[Hashes, Ints]:
    array = words.to_arrow().cast(pa.large_binary())
    data, offsets = text_buffers(array)
    return data[offsets[0] : offsets[-1]].view("<u8").astype(np.uint64), (offsets - offsets[0]) // 8


class _Runs(NamedTuple):
    """Runs of four words by their hashes: the item and the place in it, in how many items the run stands, and whether this is
    its first place in the item."""

    seed: Hashes
    item: Int32s
    place: Int32s
    items: Int32s
    first: Flags

    def those(self, wanted: Flags) -> _Runs:
        """Some of them."""
        return _Runs(self.seed[wanted], self.item[wanted], self.place[wanted], self.items[wanted], self.first[wanted])


def _runs(words: Hashes, bounds: Ints) -> _Runs:
    """Every run of four words, by its hash, item and place. Holds some forty bytes a word while they are sorted."""
    from curation.decontamination import kernels

    count = int(np.maximum(np.diff(bounds) - SEED_WORDS + 1, 0).sum())
    seeds: Hashes = np.empty(count, np.uint64)
    items: Int32s = np.empty(count, np.int32)
    places: Int32s = np.empty(count, np.int32)
    kernels.seeds_of(_fixed(words), _fixed(bounds), seeds, items, places)
    order = np.argsort(seeds, kind="stable")
    seeds, items, places = seeds[order], items[order], places[order]
    del order
    begins = np.append(True, seeds[1:] != seeds[:-1])[:count]
    first = begins | np.append(True, items[1:] != items[:-1])[:count]
    starts = np.flatnonzero(begins)
    sizes = np.diff(np.append(starts, count))
    standing = np.add.reduceat(first, starts, dtype=np.int32) if count else np.empty(0, np.int32)
    return _Runs(seeds, items, places, np.repeat(standing, sizes), first)


def _weights(bounds: Ints, runs: _Runs, form: Flags, settings: MatchSettings, strict: bool) -> Bytes:
    """1 for each word that counts; of short items all do."""
    is_short = np.repeat(np.diff(bounds) < settings.ngram, np.diff(bounds))
    counts = _covered(bounds, runs, ~form)
    if strict:
        counts &= ~_covered(bounds, runs, form)
    return (counts | is_short).astype(np.uint8)


def _covered(bounds: Ints, runs: _Runs, those: Flags) -> Flags:
    """Whether each word stands in one of those runs."""
    at = bounds[runs.item[those]] + runs.place[those]
    covered = np.zeros(bounds[-1], np.bool_)
    for shift in range(SEED_WORDS):
        covered[at + shift] = True
    return covered


def _posted(runs: _Runs, whole: Flags, searched: Flags) -> _Runs:
    """The runs that lead to items, in the order of their hashes: each once per item, of a short item the rarest alone."""
    runs = runs.those(runs.first & searched[runs.item])
    is_short = whole[runs.item]
    short = np.flatnonzero(is_short)
    ordered = short[np.lexsort((runs.place[short], runs.items[short], runs.item[short]))]
    _, rarest = np.unique(runs.item[ordered], return_index=True)
    leads = ~is_short
    leads[ordered[rarest]] = True
    return runs.those(leads)


def _tables(seeds: Hashes) -> tuple[npt.NDArray[np.int32], Hashes]:
    """A hash table at most half full, and a Bloom filter of 16 bits or more for each seed."""
    from curation.decontamination import kernels

    size = 1 << max(4, (2 * len(seeds)).bit_length())
    table, bloom = np.zeros(size, np.int32), np.zeros(max(8, size // 4), np.uint64)
    kernels.fill_table(seeds, table, bloom)
    return table, bloom


def _fixed(array: npt.NDArray[Number]) -> npt.NDArray[Number]:
    """The array as one that cannot be written to: the compiled code is of that one kind, whoever owns the buffer."""
    array.flags.writeable = False
    return array
