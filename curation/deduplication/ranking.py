"""The survivor policy: which of several alike contents is looked at first, and so stays.

A key sorts by one column of what is known of a content; nulls go last, and ties end with the digest, so the order of
contents is a function of the contents, their places and their evidence alone. The best in quality is the content that
fails the fewest of the workspace's rules: what stays is then what the verdicts will keep, if they keep any of the alike.
The least contaminated is the one that holds the smallest share of any evaluation item.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from curation.deduplication.settings import POLICY


class RankKey(NamedTuple):
    """What a key of the policy sorts by: a column, its type, and whether the largest value goes first."""

    column: str
    dtype: pl.DataType
    largest_first: bool = False


POLICY_KEYS = {
    "source": RankKey("source_rank", pl.Int64()),
    "longest": RankKey("n_characters", pl.Int64(), largest_first=True),
    "newest": RankKey("date", pl.String(), largest_first=True),
    "quality": RankKey("failing", pl.Int64()),
    "contamination": RankKey("share", pl.Float64()),
}
assert tuple(POLICY_KEYS) == POLICY


def rank_keys(policy: Sequence[str]) -> list[RankKey]:
    """The keys of a policy, first key first."""
    return [POLICY_KEYS[key] for key in policy]


def ranked(contents: pl.DataFrame, policy: Sequence[str]) -> pl.DataFrame:
    """The contents in the order of the policy: columns content_digest, and those that its keys sort by."""
    keys = rank_keys(policy)
    by = [pl.col(key.column).fill_null(0) if key.column == "n_characters" else pl.col(key.column) for key in keys]
    descending = [*(key.largest_first for key in keys), False]
    return contents.sort(*by, "content_digest", descending=descending, nulls_last=True)


def ranked_places(places: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """The places (doc_id, source, locator, content_digest) in the order of their sources, then of their locators.

    Raises ValueError for a source that is not in the order.
    """
    ranks = source_ranks(places.get_column("source"), source_order)
    return places.sort(ranks, "locator", "doc_id")


def source_ranks(sources: pl.Series, source_order: Sequence[str]) -> pl.Series:
    """The rank of each source. Raises ValueError for one that is not in the order."""
    known = {source: rank for rank, source in enumerate(source_order)}
    if sources.n_unique() == 1 and sources[0] in known:  # as in nearly every batch, for sources are read one by one
        return pl.Series(np.full(len(sources), known[sources[0]]))
    ranks = sources.replace_strict(known, default=None, return_dtype=pl.Int64)
    if ranks.null_count():
        stray = sources.filter(ranks.is_null())[0]
        raise ValueError(f"source {stray!r} has documents but is not among the sources; add it to their order")
    return ranks
