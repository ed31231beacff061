"""Topics: texts of unlike words fall apart, each cluster is told by its own words, and the same texts give the same answer."""

from __future__ import annotations

import random

import polars as pl

from curation.topics import CLUSTERS, topics

FIELDS = {
    "sea": ["harbour", "anchor", "vessel", "sailor", "lighthouse", "tide"],
    "bread": ["flour", "yeast", "oven", "dough", "crust", "baker"],
    "law": ["court", "judge", "appeal", "verdict", "statute", "counsel"],
}


def texts(count: int) -> list[str]:
    draw = random.Random(0)
    return [
        " ".join(draw.choices(words, k=12)) + f" about number{at}" for at in range(count) for words in FIELDS.values()
    ]


def test_clusters_are_told_by_the_words_of_one_field() -> None:
    found = topics(pl.Series(texts(40)))
    assert 3 <= len(found) <= CLUSTERS and abs(sum(topic.share for topic in found) - 1) < 1e-6
    for topic in found:
        homes = {name for name, words in FIELDS.items() if set(topic.words) & set(words)}
        assert len(homes) == 1, topic
    assert topics(pl.Series(texts(40))) == found


def test_too_little_or_nothing_has_no_topics() -> None:
    assert topics(pl.Series([], dtype=pl.String)) == [] == topics(pl.Series(["one text", "another text"]))
    assert topics(pl.Series(["...", "123"] * 50)) == []
