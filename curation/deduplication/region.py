"""The part of a corpus that an update touches: read no further than decisions reach.

A region is the contents that share a band or a normalised text with one that is looked at again, and those that stay in
the stead of one of these. It is decided in one pass; where that lacks a text, or comes upon a content whose own
neighbours are not in the region, the gap is filled and the pass begins again, which costs milliseconds, for all that was
measured is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.candidates import SIGNATURE, Corpus, Fetch, candidates
from curation.deduplication.forms import band_matrix
from curation.deduplication.lookups import Lookups
from curation.deduplication.ranking import ranked
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.shingles import ShingleSets, shingle_sets
from curation.deduplication.spilling import missing_text
from curation.deduplication.survivors import FORM, PAIRS, dropped_contents, named_pairs

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


class Settled(NamedTuple):
    """What was decided: `SURVIVORS` of the contents that were looked at, and `PAIRS`.

    `decided` are those of which all pairs are here; the others that were looked at were only compared with newly kept ones.
    """

    decided: pl.Series
    looked_at: pl.Series
    survivors: pl.DataFrame
    pairs: pl.DataFrame


class _Before(NamedTuple):
    """Which contents moved, and those to decide again from the start: the ones that moved, and whose kept one did."""

    moved: pl.Series
    dirty: pl.Series


class _Region(NamedTuple):
    """Contents in the order of the policy, their buckets (bands, then normalised text), members by bucket, and what was
    known: who stayed in the stead of each, how similar that was, and the pairs."""

    contents: pl.DataFrame
    buckets: Indices
    bucket_starts: Ints
    bucket_members: Indices
    complete: Flags
    dirty: Flags
    kept: Indices
    similarity: npt.NDArray[np.float64]
    known: npt.NDArray[np.uint64]
    known_similarity: npt.NDArray[np.float64]


class _Reading(NamedTuple):
    """The shingle sets that were read, and which of them each content has."""

    numbers: pl.DataFrame
    sets: ShingleSets


class _Pass(NamedTuple):
    """What a pass over a region came to: its arguments to the kernel that it fills, and the pairs."""

    dirty: Flags
    touched: Flags
    kept: Indices
    similarity: npt.NDArray[np.float64]
    unread: Flags
    unmet: Flags
    pairs: Indices
    jaccard: npt.NDArray[np.float64]


def settle(
    tables: Lookups, source_order: Sequence[str], fetch: Fetch, moved: pl.Series, settings: DeduplicationSettings
) -> Settled:
    """Decide on the contents of the corpus that moved, on those whose kept one did, and on those that this touches."""
    before = _Before(moved, _with_orphans(tables, moved))
    gathered = _gathered(tables, _NOTHING_GATHERED, before.dirty, before)
    reading = _NOTHING_READ
    region: _Region | None = None
    while True:
        region = _region(gathered, source_order, fetch, before, settings, region)
        reading, region, outcome = _decided(region, reading, fetch, settings)
        if not outcome.unmet.any():
            return _settled(region, outcome)
        unmet = region.contents.get_column("content_digest").filter(pl.Series(outcome.unmet))
        measured = named_pairs(region.contents, outcome.pairs, outcome.jaccard)
        last = gathered._replace(pairs=pl.concat([gathered.pairs.select(PAIRS.names()), measured]))
        gathered = _gathered(tables, last, _with_orphans(tables, unmet), before)
        is_grown = len(gathered.signatures) > len(last.signatures) or len(gathered.places) > len(last.places)
        region = None if is_grown else region


def _with_orphans(tables: Lookups, contents: pl.Series) -> pl.Series:
    """These contents, and those in whose stead one of them stays."""
    orphans = tables.survivors("kept_digest", contents).get_column("content_digest")
    return pl.concat([contents, orphans]).unique()


_NOTHING_READ = _Reading(
    pl.DataFrame(schema={"content_digest": pl.String, "set": pl.Int32}),
    ShingleSets(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64)),
)


class _Gathered(NamedTuple):
    """The rows of the tables that a region is made of, and the contents whose neighbours are all among them.

    signatures: of those contents, of those that share a band or a normalised text with one, and of those that stay in the
    stead of any; for all of them who stays (fates), their places and evidence. pairs: those that may be asked for, of
    the contents that are compared with all kept ones, and with one that moved.
    """

    complete: pl.Series
    signatures: pl.DataFrame
    fates: pl.DataFrame
    places: pl.DataFrame
    pairs: pl.DataFrame
    evidence: dict[str, pl.DataFrame]


_NOTHING_GATHERED = _Gathered(
    pl.Series(dtype=pl.String),
    pl.DataFrame(schema=SIGNATURE),
    pl.DataFrame(),
    pl.DataFrame(),
    pl.DataFrame(),
    {},
)


def _gathered(tables: Lookups, known: _Gathered, contents: pl.Series, before: _Before) -> _Gathered:
    """What is known, with what these contents ask for."""
    fresh = contents.filter(~contents.is_in(known.complete.implode()))
    own = tables.signatures("content_digest", fresh)
    forms = own.get_column("normal_digest").drop_nulls().unique()
    alike = [own, tables.signatures("bands", own.get_column("bands")), tables.signatures("normal_digest", forms)]
    found = pl.concat([known.signatures, *(rows.select(SIGNATURE.keys()) for rows in alike)])
    found = found.unique("content_digest", maintain_order=True)
    new = pl.concat([found.slice(len(known.signatures)).get_column("content_digest"), fresh]).unique()
    fates = tables.survivors("content_digest", new)
    others = fates.join(found, left_on="kept_digest", right_on="content_digest", how="anti")
    kept = others.get_column("kept_digest").unique()
    found = pl.concat([found, tables.signatures("content_digest", kept).select(SIGNATURE.keys())])
    named = pl.concat([new, kept]).unique()
    pairs = [tables.pairs("content_digest", fresh).select(PAIRS.names())]
    if not len(known.complete):
        pairs.append(tables.pairs("kept_digest", before.moved).select(PAIRS.names()))
    return _Gathered(
        pl.concat([known.complete, fresh]),
        found,
        _joined(known.fates, fates),
        _joined(known.places, tables.places("content_digest", named)),
        _joined(known.pairs, *pairs),
        {
            name: _joined(known.evidence.get(name, pl.DataFrame()), among("content_digest", named))
            for name, among in tables.evidence.items()
        },
    )


def _joined(known: pl.DataFrame, *new: pl.DataFrame) -> pl.DataFrame:
    """Distinct rows."""
    return pl.concat([*([known] if known.width else []), *new]).unique()


def _region(
    gathered: _Gathered,
    source_order: Sequence[str],
    fetch: Fetch,
    before: _Before,
    settings: DeduplicationSettings,
    last: _Region | None,
) -> _Region:
    """The region of what was gathered; most of it is that of `last`, if no content came since."""
    if last is not None:
        complete = last.contents.get_column("content_digest").is_in(gathered.complete.implode()).to_numpy()
        pairs = _known(last.contents, gathered.pairs)
        return last._replace(complete=complete, known=pairs[0], known_similarity=pairs[1])
    evidence = {name: rows.lazy() for name, rows in gathered.evidence.items()}
    corpus = Corpus(gathered.places.lazy(), gathered.signatures.lazy(), source_order, fetch, evidence)
    local = ranked(candidates(corpus, settings.policy), settings.policy).with_row_index("at")
    buckets, n_buckets = _buckets(local, settings.signature.bands)
    at, column = np.nonzero(buckets >= 0)
    numbers = buckets[at, column]
    members = at[np.argsort(numbers, kind="stable")].astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, minlength=n_buckets))])
    digests = local.get_column("content_digest")
    complete, dirty = (digests.is_in(those.implode()).to_numpy() for those in (gathered.complete, before.dirty))
    fates, known = _fates(local, gathered.fates, before), _known(local, gathered.pairs)
    return _Region(local, buckets, starts, members, complete, dirty, *fates, *known)


def _buckets(local: pl.DataFrame, bands: int) -> tuple[Indices, int]:
    hashes, has_bands = band_matrix(local.get_column("bands"), bands)
    buckets = np.empty((len(local), bands + 1), np.int32)
    shared, same = np.empty(hashes.shape, np.int32), np.empty((len(local), 1), np.int32)
    n_buckets = pair_kernels.bucket_numbers(hashes, has_bands, shared)
    forms = local.select(form=FORM.rank("dense")).to_numpy().astype(np.uint32)
    n_forms = pair_kernels.bucket_numbers(np.ascontiguousarray(forms), np.ones(len(local), np.bool_), same)
    buckets[:, :-1], buckets[:, -1:] = shared, np.where(same >= 0, same + n_buckets, -1)
    return buckets, n_buckets + n_forms


def _fates(local: pl.DataFrame, fates: pl.DataFrame, before: _Before) -> tuple[Indices, npt.NDArray[np.float64]]:
    """Who stayed in the stead of each, and how similar: its place here, -1 for itself, -2 for one that is gone, or none yet."""
    places = local.select(pl.col("content_digest").alias("kept_digest"), there=pl.col("at").cast(pl.Int32))
    joined = local.select("content_digest").join(fates, on="content_digest", how="left", maintain_order="left")
    joined = joined.join(places, on="kept_digest", how="left", maintain_order="left")
    known = joined.select(
        pl.when(pl.col("content_digest").is_in(before.moved.implode()))
        .then(-2)
        .when(pl.col("kept_digest").is_null())
        .then(-1)
        .otherwise(pl.col("there").fill_null(-2))
        .cast(pl.Int32)
        .alias("kept"),
        pl.col("jaccard").fill_null(0.0),
    )
    return known.get_column("kept").to_numpy().copy(), known.get_column("jaccard").to_numpy().copy()


def _known(local: pl.DataFrame, pairs: pl.DataFrame) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """The pairs of contents that are here, by their places."""
    places = local.select("content_digest", pl.col("at").cast(pl.UInt64))
    known = pairs.join(places, on="content_digest")
    named = known.join(places, left_on="kept_digest", right_on="content_digest")
    keyed = named.select("jaccard", key=pl.col("at") * 2**32 + pl.col("at_right")).sort("key")
    return keyed.get_column("key").to_numpy().copy(), keyed.get_column("jaccard").to_numpy().copy()


def _decided(
    region: _Region, reading: _Reading, fetch: Fetch, settings: DeduplicationSettings
) -> tuple[_Reading, _Region, _Pass]:
    """A pass that lacks no text, what had to be read for it, and the region with what was measured on the way."""
    wanted = _surely_compared(region)
    while True:
        reading = _read(reading, region.contents.get_column("content_digest").filter(wanted), fetch, settings)
        sets = _sets_of(region, reading)
        outcome = _pass(region, reading.sets, sets, settings.threshold)
        wanted = pl.Series(outcome.unread & (sets < 0))
        if not wanted.any():
            return reading, region, outcome
        region = _with_measured(region, outcome)


def _with_measured(region: _Region, outcome: _Pass) -> _Region:
    pairs = outcome.pairs.astype(np.uint64)
    keys = np.concatenate([region.known, (pairs[:, 0] << np.uint64(32)) | pairs[:, 1]])
    known, first = np.unique(keys, return_index=True)
    similarity = np.concatenate([region.known_similarity, outcome.jaccard])[first]
    return region._replace(known=known, known_similarity=similarity)


def _surely_compared(region: _Region) -> pl.Series:
    """Those to decide that are the first of their form and share a band, and those that share it with them, as kept ones
    before or as near ones behind them.

    A guess that saves reading in two steps: what else a pass lacks, it says.
    """
    first = region.contents.select(FORM.is_first_distinct()).to_series().to_numpy()
    bands, forms = region.buckets[:, :-1], region.buckets[:, -1]
    own = region.dirty & first & (bands >= 0).any(axis=1)
    earliest = np.full(len(region.bucket_starts), len(own), np.int64)
    rows, columns = np.nonzero(bands[own] >= 0)
    np.minimum.at(earliest, bands[own][rows, columns], np.flatnonzero(own)[rows])
    earliest[-1] = len(own)  # where the -1 of no bucket falls
    before = earliest[bands].min(axis=1, initial=len(own))
    exact = (region.kept >= 0) & (forms >= 0) & (forms[region.kept.clip(0)] == forms)
    behind = (before < np.arange(len(own))) & (region.kept >= -1) & ~exact
    return pl.Series(own | behind | ((region.kept == -1) & (before < len(own))))


def _read(reading: _Reading, digests: pl.Series, fetch: Fetch, settings: DeduplicationSettings) -> _Reading:
    """With the shingle sets of these contents read, too."""
    digests = digests.filter(~digests.is_in(reading.numbers.get_column("content_digest").implode()))
    if digests.is_empty():
        return reading
    hashes, starts, sizes = shingle_sets(_texts(fetch, digests).to_arrow(), settings.signature)
    before = reading.sets
    used = int((before.starts + before.sizes).max(initial=0))
    new = np.arange(len(before.starts), len(before.starts) + len(digests), dtype=np.int32)
    joined = ShingleSets(
        _appended(before.hashes, used, hashes),
        np.concatenate([before.starts, starts + used]),
        np.concatenate([before.sizes, sizes]),
    )
    numbers = pl.DataFrame({"content_digest": digests, "set": new})
    return _Reading(pl.concat([reading.numbers, numbers]), joined)


def _appended(hashes: npt.NDArray[np.uint64], used: int, new: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The first `used` hashes with the new ones behind, in place where there is room: what is read later is little."""
    if not used:
        return new
    end = used + len(new)
    if len(hashes) < end:
        hashes = np.concatenate([hashes[:used], np.empty(len(new) + used // 4, np.uint64)])
    hashes[used:end] = new
    return hashes


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
    dirty, kept, similarity = region.dirty.copy(), region.kept.copy(), region.similarity.copy()
    touched = np.zeros(n, np.bool_)
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
        touched,
        kept,
        similarity,
        unread,
        unmet,
    )
    return _Pass(dirty, touched, kept, similarity, unread, unmet, pairs, jaccard)


def _settled(region: _Region, outcome: _Pass) -> Settled:
    digests, looked_at = region.contents.get_column("content_digest"), outcome.dirty | outcome.touched
    kept = np.where(looked_at, outcome.kept, -1)
    survivors = dropped_contents(region.contents, kept, outcome.similarity)
    pairs = named_pairs(region.contents, outcome.pairs, outcome.jaccard)
    return Settled(digests.filter(pl.Series(outcome.dirty)), digests.filter(pl.Series(looked_at)), survivors, pairs)
