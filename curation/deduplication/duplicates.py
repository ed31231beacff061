"""All of deduplication in one call: from documents and signatures to the documents that are removed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import polars as pl

from curation.deduplication.candidates import Corpus, Fetch
from curation.deduplication.incremental import NOTHING, update_duplicates
from curation.deduplication.settings import DeduplicationSettings
from records import Outcome, Progress, silent

FETCH_ROWS = 8_192
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
    """The function that fetches texts from a table of contents, without holding the others, in the order of its rows.

    Which rows are wanted is seen from their digests alone; only stretches of rows with one of them are read.
    """

    def fetch(digests: pl.Series) -> Iterator[pl.DataFrame]:
        rows = contents.lazy().select("content_digest", "text")
        names = rows.select("content_digest").collect().to_series()
        wanted = names.is_in(digests.implode())
        wanted &= names.is_first_distinct()
        del names
        for start in (wanted.arg_true() // FETCH_ROWS).unique(maintain_order=True) * FETCH_ROWS:
            part = rows.slice(start, FETCH_ROWS).collect()
            yield part.filter(wanted.slice(start, FETCH_ROWS))

    return fetch
