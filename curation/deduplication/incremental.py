"""Deduplication kept up to date: from the contents that moved to changes of three tables, at the cost of what they touch.

Any schedule of updates gives what one run over the whole gives, because a decision depends only on the contents before it
in the order of the policy. So the contents that moved (came, went, or may have another rank), and those whose kept one
did, are decided again in that order; one that is now kept makes those behind it that share a band be looked at again,
one that no longer is, those that it stood for. Similarities that were measured stand in `pairs` and are not measured
again; texts are fetched by digest, and only where a similarity is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from curation.deduplication.candidates import Corpus, Fetch
from curation.deduplication.lookups import Lookups, scanning
from curation.deduplication.region import Settled, settle
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS, removed_documents
from curation.deduplication.whole import decide_whole
from records import Progress, silent

WHOLE_SHARE = 0.2
"""When more of the contents than this moved, deciding on all of them anew costs less."""


class State(NamedTuple):
    """The tables of deduplication, as they stand: `DUPLICATES`, `SURVIVORS` and `PAIRS`."""

    duplicates: pl.LazyFrame
    survivors: pl.LazyFrame
    pairs: pl.LazyFrame


class TableChange(NamedTuple):
    """Rows that come to a table, and the keys of rows that go before (a changed row does both)."""

    added: pl.DataFrame
    removed: pl.DataFrame


class Update(NamedTuple):
    """What an update does to each table."""

    duplicates: TableChange
    survivors: TableChange
    pairs: TableChange


class Moved(NamedTuple):
    """What changed in a corpus: the contents that came, went or may rank otherwise, and the documents that went."""

    contents: pl.Series
    documents: pl.Series


NOTHING = Moved(pl.Series(dtype=pl.String), pl.Series(dtype=pl.String))
"""No content moved."""


def update_duplicates(
    state: State | None,
    corpus: Corpus,
    moved: Moved,
    settings: DeduplicationSettings,
    progress: Progress = silent,
    lookups: Lookups | None = None,
    fetch: Fetch | None = None,
) -> Update:
    """The changes that make of a state that of the corpus as it is now; without a state, all rows of the new one.

    `lookups` find rows of these tables, and `fetch` few texts; without, the tables are looked through.
    """
    if state is None:
        return _whole(corpus, settings, progress)
    n_contents = corpus.signatures.select(pl.len()).collect().item()
    if len(moved.contents) > WHOLE_SHARE * n_contents:
        return _instead(_whole(corpus, settings, progress), state)
    tables = lookups or _scanning(state, corpus)
    settled = settle(tables, corpus.source_order, fetch or corpus.fetch, moved.contents, settings)
    survivors = _survivor_change(tables, settled, moved)
    duplicates = _duplicate_change(tables, survivors, corpus.source_order, moved)
    return Update(duplicates, survivors, _pair_change(tables, settled, moved))


def _scanning(state: State, corpus: Corpus) -> Lookups:
    evidence = {name: scanning(rows) for name, rows in corpus.evidence.items()}
    duplicates, survivors, pairs = map(scanning, state)
    return Lookups(duplicates, survivors, pairs, scanning(corpus.places), scanning(corpus.signatures), evidence)


def _whole(corpus: Corpus, settings: DeduplicationSettings, progress: Progress) -> Update:
    tables = decide_whole(corpus, settings, progress)
    return Update(*(TableChange(rows, rows.select(keys).head(0)) for rows, keys in zip(tables, KEYS, strict=True)))


KEYS = (["doc_id"], ["content_digest"], ["content_digest", "kept_digest"])
"""The primary keys of `DUPLICATES`, `SURVIVORS` and `PAIRS`."""


def _instead(whole: Update, state: State) -> Update:
    changes = []
    for change, before, keys in zip(whole, state, KEYS, strict=True):
        changes.append(_difference(change.added, before.collect(), keys))
    return Update(*changes)


def _difference(now: pl.DataFrame, before: pl.DataFrame, keys: list[str]) -> TableChange:
    """Only rows that are not what they were."""
    before = before.select(now.columns)
    came = now.join(before, on=now.columns, how="anti", nulls_equal=True)
    return TableChange(came, before.join(now, on=now.columns, how="anti", nulls_equal=True).select(keys))


def _survivor_change(tables: Lookups, settled: Settled, moved: Moved) -> TableChange:
    again = pl.concat([moved.contents, settled.looked_at]).unique()
    return _difference(settled.survivors, tables.survivors("content_digest", again), KEYS[1])


def _pair_change(tables: Lookups, settled: Settled, moved: Moved) -> TableChange:
    """A pair goes with either content, when its kept one stays no longer, and when it was not found again."""
    again = pl.concat([moved.contents, settled.decided]).unique()
    lost = pl.concat([moved.contents, settled.survivors.get_column("content_digest")]).unique()
    of_either = [tables.pairs("content_digest", again), tables.pairs("kept_digest", lost)]
    return _difference(settled.pairs, pl.concat(of_either).unique(KEYS[2]), KEYS[2])


def _duplicate_change(
    tables: Lookups, survivors: TableChange, source_order: Sequence[str], moved: Moved
) -> TableChange:
    """The documents of contents that moved or fare otherwise, and of those for which one that moved stays."""
    fare = [survivors.added.get_column("content_digest"), survivors.removed.get_column("content_digest")]
    followers = tables.survivors("kept_digest", moved.contents).get_column("content_digest")
    touched = pl.concat([moved.contents, *fare, followers]).unique()
    standing = tables.survivors("content_digest", touched).select(SURVIVORS.names())
    standing = standing.join(survivors.removed, on="content_digest", how="anti")
    fates = pl.concat([standing, survivors.added])
    named = pl.concat([touched, fates.get_column("kept_digest")]).unique()
    places = tables.places("content_digest", named)
    own = places.filter(pl.col("content_digest").is_in(touched.implode())).get_column("doc_id")
    rows = removed_documents(places, fates, source_order)
    rows = rows.join(own.to_frame(), on="doc_id", how="semi")
    looked_at = pl.concat([own, moved.documents]).unique()
    return _difference(rows, tables.duplicates("doc_id", looked_at), KEYS[0])


EMPTY = State(*(pl.DataFrame(schema=schema).lazy() for schema in (DUPLICATES, SURVIVORS, PAIRS)))
"""The state of an empty corpus."""
