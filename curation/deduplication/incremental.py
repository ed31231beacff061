"""Deduplication kept up to date: what came and what went to changes of who stays, at the cost of what it touches.

Any schedule of updates gives what `elect` gives for the whole, because a decision depends only on the contents before it
in the order of the policy. So the contents that came, and those whose kept one went, are decided again in that order;
one that is now kept makes those behind it that share a band be looked at again, one that no longer is, those that it
stood for. Similarities that were measured stand in `pairs` and are not measured again; texts are fetched by digest, and
only where a similarity is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from curation.deduplication.election import Fetch, elect
from curation.deduplication.ranking import ranked
from curation.deduplication.region import Settled, settle
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import CANDIDATES, PAIRS, SURVIVORS, named_pairs, with_fates
from records import Progress, silent


class TableChange(NamedTuple):
    """Rows that come to a table, and the keys of rows that go before (a changed row does both)."""

    added: pl.DataFrame
    removed: pl.DataFrame


class SurvivorState(NamedTuple):
    """Who stays (`SURVIVORS`, by content_digest), and what was measured (`PAIRS`, by content_digest and kept_digest)."""

    survivors: pl.DataFrame
    pairs: pl.DataFrame


class SurvivorChanges(NamedTuple):
    """What an update does to either table."""

    survivors: TableChange
    pairs: TableChange


EMPTY = SurvivorState(pl.DataFrame(schema=SURVIVORS), pl.DataFrame(schema=PAIRS))
"""The state before any content came."""


def update_survivors(
    state: SurvivorState,
    added: pl.DataFrame,
    removed: pl.DataFrame,
    fetch: Fetch,
    settings: DeduplicationSettings,
    progress: Progress = silent,
) -> SurvivorChanges:
    """The changes that make of a state that of the same contents without `removed` and with `added`.

    `added` has the columns of `CANDIDATES`, `removed` has content_digest; a content whose rank changed stands in both.
    Raises ValueError for an added content that the state has and keeps.
    """
    gone = removed.select("content_digest").unique()
    standing = state.survivors.join(gone, on="content_digest", how="anti")
    new = added.select(CANDIDATES.names()).cast(CANDIDATES)
    twice = new.join(standing, on="content_digest", how="semi")
    if len(twice):
        raise ValueError(
            f"content {twice.item(0, 'content_digest')} is added but there already; remove it in the same update"
        )
    settled = _settled(standing, new, state.pairs, gone, fetch, settings, progress)
    return SurvivorChanges(_survivor_change(state, settled, gone), _pair_change(state, settled, gone))


def _settled(
    standing: pl.DataFrame,
    new: pl.DataFrame,
    pairs: pl.DataFrame,
    gone: pl.DataFrame,
    fetch: Fetch,
    settings: DeduplicationSettings,
    progress: Progress,
) -> Settled:
    if standing.is_empty():
        order = ranked(new, settings.policy)
        election = elect(order, fetch, settings, progress)
        fates = with_fates(order, election.kept, election.similarity)
        return Settled(fates, named_pairs(order, election.pairs, election.jaccard))
    orphaned = pl.col("kept_digest").is_in(gone.get_column("content_digest").implode()).fill_null(False)
    came = new.with_columns(
        pl.lit(None, pl.String).alias("kept_digest"), jaccard=pl.lit(None, pl.Float64), dirty=True, new=True
    )
    contents = pl.concat([standing.with_columns(dirty=orphaned, new=False), came])
    if not contents.get_column("dirty").any():
        return Settled(EMPTY.survivors, EMPTY.pairs)
    known = pairs.join(gone, on="content_digest", how="anti")
    known = known.join(gone, left_on="kept_digest", right_on="content_digest", how="anti")
    return settle(contents, known, fetch, settings)


def _survivor_change(state: SurvivorState, settled: Settled, gone: pl.DataFrame) -> TableChange:
    """Only rows that are not what they were."""
    as_before = settled.survivors.join(state.survivors, on=SURVIVORS.names(), how="semi", nulls_equal=True)
    changed = settled.survivors.join(as_before, on="content_digest", how="anti")
    decided = pl.concat([gone, settled.survivors.select("content_digest")]).unique()
    went = decided.join(as_before, on="content_digest", how="anti")
    return TableChange(changed, went.join(state.survivors, on="content_digest", how="semi"))


def _pair_change(state: SurvivorState, settled: Settled, gone: pl.DataFrame) -> TableChange:
    """A pair goes with either content, when its kept one stays no longer, and when it was not found again."""
    fallen = settled.survivors.filter(pl.col("kept_digest").is_not_null()).select("content_digest")
    lost = pl.concat([gone, fallen]).get_column("content_digest").unique().implode()
    again = (
        pl.concat([gone, settled.survivors.select("content_digest")]).get_column("content_digest").unique().implode()
    )
    touched = state.pairs.filter(pl.col("kept_digest").is_in(lost) | pl.col("content_digest").is_in(again))
    keys = ["content_digest", "kept_digest"]
    came = settled.pairs.join(touched, on=PAIRS.names(), how="anti")
    return TableChange(came, touched.join(settled.pairs, on=PAIRS.names(), how="anti").select(keys))
