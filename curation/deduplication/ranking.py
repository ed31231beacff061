"""The survivor policy: which of several alike contents is looked at first, and so stays.

A key is a column in which the smaller value goes first. Ties end with the digest, so the order of contents is a function
of the contents and their places alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

POLICY_KEYS = {"source": pl.col("source_rank"), "longest": -pl.col("n_characters").fill_null(0)}
"""What each key of a policy sorts by; ascending, nulls last."""


def ranked(contents: pl.DataFrame, policy: Sequence[str]) -> pl.DataFrame:
    """The contents in the order of the policy: columns content_digest, and those that the keys need."""
    unknown = [key for key in policy if key not in POLICY_KEYS]
    if unknown:
        raise ValueError(f"policy: there is no key {unknown[0]!r}; it is a list of {', '.join(POLICY_KEYS)}")
    return contents.sort(*(POLICY_KEYS[key] for key in policy), "content_digest", nulls_last=True)


def ranked_places(places: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """The places (doc_id, content_digest, source_rank) in the order of their sources, then of their locators."""
    ranks = pl.DataFrame({"source": list(source_order)}, schema={"source": pl.String}).with_row_index("source_rank")
    known = places.select("doc_id", "source", "locator", "content_digest").join(ranks, on="source", how="left")
    stray = known.filter(pl.col("source_rank").is_null())
    if len(stray):
        raise ValueError(
            f"source {stray['source'][0]!r} has documents but is not among the sources; add it to their order"
        )
    return known.sort("source_rank", "locator", "doc_id").select(
        "doc_id", "content_digest", pl.col("source_rank").cast(pl.Int64)
    )
