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
from curation.deduplication.election import Fetch, fetch_texts
from curation.deduplication.forms import band_matrix
from curation.deduplication.ranking import ranked
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.shingles import ShingleSets, shingle_sets
from curation.deduplication.survivors import named_pairs, with_fates

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


class Settled(NamedTuple):
    """The contents that were decided (`SURVIVORS`), and all their pairs (`PAIRS`)."""

    survivors: pl.DataFrame
    pairs: pl.DataFrame


class _Region(NamedTuple):
    """Contents in the order of the policy, their buckets (bands, then normalised text), members by bucket, and pairs."""

    contents: pl.DataFrame
    rows: Ints
    buckets: Indices
    bucket_starts: Ints
    bucket_members: Indices
    known: npt.NDArray[np.uint64]
    known_similarity: npt.NDArray[np.float64]
    kept: Indices


class _Reading(NamedTuple):
    """The shingle sets that were read, and which of them each content has (-1: none yet)."""

    set_of: Indices
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


def settle(contents: pl.DataFrame, known: pl.DataFrame, fetch: Fetch, settings: DeduplicationSettings) -> Settled:
    """Decide on those of the contents that are `dirty`, and those that this touches.

    `contents` is `SURVIVORS` with the flags `dirty` and `new` (never decided before), `known` is `PAIRS`.
    """
    bands, has_bands = band_matrix(contents.get_column("bands"), settings.signature.bands)
    complete = contents.get_column("dirty").to_numpy().copy()
    nothing = ShingleSets(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
    reading = _Reading(np.full(len(contents), -1, np.int32), nothing)
    while True:
        region = _region(contents, _sharing(contents, bands, has_bands, complete), bands, has_bands, known, settings)
        company = (region.buckets[:, :-1] >= 0).any(axis=1)
        wanted = region.rows[company & region.contents.get_column("dirty").to_numpy()]
        while len(wanted):
            reading = _read(reading, wanted, contents, fetch, settings)
            outcome = _decide(region, reading, complete, settings.threshold)
            wanted = region.rows[outcome.unread & (reading.set_of[region.rows] < 0)]
        outcome = _decide(region, reading, complete, settings.threshold)
        if not outcome.unmet.any():
            return _settled(region, outcome)
        complete[region.rows[outcome.unmet]] = True


def _sharing(contents: pl.DataFrame, bands: npt.NDArray[np.uint32], has_bands: Flags, of: Flags) -> Ints:
    """The contents that share a band or a normalised text with one of these."""
    sharing = of.copy()
    pair_kernels.mark_sharing(bands[of & has_bands], bands, has_bands, sharing)
    form = contents.select(form=pl.coalesce("normal_digest", "content_digest")).get_column("form")
    sharing |= form.is_in(form.filter(pl.Series(of)).unique().implode()).to_numpy()
    return np.flatnonzero(sharing).astype(np.int64)


def _region(
    contents: pl.DataFrame,
    rows: Ints,
    bands: npt.NDArray[np.uint32],
    has_bands: Flags,
    known: pl.DataFrame,
    settings: DeduplicationSettings,
) -> _Region:
    local = ranked(contents[rows].with_columns(row=pl.Series(rows)), settings.policy).with_row_index("at")
    rows = local.get_column("row").to_numpy()
    buckets, n_buckets = _buckets(local, bands[rows], has_bands[rows])
    at, band = np.nonzero(buckets >= 0)
    numbers = buckets[at, band]
    members = at[np.argsort(numbers, kind="stable")].astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=n_buckets))])
    keys, similarity = _known(local, known)
    return _Region(local, rows, buckets, starts, members, keys, similarity, _kept(local))


def _buckets(local: pl.DataFrame, bands: npt.NDArray[np.uint32], has_bands: Flags) -> tuple[Indices, int]:
    buckets = np.empty((len(bands), bands.shape[1] + 1), np.int32)
    shared, same = np.empty(bands.shape, np.int32), np.empty((len(bands), 1), np.int32)
    n_buckets = pair_kernels.bucket_numbers(bands, has_bands, shared)
    forms = local.select(form=pl.coalesce("normal_digest", "content_digest").rank("dense")).to_numpy().astype(np.uint32)
    n_forms = pair_kernels.bucket_numbers(np.ascontiguousarray(forms), np.ones(len(bands), np.bool_), same)
    buckets[:, :-1], buckets[:, -1:] = shared, np.where(same >= 0, same + n_buckets, -1)
    return buckets, n_buckets + n_forms


def _known(local: pl.DataFrame, known: pl.DataFrame) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    places = local.select("content_digest", pl.col("at").cast(pl.UInt64))
    named = known.join(places, on="content_digest").join(places, left_on="kept_digest", right_on="content_digest")
    keyed = named.select("jaccard", key=pl.col("at") * 2**32 + pl.col("at_right")).sort("key")
    return keyed.get_column("key").to_numpy(), keyed.get_column("jaccard").to_numpy()


def _kept(local: pl.DataFrame) -> Indices:
    """Who stayed in the stead of each: its place here, -1 for itself, -2 for one that is not here, or none yet."""
    places = local.select(pl.col("content_digest").alias("kept_digest"), there=pl.col("at").cast(pl.Int32))
    joined = local.join(places, on="kept_digest", how="left", maintain_order="left")
    itself = pl.col("kept_digest").is_null() & ~pl.col("new")
    kept = joined.select(pl.when(itself).then(-1).otherwise(pl.col("there").fill_null(-2)).cast(pl.Int32))
    return kept.to_series().to_numpy().copy()


def _read(
    reading: _Reading, rows: Ints, contents: pl.DataFrame, fetch: Fetch, settings: DeduplicationSettings
) -> _Reading:
    """With the shingle sets of these contents read, too."""
    rows = rows[reading.set_of[rows] < 0]
    texts = fetch_texts(fetch, contents.get_column("content_digest").gather(rows))
    hashes, starts, sizes = shingle_sets(texts.to_arrow(), settings.signature)
    before = reading.sets
    reading.set_of[rows] = np.arange(len(before.starts), len(before.starts) + len(rows))
    joined = ShingleSets(
        np.concatenate([before.hashes, hashes]),
        np.concatenate([before.starts, starts + len(before.hashes)]),
        np.concatenate([before.sizes, sizes]),
    )
    return _Reading(reading.set_of, joined)


def _decide(region: _Region, reading: _Reading, complete: Flags, threshold: float) -> _Pass:
    n = len(region.rows)
    dirty = region.contents.get_column("dirty").to_numpy().copy()
    kept, similarity = region.kept.copy(), np.zeros(n)
    unread, unmet = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    pairs, jaccard = pair_kernels.repair(
        region.buckets,
        region.bucket_starts,
        region.bucket_members,
        complete[region.rows],
        region.known,
        region.known_similarity,
        reading.set_of[region.rows],
        reading.sets.starts,
        reading.sets.sizes,
        reading.sets.hashes,
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
    decided = pl.Series(outcome.dirty)
    fates = with_fates(region.contents, outcome.kept, outcome.similarity).filter(decided)
    return Settled(fates, named_pairs(region.contents, outcome.pairs, outcome.jaccard))
