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


class Topic(NamedTuple):
    """One cluster: the words that stand for it, the first one most, and its share of the texts."""

    words: tuple[str, ...]
    share: float


def topics(texts: pl.Series) -> list[Topic]:
    """At most `CLUSTERS` topics of texts, the largest first; none of fewer than two texts per cluster."""
    rows = pl.DataFrame({"text": texts}).with_row_index("row")
    words = (
        rows.select("row", word=pl.col("text").str.head(_CHARACTERS).str.to_lowercase().str.extract_all(_WORD))
        .explode("word")
        .drop_nulls("word")
        .group_by("row", "word")
        .len("count")
    )
    matrix, names = _weights(words, len(texts))
    if matrix.shape[0] < 2 * CLUSTERS or not names:
        return []
    centres = matrix[_far_apart(matrix)]
    for _ in range(ROUNDS):
        nearest = (matrix @ centres.T).argmax(axis=1)
        centres = _normed(np.stack([matrix[nearest == each].sum(axis=0) for each in range(len(centres))]))
    nearest = (matrix @ centres.T).argmax(axis=1)
    found = [_topic(centre, names, float((nearest == each).mean())) for each, centre in enumerate(centres)]
    return sorted(
        (topic for topic in found if topic.words and topic.share), key=lambda topic: (-topic.share, topic.words)
    )


Matrix = npt.NDArray[np.float32]


def _weights(words: pl.DataFrame, texts: int) -> tuple[Matrix, list[str]]:
    """TF-IDF of the texts that have such words, rows of length 1, over the most frequent words that are not common."""
    frequency = words.group_by("word").agg(texts=pl.len())
    known = frequency.filter((pl.col("texts") > 1) & (pl.col("texts") <= max(_COMMON * texts, 2)))
    known = known.sort("texts", "word", descending=[True, False]).head(VOCABULARY).with_row_index("column")
    cells = words.join(known, on="word").with_columns(row=pl.col("row").rank("dense") - 1)
    if cells.is_empty():
        return np.zeros((0, 0), np.float32), []
    matrix = np.zeros((int(cells["row"].max()) + 1, known.height), np.float32)  # type: ignore[arg-type]
    weight = (1 + cells["count"].log()) * (texts / cells["texts"]).log()
    matrix[cells["row"].to_numpy(), cells["column"].to_numpy()] = weight.to_numpy()
    return _normed(matrix), known["word"].to_list()


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


def _topic(centre: Matrix, names: Sequence[str], share: float) -> Topic:
    order = sorted(np.flatnonzero(centre > 0), key=lambda column: (-round(float(centre[column]), 5), names[column]))
    return Topic(tuple(names[column] for column in order[:WORDS]), share)
