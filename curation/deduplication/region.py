"""The part of a corpus that an update touches: read no further than decisions reach.

A region is the contents that share a band or a normalised text with one that is looked at again. It is decided in one
pass; where that lacks a text, or comes upon a content whose own neighbours are not in the region, the gap is filled and
the pass begins again, which costs milliseconds, for all that was measured is kept.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.band_index import BandIndex, band_index
from curation.deduplication.candidates import Corpus, Fetch, among, candidates
from curation.deduplication.forms import band_matrix
from curation.deduplication.ranking import ranked
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.shingles import ShingleSets, shingle_sets
from curation.deduplication.spilling import missing_text
from curation.deduplication.survivors import FORM, dropped_contents, named_pairs

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


class Settled(NamedTuple):
    """The contents that were decided, which of them are dropped (`SURVIVORS`), and all their pairs (`PAIRS`)."""

    decided: pl.Series
    survivors: pl.DataFrame
    pairs: pl.DataFrame


class _Before(NamedTuple):
    """What stood before: who stayed, what was measured, and which contents moved since."""

    survivors: pl.LazyFrame
    pairs: pl.LazyFrame
    moved: pl.Series
    dirty: pl.Series
    """Those to decide again from the start: the ones that moved, and those whose kept one did."""


class _Region(NamedTuple):
    """Contents in the order of the policy, their buckets (bands, then normalised text), members by bucket, and pairs."""

    contents: pl.DataFrame
    buckets: Indices
    bucket_starts: Ints
    bucket_members: Indices
    complete: Flags
    dirty: Flags
    kept: Indices
    known: npt.NDArray[np.uint64]
    known_similarity: npt.NDArray[np.float64]


class _Reading(NamedTuple):
    """The shingle sets that were read, and which of them each content has."""

    numbers: pl.DataFrame
    sets: ShingleSets


class _Pass(NamedTuple):
    """What a pass over a region came to: its arguments to the kernel that it fills, and the pairs."""

    dirty: Flags
    kept: Indices
    similarity: npt.NDArray[np.float64]
    unread: Flags
    unmet: Flags
    pairs: Indices
    jaccard: npt.NDArray[np.float64]


def settle(
    survivors: pl.LazyFrame, pairs: pl.LazyFrame, corpus: Corpus, moved: pl.Series, settings: DeduplicationSettings
) -> Settled:
    """Decide on the contents of the corpus that moved, on those whose kept one did, and on those that this touches."""
    orphans = survivors.filter(pl.col("kept_digest").is_in(moved.implode())).select("content_digest").collect()
    before = _Before(survivors, pairs, moved, pl.concat([moved, orphans.to_series()]).unique())
    index = band_index(corpus.signatures, settings.signature.bands)
    complete, reading = before.dirty, _NOTHING_READ
    while True:
        region = _region(index, corpus, before, complete, settings)
        reading, outcome = _decided(region, reading, corpus, settings)
        if not outcome.unmet.any():
            return _settled(region, outcome)
        unmet = region.contents.get_column("content_digest").filter(pl.Series(outcome.unmet))
        complete = pl.concat([complete, unmet]).unique()


_NOTHING_READ = _Reading(
    pl.DataFrame(schema={"content_digest": pl.String, "set": pl.Int32}),
    ShingleSets(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)),
)


def _region(
    index: BandIndex, corpus: Corpus, before: _Before, complete: pl.Series, settings: DeduplicationSettings
) -> _Region:
    names = pl.concat([index.sharing(complete), complete]).unique()
    local = ranked(candidates(corpus, settings.policy, names), settings.policy).with_row_index("at")
    buckets, n_buckets = _buckets(local, settings.signature.bands)
    at, column = np.nonzero(buckets >= 0)
    numbers = buckets[at, column]
    members = at[np.argsort(numbers, kind="stable")].astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=n_buckets))])
    digests = local.get_column("content_digest")
    is_complete, dirty = (digests.is_in(those.implode()).to_numpy() for those in (complete, before.dirty))
    return _Region(local, buckets, starts, members, is_complete, dirty, _kept(local, before), *_known(local, before))


def _buckets(local: pl.DataFrame, bands: int) -> tuple[Indices, int]:
    hashes, has_bands = band_matrix(local.get_column("bands"), bands)
    buckets = np.empty((len(local), bands + 1), np.int32)
    shared, same = np.empty(hashes.shape, np.int32), np.empty((len(local), 1), np.int32)
    n_buckets = pair_kernels.bucket_numbers(hashes, has_bands, shared)
    forms = local.select(form=FORM.rank("dense")).to_numpy().astype(np.uint32)
    n_forms = pair_kernels.bucket_numbers(np.ascontiguousarray(forms), np.ones(len(local), np.bool_), same)
    buckets[:, :-1], buckets[:, -1:] = shared, np.where(same >= 0, same + n_buckets, -1)
    return buckets, n_buckets + n_forms


def _kept(local: pl.DataFrame, before: _Before) -> Indices:
    """Who stayed in the stead of each: its place here, -1 for itself, -2 for one that is not here, or none yet."""
    digests = local.get_column("content_digest")
    fates = among(before.survivors.select("content_digest", "kept_digest"), digests).collect()
    places = local.select(pl.col("content_digest").alias("kept_digest"), there=pl.col("at").cast(pl.Int32))
    joined = local.join(fates, on="content_digest", how="left", maintain_order="left")
    joined = joined.join(places, on="kept_digest", how="left", maintain_order="left")
    kept = joined.select(
        pl.when(pl.col("content_digest").is_in(before.moved.implode()))
        .then(-2)
        .when(pl.col("kept_digest").is_null())
        .then(-1)
        .otherwise(pl.col("there").fill_null(-2))
        .cast(pl.Int32)
    )
    return kept.to_series().to_numpy().copy()


def _known(local: pl.DataFrame, before: _Before) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    places = local.select("content_digest", pl.col("at").cast(pl.UInt64))
    digests = local.get_column("content_digest").implode()
    here = pl.col("content_digest").is_in(digests) & pl.col("kept_digest").is_in(digests)
    known = before.pairs.filter(here).collect().join(places, on="content_digest")
    named = known.join(places, left_on="kept_digest", right_on="content_digest")
    keyed = named.select("jaccard", key=pl.col("at") * 2**32 + pl.col("at_right")).sort("key")
    return keyed.get_column("key").to_numpy(), keyed.get_column("jaccard").to_numpy()


def _decided(
    region: _Region, reading: _Reading, corpus: Corpus, settings: DeduplicationSettings
) -> tuple[_Reading, _Pass]:
    """A pass that lacks no text, and what had to be read for it."""
    wanted = _surely_compared(region)
    while True:
        reading = _read(reading, region.contents.get_column("content_digest").filter(wanted), corpus, settings)
        sets = _sets_of(region, reading)
        outcome = _pass(region, reading.sets, sets, settings.threshold)
        wanted = pl.Series(outcome.unread & (sets < 0))
        if not wanted.any():
            return reading, outcome


def _surely_compared(region: _Region) -> pl.Series:
    """Those to decide that are the first of their form and share a band, and the kept ones that they share it with.

    A guess that saves reading in two steps: what else a pass lacks, it says.
    """
    first = region.contents.select(FORM.is_first_distinct()).to_series().to_numpy()
    bands = region.buckets[:, :-1]
    own = region.dirty & first & (bands >= 0).any(axis=1)
    shared = np.zeros(len(region.bucket_starts), np.bool_)
    shared[bands[own].ravel()] = True
    shared[-1] = False  # where the -1 of no bucket fell
    return pl.Series(own | ((region.kept == -1) & shared[bands].any(axis=1)))


def _read(reading: _Reading, digests: pl.Series, corpus: Corpus, settings: DeduplicationSettings) -> _Reading:
    """With the shingle sets of these contents read, too."""
    digests = digests.filter(~digests.is_in(reading.numbers.get_column("content_digest").implode()))
    if digests.is_empty():
        return reading
    hashes, starts, sizes = shingle_sets(_texts(corpus.fetch, digests).to_arrow(), settings.signature)
    before = reading.sets
    new = np.arange(len(before.starts), len(before.starts) + len(digests), dtype=np.int32)
    joined = ShingleSets(
        np.concatenate([before.hashes, hashes]),
        np.concatenate([before.starts, starts + len(before.hashes)]),
        np.concatenate([before.sizes, sizes]),
    )
    numbers = pl.DataFrame({"content_digest": digests, "set": new})
    return _Reading(pl.concat([reading.numbers, numbers]), joined)


def _texts(fetch: Fetch, digests: pl.Series) -> pl.Series:
    """The texts of contents, in their order."""
    names = digests.alias("content_digest").to_frame()
    rows = pl.concat([names.head(0).with_columns(text=pl.lit(None, pl.String)), *fetch(digests)])
    found = names.join(rows.with_columns(found=True), on="content_digest", how="left", maintain_order="left")
    if found.get_column("found").null_count():
        raise missing_text(found.filter(pl.col("found").is_null()).item(0, "content_digest"))
    return found.get_column("text")


def _sets_of(region: _Region, reading: _Reading) -> Indices:
    """The number of each content's shingle set, -1 where it was not read."""
    digests = region.contents.select("content_digest")
    numbers = digests.join(reading.numbers, on="content_digest", how="left", maintain_order="left")
    return numbers.get_column("set").fill_null(-1).to_numpy()


def _pass(region: _Region, sets: ShingleSets, set_of: Indices, threshold: float) -> _Pass:
    n = len(region.kept)
    dirty, kept, similarity = region.dirty.copy(), region.kept.copy(), np.zeros(n)
    unread, unmet = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    pairs, jaccard = pair_kernels.repair(
        region.buckets,
        region.bucket_starts,
        region.bucket_members,
        region.complete,
        region.known,
        region.known_similarity,
        set_of,
        sets.starts,
        sets.sizes,
        sets.hashes,
        threshold,
        region.kept == -1,
        dirty,
        kept,
        similarity,
        unread,
        unmet,
    )
    return _Pass(dirty, kept, similarity, unread, unmet, pairs, jaccard)


def _settled(region: _Region, outcome: _Pass) -> Settled:
    decided = region.contents.get_column("content_digest").filter(pl.Series(outcome.dirty))
    kept = np.where(outcome.dirty, outcome.kept, -1)
    survivors = dropped_contents(region.contents, kept, outcome.similarity)
    return Settled(decided, survivors, named_pairs(region.contents, outcome.pairs, outcome.jaccard))
