"""From tables that move to an update of deduplication: which contents are to be decided again.

A content is, when a place or a piece of evidence of it came or went, that which the policy ranks by among them; all are,
when sources that were there before change their order. Looking at one more than needed costs time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from curation.deduplication.corpus import Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import NOTHING, Moved, State, Update, update_duplicates
from curation.deduplication.lookups import Found, indexed, texts_of
from curation.deduplication.settings import DeduplicationSettings
from curation.updates import Followed
from records import Progress, silent


def follow(
    state: Mapping[str, pl.LazyFrame],
    documents: Followed,
    signatures: Followed,
    source_order: Followed,
    settings: DeduplicationSettings,
    evidence: Mapping[str, Followed | None] = MappingProxyType({}),
    progress: Progress = silent,
    found: Mapping[str, Found] = MappingProxyType({}),
) -> Update:
    """The update of `duplicates`, `survivors` and `pairs` (empty: from nothing) that the tables' moves ask for.

    `documents` holds doc_id, source, locator, content_digest and text (and date, if the policy asks for the newest),
    `signatures` the evidence by content, `source_order` source and rank; `evidence` has the tables that the policy's keys
    look at (`settings.EVIDENCE`), and None for those that it does not. `found` has the indexes of all these tables but
    source_order, if there are any.
    """
    ranked = {name: table for name, table in evidence.items() if table is not None}
    date = ["date"] if "newest" in settings.policy else []
    places = documents.now.select("doc_id", "source", "locator", "content_digest", *date)
    order = source_order.now.sort("rank").collect().get_column("source").to_list()
    now = {name: table.now for name, table in ranked.items()}
    corpus = Corpus(places, signatures.now, order, fetching(documents.now), now)
    if not state:
        return update_duplicates(None, corpus, NOTHING, settings, progress)
    moved_contents = _contents(documents, [signatures, *ranked.values()], source_order)
    moved = Moved(moved_contents, _only(documents.went, "doc_id"))
    if not found:
        return update_duplicates(State(**state), corpus, moved, settings, progress)
    lookups = indexed(found, ranked)
    return update_duplicates(State(**state), corpus, moved, settings, progress, lookups, texts_of(found["documents"]))


def _contents(documents: Followed, evidence: Sequence[Followed], source_order: Followed) -> pl.Series:
    moved = [rows for table in (documents, *evidence) for rows in (table.came, table.went)]
    if _is_reordered(source_order):
        moved.append(documents.now)
    return pl.concat([_only(rows, "content_digest") for rows in moved]).unique()


def _only(rows: pl.LazyFrame, column: str) -> pl.Series:
    return rows.select(column).unique().collect().to_series()


def _is_reordered(source_order: Followed) -> bool:
    """Whether two sources that were there before stand the other way round now."""
    came = source_order.came.select("source", after="rank")
    both = source_order.went.select("source", before="rank").join(came, on="source").sort("before").collect()
    return not both.get_column("after").is_sorted()
