"""A corpus whose near-duplicates are known: sections of real text, a tenth of them copied with edits of planned effect.

A copy of n shingles that loses m of them, and gains as many, has the Jaccard similarity (n - m) / (n + m) to its
original. So for a wished similarity m is given, and words are replaced until as many runs of five hold one: together
(a rewritten passage), or each alone (scattered edits), where one word touches five shingles. Every eighth copy differs in
white space alone, and every eighth is cut at its end, which gains nothing: (n - m) / n.

What was planned is written beside the corpus, but nobody is judged by it: sections of documentation resemble each other
without our help, so the truth is computed anew over all of it (`truth.py`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.deduplication.sections import sections
from records import content_digest

SHINGLE = 5
COPIES = 0.1
ROW_GROUP = 4_000
_WORD = re.compile(r"\w+")
_SCHEMA = pa.schema({"doc_id": pa.int64(), "content_digest": pa.string(), "text": pa.string()})


class Copy(NamedTuple):
    """A copy, how it was made, and what similarity to its original was planned."""

    text: str
    kind: str
    jaccard: float


class Corpus(NamedTuple):
    """The file that all contestants read (doc_id is the number of the row), and its size in bytes of text."""

    path: Path
    documents: int
    text_bytes: int


def corpus(size: int, seed: int, cache: Path) -> Corpus:
    """A corpus of `size` documents: the same for the same seed and the same packages."""
    target = cache / f"corpus-{size}-{seed}.parquet"
    if not target.exists():
        _write(_documents(size, seed, cache), target)
    described = pq.read_metadata(target)
    return Corpus(target, described.num_rows, int(described.metadata[b"text_bytes"]))


def _documents(size: int, seed: int, cache: Path) -> list[str]:
    originals: list[str] = pq.read_table(sections(cache), columns=["text"]).column("text").to_pylist()
    copies = round(size * COPIES)
    if len(originals) < size - copies:
        raise ValueError(f"{len(originals)} sections are too few for {size} documents; add packages to sections.py")
    draw = random.Random(seed)
    texts = originals[: size - copies]
    vocabulary = [word for text in texts[:2_000] for word in _WORD.findall(text)]
    for original in draw.sample(texts, copies):
        texts.append(planted(original, draw, vocabulary).text)
    draw.shuffle(texts)
    return texts


def planted(text: str, draw: random.Random, vocabulary: Sequence[str]) -> Copy:
    """A copy of a text, by one of four kinds of edit, at a similarity between 0.5 and 1."""
    kind = draw.choice(("passage", "passage", "passage", "scattered", "scattered", "scattered", "cut", "white space"))
    spans = [match.span() for match in _WORD.finditer(text)]
    n = len(spans) - SHINGLE + 1
    wished = draw.uniform(0.5, 1.0)
    if kind == "white space" or n < 2 * SHINGLE:
        return Copy("\n".join(text.split()) + "\n", "white space", 1.0)
    if kind == "cut":
        lost = min(n - 1, round(n * (1 - wished)))
        return Copy(text[: spans[len(spans) - 1 - lost][1]], kind, (n - lost) / n)
    lost = max(SHINGLE, round(n * (1 - wished) / (1 + wished)))
    if kind == "passage":
        chosen, lost = _passage(lost, len(spans), draw)
    else:
        chosen, lost = _scattered(lost, len(spans), draw)
    return Copy(_replaced(text, [spans[at] for at in chosen], draw, vocabulary), kind, (n - lost) / (n + lost))


def _passage(lost: int, n_words: int, draw: random.Random) -> tuple[list[int], int]:
    """Neighbouring words, away from the ends, that touch `lost` shingles."""
    length = min(lost - SHINGLE + 1, n_words - 2 * SHINGLE + 2)
    first = draw.randint(SHINGLE - 1, n_words - SHINGLE + 1 - length)
    return list(range(first, first + length)), length + SHINGLE - 1


def _scattered(lost: int, n_words: int, draw: random.Random) -> tuple[list[int], int]:
    """Words at least a shingle apart, and away from the ends; each touches five shingles."""
    inner = n_words - 2 * (SHINGLE - 1)
    count = max(1, min(round(lost / SHINGLE), (inner + SHINGLE - 1) // SHINGLE))
    gaps = sorted(draw.sample(range(inner - (count - 1) * (SHINGLE - 1)), count))
    return [SHINGLE - 1 + gap + i * (SHINGLE - 1) for i, gap in enumerate(gaps)], count * SHINGLE


def _replaced(text: str, spans: Sequence[tuple[int, int]], draw: random.Random, vocabulary: Sequence[str]) -> str:
    pieces, end = [], 0
    for start, stop in spans:
        pieces += [text[end:start], f"{draw.choice(vocabulary)}{draw.randrange(1000)}"]
        end = stop
    return "".join([*pieces, text[end:]])


def _write(texts: Sequence[str], target: Path) -> None:
    size = sum(len(text.encode()) for text in texts)
    schema = _SCHEMA.with_metadata({"text_bytes": str(size)})
    draft = target.with_suffix(".draft")
    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for first in range(0, len(texts), ROW_GROUP):
            part = texts[first : first + ROW_GROUP]
            columns = [list(range(first, first + len(part))), [content_digest(text) for text in part], part]
            writer.write_table(pa.table([pa.array(column) for column in columns], schema=schema))
    draft.rename(target)
