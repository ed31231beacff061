"""All of deduplication in one call: from documents and signatures to the documents that are removed."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from curation.deduplication.election import Fetch, elect
from curation.deduplication.ranking import ranked
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import candidates, named_pairs, removed_documents, with_fates
from records import Outcome, Progress, silent


def find_duplicates(
    contents: pl.DataFrame | pl.LazyFrame,
    places: pl.DataFrame,
    signatures: pl.DataFrame,
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
) -> Outcome:
    """The documents that double another: the table `DUPLICATES` by doc_id, and beside it all verified `pairs` of contents.

    `contents` holds content_digest and text, `places` doc_id, source, locator and content_digest, `signatures` the
    evidence for each content (one without is a duplicate only of its own digest). A document is "exact" if it stands at
    another place of the same normalised text, and "near" if its content is dropped for one whose true Jaccard
    similarity reaches the threshold; `kept_id` is the first place of the content that stays. Unit: documents.
    """
    order = ranked(candidates(places, signatures, source_order), settings.policy)
    election = elect(order, fetching(contents), settings, progress)
    fates = with_fates(order, election.kept, election.similarity)
    pairs = named_pairs(order, election.pairs, election.jaccard).sort("content_digest", "kept_digest")
    table = removed_documents(places, fates, source_order)
    counts = {kind: int(table.get_column("kind").eq(kind).sum()) for kind in ("exact", "near")}
    return Outcome(
        table,
        kept=len(places) - len(table),
        dropped={kind: count for kind, count in counts.items() if count},
        others={"pairs": pairs},
        notes={"contents": len(order), "kept contents": int((election.kept < 0).sum()), "pairs verified": len(pairs)},
    )


def fetching(contents: pl.DataFrame | pl.LazyFrame) -> Fetch:
    """The function that fetches texts from a table of contents, without holding the others."""

    def fetch(digests: pl.Series) -> pl.DataFrame:
        wanted = digests.alias("content_digest").to_frame().lazy()
        rows = contents.lazy().select("content_digest", "text").join(wanted, on="content_digest", how="semi")
        return rows.unique("content_digest").collect(engine="streaming")

    return fetch
