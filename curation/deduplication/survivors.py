"""The tables of deduplication: who stays, what was measured, and which documents that removes."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curation.deduplication.ranking import ranked_places

SURVIVORS = pl.Schema({"content_digest": pl.String, "kept_digest": pl.String, "kind": pl.String, "jaccard": pl.Float64})
"""One row per content that is dropped: the content that stays in its stead. kind: exact (of one normalised text) or near;
a content of the corpus that has no row stays."""

PAIRS = pl.Schema({"content_digest": pl.String, "kept_digest": pl.String, "jaccard": pl.Float64})
"""The kept neighbours of each content: a kept one before it that shares a band with it, and their true similarity, where
that reaches the threshold. A content whose normalised text is kept already is compared with no other."""

DUPLICATES = pl.Schema(
    dict.fromkeys(("doc_id", "source", "kept_id", "kept_source", "kind"), pl.String) | {"jaccard": pl.Float64}
)
"""One row per removed document, and its source. kept_id: the first place of the content that stays; kind: exact or near."""


def shown_similarity(jaccard: float, digits: int = 4) -> str:
    """So many digits; 1 for none that is less."""
    return f"{min(jaccard, 1 - 10**-digits) if jaccard < 1 else jaccard:.{digits}g}"


def removed_documents(places: pl.DataFrame, survivors: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """`DUPLICATES`, by doc_id: every document but the first place of each content that stays.

    `places` holds doc_id, source, locator and content_digest: all places of the contents in question, and of those that
    stay in their stead.
    """
    content = pl.col("content_digest")
    several = content.is_in(survivors.get_column("content_digest").implode()) | content.is_duplicated()
    several |= content.is_in(survivors.get_column("kept_digest").implode())
    touched = places.filter(several).select("doc_id", "source", "locator", "content_digest")
    standing = ranked_places(touched, source_order)
    firsts = standing.group_by("content_digest").agg(
        kept_id=pl.col("doc_id").first(), kept_source=pl.col("source").first()
    )
    fates = standing.join(survivors, on="content_digest", how="left").with_columns(
        pl.coalesce("kept_digest", "content_digest").alias("stays"),
        pl.col("kind").fill_null("exact"),
        jaccard=pl.when(pl.col("kind") == "near").then("jaccard").otherwise(1.0),
    )
    removed = fates.join(firsts, left_on="stays", right_on="content_digest").filter(
        pl.col("doc_id") != pl.col("kept_id")
    )
    return removed.select(DUPLICATES.names()).sort("doc_id")
