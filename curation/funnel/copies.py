"""What deduplication removed, seen from above: between which sources the copies lie, and which texts have the most.

A source that is mostly a copy of another is seen at once, and so is the licence text, the navigation bar or the template that
stands a thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from curation.funnel.examples import Frame, beginnings


class Group(NamedTuple):
    """A document that stays for others: its place, how many it stays for, the least similar of them, and how its text begins."""

    place: str
    removed: int
    near: int
    least: float
    text: str
    characters: int


@dataclass(frozen=True, slots=True)
class Copies:
    """Between sources, and the largest groups."""

    documents: Mapping[str, int]
    """The documents of each source, in the order of the sources."""
    between: Mapping[tuple[str, str], int]
    """How many documents of one source are removed for one of another (or the same)."""
    largest: tuple[Group, ...]


def copies(
    documents: Frame, duplicates: Frame, personal_data: Frame | None, order: Sequence[str], most: int, characters: int
) -> Copies:
    """What was removed as a copy, with the `most` largest groups; texts are shown with their personal data masked."""
    places = documents.lazy().select("doc_id", "source")
    counted = dict(places.group_by("source").len().collect().iter_rows())
    of_kept = places.rename({"doc_id": "kept_id", "source": "kept"})
    both = duplicates.lazy().select("doc_id", "kept_id").join(places, on="doc_id").join(of_kept, on="kept_id")
    between = both.group_by("source", "kept").len().sort("source", "kept").collect()
    names = [*(name for name in order if name in counted), *sorted(set(counted) - set(order))]
    return Copies(
        {name: counted[name] for name in names},
        {(source, kept): count for source, kept, count in between.iter_rows()},
        _largest(documents, duplicates, personal_data, most, characters),
    )


def _largest(
    documents: Frame, duplicates: Frame, personal_data: Frame | None, most: int, characters: int
) -> tuple[Group, ...]:
    near = (pl.col("kind") == "near").sum()
    groups = duplicates.lazy().group_by("kept_id").agg(removed=pl.len(), near=near, least=pl.col("jaccard").min())
    largest = groups.sort("removed", "kept_id", descending=[True, False]).head(most).collect()
    texts = beginnings(documents, personal_data, largest["kept_id"].to_list(), characters)
    found = []
    for name, removed, near_ones, least in largest.iter_rows():
        if name in texts:
            place, text, length = texts[name]
            found.append(Group(place, removed, near_ones, least, text, length))
    return tuple(found)
