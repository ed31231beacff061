"""All of deduplication in one call: from documents and signatures to the documents that are removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import polars as pl

from curation.deduplication.candidates import Corpus, Fetch, parts_of
from curation.deduplication.incremental import NOTHING, update_duplicates
from curation.deduplication.numbering import digests_of, distinct, numbered
from curation.deduplication.settings import DeduplicationSettings
from records import Outcome, Progress, silent

FETCH_ROWS = 4_096
"""Rows of a table of texts that are looked through at a time."""


def find_duplicates(
    contents: pl.DataFrame | pl.LazyFrame,
    places: pl.DataFrame | pl.LazyFrame,
    signatures: pl.DataFrame | pl.LazyFrame,
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """The documents that double another: the table `DUPLICATES` by doc_id, beside it `survivors` and all verified `pairs`.

    `contents` holds content_digest and text, `places` doc_id, source, locator and content_digest, `signatures` the
    evidence for each content (one without is a duplicate only of its own digest). A document is "exact" if it stands at
    another place of the same normalised text, and "near" if its content is dropped for one whose true Jaccard
    similarity reaches the threshold; `kept_id` is the first place of the content that stays. `evidence` has the further
    tables that the policy looks at (`settings.evidence`). Unit: documents.
    """
    ranking = {name: table.lazy() for name, table in evidence.items()}
    corpus = Corpus(places.lazy(), signatures.lazy(), source_order, fetching(contents), ranking)
    update = update_duplicates(None, corpus, NOTHING, settings, progress)
    table, survivors, pairs = (change.added for change in update)
    counts = {kind: int(table.get_column("kind").eq(kind).sum()) for kind in ("exact", "near")}
    n_places = places.lazy().select(pl.len()).collect().item()
    return Outcome(
        table,
        kept=n_places - len(table),
        dropped={kind: count for kind, count in counts.items() if count},
        others={"survivors": survivors, "pairs": pairs},
        notes={"contents dropped": len(survivors), "pairs verified": len(pairs)},
    )


def fetching(contents: pl.DataFrame | pl.LazyFrame) -> Fetch:
    """The function that fetches texts from a table of contents, without holding the others, in one pass over it.

    Few are asked for where their rows are read, so that stretches of a file without one are not decoded; many are looked
    up part by part, since to ask for them there would number them anew for each stretch.
    """

    def fetch(digests: pl.Series) -> Iterator[pl.DataFrame]:
        rows = contents.lazy().select("content_digest", "text")
        if len(digests) <= FETCH_ROWS:
            wanted = pl.col("content_digest").is_in(digests.implode())
            yield rows.filter(wanted).collect(engine="streaming").unique("content_digest")
            return
        index = numbered(distinct(digests_of(digests)))
        seen = np.zeros(len(index.digests), np.bool_)
        for part in parts_of(rows, FETCH_ROWS):
            at = index.places_of(digests_of(part.get_column("content_digest")))
            there, first = np.unique(at, return_index=True)
            fresh = first[(there >= 0) & ~seen[there]]
            seen[at[fresh]] = True
            yield part[np.sort(fresh)]

    return fetch
