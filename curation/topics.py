"""What a dataset speaks of: its texts in a few clusters, each told by the words that set it apart.

Spherical k-means over TF-IDF (Dhillon and Modha 2001) of a few thousand texts that are drawn by their ids. It is a look and
no measure: it is drawn from the data alone, with no model and no list of topics, and the same texts give the same clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

DRAWN = 4000
"""Texts that are looked at."""
CLUSTERS, ROUNDS, WORDS = 8, 12, 6
VOCABULARY = 3000
_COMMON = 0.4
"""A word in a larger part of the texts sets none apart."""
_CHARACTERS = 2000
_WORD = r"\p{L}[\p{L}\p{M}]{3,}"


Matrix = npt.NDArray[np.float32]


class Topic(NamedTuple):
    """One cluster: the words that stand for it, the first one most, and its share of the texts."""

    words: tuple[str, ...]
    share: float


class Clusters(NamedTuple):
    """What texts fall into: the words that count (word, texts that have it, column), the texts looked at, and the centres."""

    known: pl.DataFrame
    looked_at: int
    centres: Matrix


def topics(texts: pl.Series) -> list[Topic]:
    """At most `CLUSTERS` topics of texts, the largest first; none of fewer than two texts per cluster."""
    found = _clusters(texts)
    if found is None:
        return []
    nearest = _nearest(texts, found)["cluster"]
    shares = [float((nearest == each).mean() or 0) for each in range(len(found.centres))]  # type: ignore[arg-type]
    told = [Topic(words, share) for words, share in zip(_words_of(found), shares, strict=True)]
    return sorted(
        (topic for topic in told if topic.words and topic.share), key=lambda topic: (-topic.share, topic.words)
    )


def topic_of(texts: pl.Series) -> pl.Series:
    """The topic of each text, told by its three first words, among the topics of the first `DRAWN`; null where it has none."""
    names: list[str | None] = [None] * len(texts)
    found = _clusters(texts.head(DRAWN))
    told = [] if found is None else [", ".join(words[:3]) or None for words in _words_of(found)]
    for start in range(0, len(texts) if found else 0, DRAWN):
        for row, cluster in _nearest(texts[start : start + DRAWN], found).iter_rows():  # type: ignore[arg-type]
            names[start + row] = told[cluster]
    return pl.Series("topic", names, dtype=pl.String)


def _clusters(texts: pl.Series) -> Clusters | None:
    """The clusters of texts; None where fewer than two texts per cluster have words that set them apart."""
    words = _counted(texts)
    known = _vocabulary(words, len(texts))
    _, matrix = _weights(words, known, len(texts))
    if matrix.shape[0] < 2 * CLUSTERS or known.is_empty():
        return None
    centres = matrix[_far_apart(matrix)]
    for _ in range(ROUNDS):
        nearest = (matrix @ centres.T).argmax(axis=1)
        centres = _normed(np.stack([matrix[nearest == each].sum(axis=0) for each in range(len(centres))]))
    return Clusters(known, len(texts), centres)


def _nearest(texts: pl.Series, found: Clusters) -> pl.DataFrame:
    """row and cluster of the texts that have words which count."""
    rows, matrix = _weights(_counted(texts), found.known, found.looked_at)
    return pl.DataFrame({"row": rows, "cluster": (matrix @ found.centres.T).argmax(axis=1)})


def _words_of(found: Clusters) -> list[tuple[str, ...]]:
    names = found.known["word"].to_list()
    return [_heaviest(centre, names) for centre in found.centres]


def _counted(texts: pl.Series) -> pl.DataFrame:
    """How often each word stands in each text (row, word, count)."""
    return (
        pl.DataFrame({"text": texts})
        .with_row_index("row")
        .select("row", word=pl.col("text").str.head(_CHARACTERS).str.to_lowercase().str.extract_all(_WORD))
        .explode("word")
        .drop_nulls("word")
        .group_by("row", "word")
        .len("count")
    )


def _vocabulary(words: pl.DataFrame, texts: int) -> pl.DataFrame:
    """The most frequent words that are not common, each with its column."""
    frequency = words.group_by("word").agg(texts=pl.len())
    known = frequency.filter((pl.col("texts") > 1) & (pl.col("texts") <= max(_COMMON * texts, 2)))
    return known.sort("texts", "word", descending=[True, False]).head(VOCABULARY).with_row_index("column")


def _weights(words: pl.DataFrame, known: pl.DataFrame, texts: int) -> tuple[pl.Series, Matrix]:
    """The rows of the texts that have such words, and their TF-IDF (length 1)."""
    cells = words.join(known, on="word").with_columns(place=pl.col("row").rank("dense") - 1)
    rows = cells["row"].unique().sort()
    matrix = np.zeros((len(rows), known.height), np.float32)
    weight = (1 + cells["count"].log()) * (texts / cells["texts"]).log()
    matrix[cells["place"].to_numpy(), cells["column"].to_numpy()] = weight.to_numpy()
    return rows, _normed(matrix)


def _normed(rows: Matrix) -> Matrix:
    normed: Matrix = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return normed


def _far_apart(matrix: Matrix) -> list[int]:
    """Rows to begin with: each the farthest from those before it, the first one the nearest to the middle."""
    chosen = [int((matrix @ matrix.mean(axis=0)).argmax())]
    near = matrix @ matrix[chosen[0]]
    while len(chosen) < min(CLUSTERS, matrix.shape[0]):
        chosen.append(int(near.argmin()))
        near = np.maximum(near, matrix @ matrix[chosen[-1]])
    return chosen


def _heaviest(centre: Matrix, names: Sequence[str]) -> tuple[str, ...]:
    order = sorted(np.flatnonzero(centre > 0), key=lambda column: (-round(float(centre[column]), 5), names[column]))
    return tuple(names[column] for column in order[:WORDS])
