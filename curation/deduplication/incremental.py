"""Deduplication kept up to date: from the contents that moved to changes of three tables, at the cost of what they touch.

Any schedule of updates gives what one run over the whole gives, because a decision depends only on the contents before it
in the order of the policy. So the contents that moved (came, went, or may have another rank), and those whose kept one
did, are decided again in that order; one that is now kept makes those behind it that share a band be looked at again,
one that no longer is, those that it stood for. Contents that were compared are not compared again: if they are near they
stand in `pairs`. Texts are fetched by digest, and only where a similarity is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import lookups as found_by
from curation.deduplication.corpus import Corpus
from curation.deduplication.lookups import Fates, Lookups, Pairs, Texts, asked, fetched, scanning, together
from curation.deduplication.neighbours import near_in
from curation.deduplication.numbering import Digests, digests_of, distinct, names_of, numbered
from curation.deduplication.region import Settled, settle
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.signature_rows import digests_in
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS, removed_documents
from curation.deduplication.whole import decide_whole
from curation.updates import TableChange
from records import Progress, series, silent

WHOLE_SHARE = 0.2
"""When more of the contents than this moved, deciding on all of them anew costs less."""


class State(NamedTuple):
    """The tables of deduplication, as they stand: `DUPLICATES`, `SURVIVORS` and `PAIRS`."""

    duplicates: pl.LazyFrame
    survivors: pl.LazyFrame
    pairs: pl.LazyFrame


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
    texts: Texts | None = None,
) -> Update:
    """The changes that make of a state that of the corpus as it is now; without a state, all rows of the new one.

    `lookups` find rows of these tables, and `texts` few texts; without, the tables are looked through.
    """
    if state is None:
        return _whole(corpus, settings, progress)
    n_contents = corpus.signatures.select(pl.len()).collect().item()
    if len(moved.contents) > WHOLE_SHARE * n_contents:
        return _instead(_whole(corpus, settings, progress), state)
    tables = lookups or _scanning(state, corpus)
    contents = distinct(digests_of(moved.contents))
    settled = settle(tables, corpus.source_order, texts or fetched(corpus.fetch), contents, settings)
    fates = _fates_that_differ(tables, settled, contents)
    duplicates = _duplicate_change(tables, fates, corpus.source_order, contents, moved.documents)
    gone = names_of(fates.gone).alias("content_digest").to_frame()
    return Update(duplicates, TableChange(_survivors(fates.came), gone), _pair_change(tables, settled, contents))


def _scanning(state: State, corpus: Corpus) -> Lookups:
    evidence = {name: scanning(rows) for name, rows in corpus.evidence.items()}
    survivors, pairs = map(scanning, (state.survivors, state.pairs))

    def duplicates(column: str, values: pl.Series) -> pl.DataFrame:
        return state.duplicates.filter(pl.col(column).is_in(values.implode())).collect()

    places, signatures = scanning(corpus.places), scanning(corpus.signatures)
    return Lookups(duplicates, survivors, pairs, places, signatures, near_in(corpus.signatures), evidence)


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


class _Differing(NamedTuple):
    """Contents that fare otherwise than they did: how, if they are dropped, and those whose row goes."""

    came: Fates
    gone: Digests


def _fates_that_differ(tables: Lookups, settled: Settled, moved: Digests) -> _Differing:
    before = found_by.fates(tables.survivors, "content_digest", together(moved, settled.looked_at))
    now = settled.fates
    at = numbered(before.contents).places_of(now.contents)
    same = at >= 0
    there, own = before.at(at[same]), now.at(same)
    alike = _equal(there.kept, own.kept) & (there.exact == own.exact) & (there.jaccard == own.jaccard)
    same[same] = alike
    gone = np.ones(len(before.contents), np.bool_)
    gone[at[same]] = False
    return _Differing(now.at(~same), before.contents.at(gone))


def _equal(some: Digests, others: Digests) -> npt.NDArray[np.bool_]:
    same: npt.NDArray[np.bool_] = (some.high == others.high) & (some.low == others.low)
    return same


def _survivors(fates: Fates) -> pl.DataFrame:
    kind = pl.select(pl.when(pl.Series(fates.exact)).then(pl.lit("exact")).otherwise(pl.lit("near"))).to_series()
    columns = [names_of(fates.contents), names_of(fates.kept), kind, pl.Series(fates.jaccard)]
    return pl.DataFrame(dict(zip(SURVIVORS.names(), columns, strict=True)), schema=SURVIVORS)


def _pair_change(tables: Lookups, settled: Settled, moved: Digests) -> TableChange:
    """A pair goes with either content, when its kept one stays no longer, and when it was not found again."""
    again, lost = together(moved, settled.decided), together(moved, settled.fates.contents)
    of_own = found_by.pairs(tables.pairs, "content_digest", again)
    of_kept = found_by.pairs(tables.pairs, "kept_digest", lost)
    known = numbered(together(*of_own[:2], *of_kept[:2], *settled.pairs[:2]))

    def keys(pairs: Pairs) -> npt.NDArray[np.int64]:
        own, kept = (known.places_of(named).astype(np.int64) for named in pairs[:2])
        return own << 32 | kept

    before, first = np.unique(np.concatenate([keys(of_own), keys(of_kept)]), return_index=True)
    jaccard = np.concatenate([of_own.jaccard, of_kept.jaccard])[first]
    now = keys(settled.pairs)
    at = np.minimum(np.searchsorted(before, now), len(before) - 1)
    same = (before[at] == now) & (jaccard[at] == settled.pairs.jaccard) if len(before) else np.zeros(len(now), np.bool_)
    gone = np.ones(len(before), np.bool_)
    gone[at[same]] = False
    keys_gone = [names_of(known.digests.at(numbers)) for numbers in (before[gone] >> 32, before[gone] & 0xFFFFFFFF)]
    came = settled.pairs.at(~same)
    columns = [names_of(came.contents), names_of(came.kept), pl.Series(came.jaccard)]
    return TableChange(
        pl.DataFrame(dict(zip(PAIRS.names(), columns, strict=True)), schema=PAIRS),
        pl.DataFrame(dict(zip(KEYS[2], keys_gone, strict=True))),
    )


def _duplicate_change(
    tables: Lookups, fates: _Differing, source_order: Sequence[str], moved: Digests, documents: pl.Series
) -> TableChange:
    """The documents of contents that moved or fare otherwise, and of those for which one that moved stays."""
    followers = found_by.fates(tables.survivors, "kept_digest", moved).contents
    touched = together(moved, fates.came.contents, fates.gone, followers)
    standing = found_by.fates(tables.survivors, "content_digest", touched)
    standing = standing.at(numbered(fates.gone).places_of(standing.contents) < 0)
    survivors = pl.concat([_survivors(standing), _survivors(fates.came)])
    named = together(touched, standing.kept, fates.came.kept)
    table = tables.places("content_digest", asked(named), ("doc_id", "source", "locator", "content_digest"))
    at = digests_in(table["content_digest"])
    columns = {name: series(table[name]).cast(pl.String) for name in ("doc_id", "source", "locator")}
    places = pl.DataFrame(columns | {"content_digest": names_of(at)})
    own = places.get_column("doc_id").filter(pl.Series(numbered(touched).places_of(at) >= 0))
    rows = removed_documents(places, survivors, source_order)
    rows = rows.join(own.to_frame(), on="doc_id", how="semi")
    looked_at = pl.concat([own, documents]).unique()
    return _difference(rows, tables.duplicates("doc_id", looked_at), KEYS[0])


EMPTY = State(*(pl.DataFrame(schema=schema).lazy() for schema in (DUPLICATES, SURVIVORS, PAIRS)))
"""The state of an empty corpus."""
