"""The tables of deduplication: what is decided on, who stays, what was measured, and which documents that removes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication.ranking import ranked_places

_CANDIDATE = {
    "content_digest": pl.String,
    "normal_digest": pl.String,
    "n_characters": pl.Int64,
    "source_rank": pl.Int64,
    "bands": pl.Binary,
}
CANDIDATES = pl.Schema(_CANDIDATE)
"""One row per content: its signature, and what the keys of the policy need. source_rank: of its first source."""

SURVIVORS = pl.Schema([*_CANDIDATE.items(), ("kept_digest", pl.String), ("jaccard", pl.Float64)])
"""A candidate with its fate. kept_digest and jaccard: the content that stays in its stead; null for one that stays."""

PAIRS = pl.Schema({"content_digest": pl.String, "kept_digest": pl.String, "jaccard": pl.Float64})
"""What was verified: a content, a kept one before it that shares a band with it, and their true similarity; also where
that is below the threshold. A content whose normalised text is kept already is compared with no other."""

DUPLICATES = pl.Schema({"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
"""One row per removed document. kept_id: the first place of the content that stays; kind: exact or near."""


def candidates(places: pl.DataFrame, signatures: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """`CANDIDATES` of all contents that stand in `places` (doc_id, source, locator, content_digest), in no stated order.

    A content without a signature has no bands. Raises ValueError for a source that is not in the order.
    """
    ranks = ranked_places(places, source_order).group_by("content_digest").agg(pl.col("source_rank").min())
    evidence = signatures.select("content_digest", "normal_digest", "n_characters", "bands")
    return ranks.join(evidence, on="content_digest", how="left").select(CANDIDATES.names()).cast(CANDIDATES)


def with_fates(
    contents: pl.DataFrame, kept: npt.NDArray[np.int32], similarity: npt.NDArray[np.float64]
) -> pl.DataFrame:
    """`SURVIVORS` of contents, given the number of the one that stays in the stead of each (-1 for itself)."""
    digests = contents.get_column("content_digest")
    fates = [digests.gather(np.maximum(kept, 0)), pl.Series(similarity, dtype=pl.Float64)]
    stays = pl.Series(kept < 0, dtype=pl.Boolean)
    named = contents.select(CANDIDATES.names()).with_columns(fates[0].alias("kept_digest"), fates[1].alias("jaccard"))
    return named.with_columns(pl.when(~stays).then(pl.col("kept_digest", "jaccard"))).cast(SURVIVORS)


def named_pairs(contents: pl.DataFrame, pairs: npt.NDArray[np.int32], jaccard: npt.NDArray[np.float64]) -> pl.DataFrame:
    """`PAIRS`, given the numbers of either content."""
    digests = contents.get_column("content_digest")
    columns = [digests.gather(pairs[:, 0]), digests.gather(pairs[:, 1]), pl.Series(jaccard)]
    return pl.DataFrame(dict(zip(PAIRS.names(), columns, strict=True)), schema=PAIRS)


def removed_documents(places: pl.DataFrame, survivors: pl.DataFrame, source_order: Sequence[str]) -> pl.DataFrame:
    """`DUPLICATES`, by doc_id: every document but the first place of each content that stays.

    `places` holds doc_id, source, locator and content_digest; `survivors` has a row for each of their contents.
    """
    standing = ranked_places(places, source_order)
    firsts = standing.group_by("content_digest").agg(kept_id=pl.col("doc_id").first())
    forms = survivors.select("content_digest", form=pl.coalesce("normal_digest", "content_digest"))
    stays = pl.coalesce("kept_digest", "content_digest")
    fates = (
        survivors.select("content_digest", "jaccard", stays=stays)
        .join(forms, on="content_digest")
        .join(forms.rename({"form": "kept_form"}), left_on="stays", right_on="content_digest")
        .join(firsts, left_on="stays", right_on="content_digest")
    )
    exact = pl.col("form") == pl.col("kept_form")
    removed = standing.join(fates, on="content_digest").filter(pl.col("doc_id") != pl.col("kept_id"))
    kind = pl.when(exact).then(pl.lit("exact")).otherwise(pl.lit("near"))
    return removed.select("doc_id", "kept_id", kind=kind, jaccard=pl.when(exact).then(1.0).otherwise("jaccard")).sort(
        "doc_id"
    )
