"""What deduplication removed, seen from above: between which sources the copies lie, and which texts have the most.

A source that is mostly a copy of another is seen at once, and so is the licence text, the navigation bar or the template that
stands a thousand times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from curation.blocks import BLOCK_ROWS, blocks, height_of, joinable, parts_of
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
    counted = dict(places.group_by("source").len().collect(engine="streaming").iter_rows())
    between = Counter[tuple[str, str]]()
    for both in _between(places, duplicates):
        between.update({(source, kept): count for source, kept, count in both.iter_rows()})
    names = [*(name for name in order if name in counted), *sorted(set(counted) - set(order))]
    return Copies(
        {name: counted[name] for name in names},
        dict(sorted(between.items())),
        _largest(documents, duplicates, personal_data, most, characters),
    )


def _between(places: pl.LazyFrame, duplicates: Frame) -> Iterator[pl.DataFrame]:
    """How many documents of one source are removed for one of another (source, kept, len), block by block."""
    pairs = parts_of(duplicates.lazy().select("doc_id", "kept_id"), BLOCK_ROWS)
    removed = (
        some.join(tables["places"], on="doc_id")
        for some, tables in joinable(pairs, {"places": places}, "doc_id", BLOCK_ROWS)
    )
    of_kept = {"places": places.rename({"doc_id": "kept_id", "source": "kept"})}
    for some, tables in joinable(removed, of_kept, "kept_id", BLOCK_ROWS):
        yield some.join(tables["places"], on="kept_id").group_by("source", "kept").len()


def _groups(duplicates: Frame, most: int) -> pl.DataFrame:
    """The largest groups (kept_id, removed, near, least)."""
    pairs = duplicates.lazy().select("kept_id", "kind", "jaccard")
    near = (pl.col("kind") == "near").sum()
    largest = [pl.DataFrame(schema={"kept_id": pl.String})]
    for pieces, _ in blocks(parts_of(pairs, BLOCK_ROWS), height_of(pairs), {}, "kept_id", BLOCK_ROWS):
        some = [
            piece.group_by("kept_id").agg(removed=pl.len(), near=near, least=pl.col("jaccard").min())
            for piece in pieces()
        ]
        if some:
            both = [pl.col("removed", "near").sum(), pl.col("least").min()]
            largest.append(_first(pl.concat(some).group_by("kept_id").agg(both), most))
    return _first(pl.concat(largest, how="diagonal"), most) if len(largest) > 1 else largest[0]


def _first(groups: pl.DataFrame, most: int) -> pl.DataFrame:
    return groups.sort("removed", "kept_id", descending=[True, False]).head(most)


def _largest(
    documents: Frame, duplicates: Frame, personal_data: Frame | None, most: int, characters: int
) -> tuple[Group, ...]:
    largest = _groups(duplicates, most)
    texts = beginnings(documents, personal_data, largest["kept_id"].to_list(), characters)
    found = []
    for name, removed, near_ones, least in largest.iter_rows():
        if name in texts:
            place, text, length = texts[name]
            found.append(Group(place, removed, near_ones, least, text, length))
    return tuple(found)
