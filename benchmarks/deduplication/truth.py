"""The truth: every pair of documents whose word 5-grams overlap by a given Jaccard similarity, none left out.

It shares no line with what is measured: words are Python's `\\w+`, case-folded after NFC, and hashed by Python; a shingle
is a 64-bit hash of five of those (among 10^8 shingles, two meet by chance with a probability below 0.001). Row groups are
read by two processes, which are forked, for Python hashes a word alike only within a process and its children.

All pairs are found without looking at all pairs, by prefix filtering (Chaudhuri, Ganti and Kaushik, ICDE 2006; Bayardo,
Ma and Srikant, WWW 2007): with shingles in one order, rarest first, two sets at Jaccard t must share one of the first
|s| - ceil(t |s|) + 1 of each. Shingles that stand in one document alone are counted but never looked up.
"""

from __future__ import annotations

import math
import re
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq

from benchmarks.deduplication.corpus import SHINGLE
from benchmarks.deduplication.judge import EDGES, Pairs

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
_WORD = re.compile(r"\w+")
_PARTS = 16


class Sets(NamedTuple):
    """Set i is values[starts[i] : starts[i + 1]], and `alone[i]` shingles more that no other set has."""

    values: npt.NDArray[np.int64]
    starts: Ints
    alone: Ints


def truth(corpus: Path) -> Pairs:
    """All pairs at or over the lowest edge of the judge's bins; kept beside the corpus, for it takes minutes."""
    cached = corpus.with_suffix(".truth.npz")
    if not cached.exists():
        pairs = similar_pairs(shared(*shingles(corpus)), EDGES[0])
        np.savez_compressed(cached, documents=pairs.documents, jaccard=pairs.jaccard)
    with np.load(cached) as held:
        return Pairs(held["documents"], held["jaccard"])


def words_of(text: str) -> list[str]:
    """The words of a text, case-folded."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return [word.casefold() for word in _WORD.findall(unicodedata.normalize("NFC", text))]


def shingles(corpus: Path) -> tuple[list[Hashes], Ints]:
    """The distinct shingles of all documents, in parts of a row group each, and how many each document has."""
    groups = range(pq.read_metadata(corpus).num_row_groups)
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        read = list(pool.map(_shingles_of, repeat(corpus), groups))
    return [values for values, _ in read], np.concatenate([counts for _, counts in read])


def _shingles_of(corpus: Path, group: int) -> tuple[Hashes, Ints]:
    texts = pq.ParquetFile(corpus).read_row_group(group, ["text"]).column("text").to_pylist()
    words = [list(map(hash, words_of(text))) for text in texts]
    ends = np.cumsum([len(own) for own in words])
    flat = np.fromiter(chain.from_iterable(words), np.int64, int(ends[-1])).view(np.uint64)
    found: tuple[Hashes, Ints] = _distinct(flat, ends)
    return found


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _distinct(words: Hashes, ends: Ints) -> tuple[Hashes, Ints]:
    """One hash for each run of five words of a document; for all of them together where they are fewer."""
    out, counts = np.empty(len(words), np.uint64), np.zeros(len(ends), np.int64)
    begin, at = 0, 0
    for i in range(len(ends)):
        width = min(SHINGLE, ends[i] - begin)
        found = np.full(ends[i] - begin - width + 1 if width else 0, np.uint64(width), np.uint64)
        for j in range(len(found)):
            state = found[j]
            for word in words[begin + j : begin + j + width]:
                state = state ^ word
                state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                state = (state ^ (state >> np.uint64(31))) * np.uint64(0x9E3779B97F4A7C15)
            found[j] = state ^ (state >> np.uint64(32))
        found.sort()
        for j in range(len(found)):
            if j == 0 or found[j] != found[j - 1]:
                out[at] = found[j]
                at += 1
                counts[i] += 1
        begin = ends[i]
    return out[:at].copy(), counts


def shared(parts: list[Hashes], counts: Ints) -> Sets:
    """Sets of the shingles that stand in two or more documents, renamed by how many have them, rarest first."""
    flat = np.concatenate(parts)
    parts.clear()
    names, frequencies = _repeated(flat)
    order = np.argsort(frequencies, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values, sizes = _renamed(flat, counts, names, rank)
    return Sets(values, np.concatenate([[0], np.cumsum(sizes)]), counts - sizes)


def _repeated(flat: Hashes) -> tuple[Hashes, Ints]:
    """The values that stand in `flat` more than once, sorted, and how often; part by part, to sort no copy of it all."""
    names, frequencies = [], []
    for part in range(_PARTS):
        own = flat[flat >> np.uint64(60) == np.uint64(part)]
        own.sort()
        edges = np.concatenate([[0], np.flatnonzero(own[1:] != own[:-1]) + 1, [len(own)]]).astype(np.int64)
        runs = np.diff(edges)
        names.append(own[edges[:-1][runs > 1]])
        frequencies.append(runs[runs > 1])
    return np.concatenate(names), np.concatenate(frequencies)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _renamed(flat: Hashes, counts: Ints, names: Hashes, rank: Ints) -> tuple[Ints, Ints]:
    values, sizes = np.empty(len(flat), np.int64), np.zeros(len(counts), np.int64)
    first = np.searchsorted(names, np.arange(1 << 16).astype(np.uint64) << np.uint64(48))
    at, end = 0, 0
    for i in range(len(counts)):
        begin = end
        for value in flat[at : at + counts[i]]:
            top = int(value >> np.uint64(48))
            low, high = first[top], first[top + 1] if top + 1 < len(first) else len(names)
            place = low + np.searchsorted(names[low:high], value)
            if place < high and names[place] == value:
                values[end] = rank[place]
                end += 1
        at += counts[i]
        values[begin:end].sort()
        sizes[i] = end - begin
    return values[:end].copy(), sizes


def similar_pairs(sets: Sets, threshold: float) -> Pairs:
    """Every pair of sets at or over a Jaccard similarity."""
    sizes = np.diff(sets.starts) + sets.alone
    order = np.argsort(sizes, kind="stable")
    width = np.array([size - math.ceil(threshold * size - 1e-9) + 1 for size in sizes], np.int64)
    prefix = np.clip(width - sets.alone, 0, np.diff(sets.starts))
    n_names = int(sets.values.max(initial=-1)) + 1
    documents, jaccard = _joined(sets.values, sets.starts, sizes, prefix, order, n_names, threshold)
    return Pairs(documents, jaccard)


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _joined(
    values: Ints, starts: Ints, sizes: Ints, prefix: Ints, order: Ints, n_names: int, threshold: float
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    heads = np.full(n_names, -1, np.int64)
    members, following = np.empty(prefix.sum(), np.int32), np.empty(prefix.sum(), np.int64)
    seen = np.full(len(sizes), -1, np.int32)
    pairs: npt.NDArray[np.int32] = np.empty((1024, 2), np.int32)
    jaccard: npt.NDArray[np.float64] = np.empty(1024, np.float64)
    entries, n = 0, 0
    for row in order:
        own = values[starts[row] : starts[row + 1]]
        for name in own[: prefix[row]]:
            entry = heads[name]
            while entry >= 0:
                other = members[entry]
                if sizes[other] < threshold * sizes[row] - 1e-9:  # and so all that were put in before it
                    break
                entry = following[entry]
                if seen[other] == row:
                    continue
                seen[other] = row
                there = values[starts[other] : starts[other + 1]]
                i, j, common = 0, 0, 0
                while i < len(own) and j < len(there):
                    common += own[i] == there[j]
                    x, y = own[i], there[j]
                    i += x <= y
                    j += y <= x
                similar = common / (sizes[row] + sizes[other] - common)
                if similar >= threshold:
                    if n == len(pairs):
                        pairs = np.concatenate((pairs, np.empty_like(pairs)))
                        jaccard = np.concatenate((jaccard, np.empty_like(jaccard)))
                    pairs[n, 0], pairs[n, 1], jaccard[n] = min(row, other), max(row, other), similar
                    n += 1
            members[entries], following[entries] = row, heads[name]
            heads[name] = entries
            entries += 1
    return pairs[:n].copy(), jaccard[:n].copy()
