"""What deduplication removed, seen from above: between which sources the copies lie, and which texts have the most.

A source that is mostly a copy of another is seen at once, and so is the licence text, the navigation bar or the template that
stands a thousand times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from curation.blocks import BLOCK_ROWS, blocks, height_of, parts_of
from curation.funnel.examples import Frame, beginnings

SAMPLES = 2
"""Removed documents that are shown of a group, the least similar first."""
AT_ONCE = 4
"""Blocks of removed documents that are looked at without files between."""


class Member(NamedTuple):
    """A document of a group: its place, how similar it is to the one that stays, and how its text begins."""

    place: str
    jaccard: float
    text: str
    characters: int


class Group(NamedTuple):
    """A document that stays for others: how many, how many of them near, the least similar, and some of them."""

    kept: Member
    removed: int
    near: int
    least: float
    samples: tuple[Member, ...]


GROUPS = pl.Schema({"kept_id": pl.String, "removed": pl.UInt32, "near": pl.UInt32, "least": pl.Float64})
"""Groups by the document that stays."""


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
    largest = _largest(documents, duplicates, personal_data, most, characters)
    return Copies(*copies_between(documents, duplicates, order), largest)


def copies_between(
    documents: Frame, duplicates: Frame, order: Sequence[str]
) -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """The documents of each source, and how many of one are removed for one of another: `Copies.documents`, `Copies.between`.

    Sources alone are read. What is removed is as `duplicates` tells it, also of documents that are gone since.
    """
    counted = dict(_counted(documents, "source").iter_rows())
    between = {
        (source, kept): count for source, kept, count in _counted(duplicates, "source", "kept_source").iter_rows()
    }
    names = [*(name for name in order if name in counted), *sorted(set(counted) - set(order))]
    return {name: counted[name] for name in names}, dict(sorted(between.items()))


def _counted(rows: Frame, *columns: str) -> pl.DataFrame:
    return rows.lazy().group_by(columns).len().collect(engine="streaming")


def largest_groups(duplicates: Frame, most: int) -> pl.DataFrame:
    """The groups of which most is removed (kept_id, removed, near, least), the largest first."""
    pairs = duplicates.lazy().select("kept_id", "kind", "jaccard")
    if (height := height_of(pairs)) <= AT_ONCE * BLOCK_ROWS:
        return _first(_groups(pairs.collect(engine="streaming")).cast(GROUPS), most)
    largest = [pl.DataFrame(schema=GROUPS)]
    for pieces, _ in blocks(parts_of(pairs, BLOCK_ROWS), height, {}, "kept_id", BLOCK_ROWS):
        if some := [_groups(piece) for piece in pieces()]:
            both = [pl.col("removed", "near").sum(), pl.col("least").min()]
            largest.append(_first(pl.concat(some).group_by("kept_id").agg(both).cast(GROUPS), most))
    return _first(pl.concat(largest), most)


def _groups(pairs: pl.DataFrame) -> pl.DataFrame:
    near = (pl.col("kind") == "near").sum()
    return pairs.group_by("kept_id").agg(removed=pl.len(), near=near, least=pl.col("jaccard").min())


def _first(groups: pl.DataFrame, most: int) -> pl.DataFrame:
    order, falls = ["removed", "kept_id"], [True, False]
    return groups.bottom_k(most, by=order, reverse=falls).sort(order, descending=falls)


def _largest(
    documents: Frame, duplicates: Frame, personal_data: Frame | None, most: int, characters: int
) -> tuple[Group, ...]:
    largest = largest_groups(duplicates, most)
    removed = _removed(duplicates, largest["kept_id"].to_list())
    names = pl.concat([largest["kept_id"], removed["doc_id"]]).to_list()
    texts = beginnings(documents, personal_data, names, characters)
    found = []
    for name, count, near, least in largest.iter_rows():
        if name in texts:
            own = removed.filter(kept_id=name).select("doc_id", "jaccard").iter_rows()
            samples = tuple(_member(texts[one], jaccard) for one, jaccard in own if one in texts)
            found.append(Group(_member(texts[name], 1.0), count, near, least, samples))
    return tuple(found)


def _member(told: tuple[str, str, int], jaccard: float) -> Member:
    place, text, characters = told
    return Member(place, jaccard, text, characters)


def _removed(duplicates: Frame, kept: Sequence[str]) -> pl.DataFrame:
    """Of each of these groups `SAMPLES` that are removed (doc_id, kept_id, jaccard)."""
    pairs = duplicates.lazy().select("doc_id", "kept_id", "jaccard").filter(pl.col("kept_id").is_in(kept))
    first = pairs.head(0).collect()
    for some in parts_of(pairs, BLOCK_ROWS):
        both = pl.concat([first, some]).sort("jaccard", "doc_id")
        first = both.group_by("kept_id", maintain_order=True).head(SAMPLES).select(first.columns)
    return first
