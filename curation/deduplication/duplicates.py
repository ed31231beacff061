"""From contents that stay to documents that stay: one row for each document that is removed, and the one it doubles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from curation.deduplication.election import Election, Fetch, elect
from curation.deduplication.ranking import ranked, ranked_places
from curation.deduplication.settings import DeduplicationSettings
from records import Outcome, Progress, silent

DUPLICATES = pl.Schema({"doc_id": pl.String, "kept_id": pl.String, "kind": pl.String, "jaccard": pl.Float64})
PAIRS = pl.Schema({"content_digest": pl.String, "kept_digest": pl.String, "jaccard": pl.Float64})


def find_duplicates(
    contents: pl.DataFrame | pl.LazyFrame,
    places: pl.DataFrame,
    signatures: pl.DataFrame,
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
) -> Outcome:
    """The documents that double another: table `DUPLICATES` by doc_id, and beside it all verified `pairs` of contents.

    `contents` holds content_digest and text, `places` doc_id, source, locator and content_digest, `signatures` the
    evidence for each content (one without is a duplicate only of its own digest). A document is "exact" if it stands at
    another place of the same normalised text, and "near" if its content is dropped for one whose true Jaccard
    similarity reaches the threshold; `kept_id` is the first place of the content that stays. Unit: documents.
    """
    standing = ranked_places(places, source_order)
    firsts = standing.group_by("content_digest").agg(pl.col("source_rank").min(), first_id=pl.col("doc_id").first())
    evidence = signatures.select("content_digest", "normal_digest", "n_characters", "bands")
    order = ranked(firsts.join(evidence, on="content_digest", how="left"), settings.policy)
    election = elect(order, fetching(contents), settings, progress)
    table = _removed(standing, order, election)
    counts = {kind: int(table.get_column("kind").eq(kind).sum()) for kind in ("exact", "near")}
    return Outcome(
        table,
        kept=len(standing) - len(table),
        dropped={kind: count for kind, count in counts.items() if count},
        others={"pairs": _pairs(order, election)},
        notes={
            "contents": len(order),
            "kept contents": int((election.kept < 0).sum()),
            "pairs verified": len(election.pairs),
        },
    )


def fetching(contents: pl.DataFrame | pl.LazyFrame) -> Fetch:
    """The function that fetches texts from a table of contents, without holding the others."""

    def fetch(digests: pl.Series) -> pl.DataFrame:
        wanted = digests.alias("content_digest").to_frame().lazy()
        rows = contents.lazy().select("content_digest", "text").join(wanted, on="content_digest", how="semi")
        return rows.unique("content_digest").collect(engine="streaming")

    return fetch


def _removed(standing: pl.DataFrame, order: pl.DataFrame, election: Election) -> pl.DataFrame:
    itself = np.arange(len(order), dtype=np.int32)
    stays = np.where(election.kept < 0, itself, election.kept)
    form = order.select(form=pl.coalesce("normal_digest", "content_digest")).get_column("form")
    exact = form == form.gather(stays)
    fates = order.select(
        "content_digest",
        kept_id=pl.col("first_id").gather(stays),
        kind=pl.when(exact).then(pl.lit("exact")).otherwise(pl.lit("near")),
        jaccard=pl.when(exact).then(1.0).otherwise(pl.Series(election.similarity, dtype=pl.Float64)),
    )
    removed = standing.join(fates, on="content_digest").filter(pl.col("doc_id") != pl.col("kept_id"))
    return removed.select(DUPLICATES.names()).sort("doc_id")


def _pairs(order: pl.DataFrame, election: Election) -> pl.DataFrame:
    digests = order.get_column("content_digest")
    columns = [digests.gather(election.pairs[:, 0]), digests.gather(election.pairs[:, 1]), pl.Series(election.jaccard)]
    return pl.DataFrame(dict(zip(PAIRS.names(), columns, strict=True)), schema=PAIRS).sort(
        "content_digest", "kept_digest"
    )
