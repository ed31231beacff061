"""The part of a corpus that an update touches: read no further than decisions reach.

A region (`gathering.py`) is decided in one pass; where that lacks a text, or comes upon a content whose own neighbours are
not in the region, the gap is filled and the pass begins again, which costs milliseconds, for all that was measured is kept.
All of it is numbers: contents are numbered as they come, and once more in the order of the policy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.deduplication import lookups, pair_kernels, region_kernels
from curation.deduplication.digest_index import slots_for
from curation.deduplication.gathering import Gathered, Gatherer, forms_in, in_order, nothing_gathered
from curation.deduplication.lookups import Fates, Lookups, Pairs, Texts, together
from curation.deduplication.numbering import NO_DIGESTS, Digests, names_of, numbered
from curation.deduplication.region_kernels import Known
from curation.deduplication.settings import DeduplicationSettings, SignatureSettings
from curation.deduplication.shingles import GrowingSets, ShingleSets
from curation.deduplication.spilling import missing_text

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Keys = npt.NDArray[np.uint64]
_HALF = np.uint64(32)


class Settled(NamedTuple):
    """What was decided: who stays in the stead of those that were looked at and are dropped, and the pairs.

    `decided` are those of which all pairs are here; the others that were looked at were only compared with newly kept ones.
    """

    decided: Digests
    looked_at: Digests
    fates: Fates
    pairs: Pairs


class _Before(NamedTuple):
    """Which contents moved, and those to decide again from the start: the ones that moved, and whose kept one did."""

    moved: Digests
    dirty: Digests


class _Region(NamedTuple):
    """Contents in the order of the policy, as numbers of what was gathered, their forms, odd sketches and at most how many
    shingles they have, their buckets (bands, then forms),
    members by bucket, and what was known: who stayed in the stead of each, how similar that was, which were compared with
    all that were kept before them, and the pairs."""

    order: Indices
    forms: Indices
    is_first: Flags
    odd: Keys
    n_shingles: Ints
    buckets: Indices
    bucket_starts: Ints
    bucket_members: Indices
    complete: Flags
    paired: Flags
    followed: Flags
    dirty: Flags
    kept: Indices
    similarity: Floats
    compared: Flags
    known: Known


class _Measured(NamedTuple):
    """Pairs that were measured here, by the numbers under which their contents were gathered."""

    contents: Indices
    kept: Indices
    jaccard: Floats


class _Pass(NamedTuple):
    """What a pass over a region came to: its arguments to the kernel that it fills, and the pairs."""

    dirty: Flags
    touched: Flags
    kept: Indices
    similarity: Floats
    unread: Flags
    unmet: Flags
    pairs: Indices
    jaccard: Floats


class _Reading:
    """The shingle sets that were read, and which of them each content has, by the number under which it was gathered."""

    def __init__(self) -> None:
        self.set_of: Indices = _NO_NUMBERS
        self._growing = GrowingSets()
        self.sets = self._growing.sets()

    def read(self, gathered: Gathered, numbers: Indices, texts: Texts, settings: SignatureSettings) -> None:
        """Read the shingle sets of these contents, too."""
        unread = np.full(len(gathered) - len(self.set_of), -1, np.int32)
        self.set_of = np.concatenate([self.set_of, unread])
        numbers = numbers[self.set_of[numbers] < 0]
        if not len(numbers):
            return
        wanted = gathered.contents.at(numbers)
        index = numbered(wanted)
        for names, column in texts(wanted):
            begin = len(self._growing)
            self._growing.add(column, settings)
            self.set_of[numbers[index.places_of(names)]] = np.arange(begin, len(self._growing), dtype=np.int32)
        missing = np.flatnonzero(self.set_of[numbers] < 0)
        if len(missing):
            raise missing_text(names_of(wanted.at(missing[:1]))[0])
        self.sets = self._growing.sets()


_NO_NUMBERS, _NO_KEYS = np.empty(0, np.int32), np.empty(0, np.uint64)


def settle(
    tables: Lookups, source_order: Sequence[str], texts: Texts, moved: Digests, settings: DeduplicationSettings
) -> Settled:
    """Decide on the contents of the corpus that moved, on those whose kept one did, and on those that this touches."""
    gatherer = Gatherer(tables, source_order, settings)
    before = _Before(moved, _with_orphans(tables, moved))
    gathered = gatherer.with_all_around(nothing_gathered(settings.signature.bands), before.dirty, moved)
    reading, measured = _Reading(), _NOTHING_MEASURED
    region = _region(gathered, before, settings)
    while True:
        region = _with_known(region, gathered, measured)
        region, outcome = _decided(region, gathered, reading, texts, settings)
        if not outcome.unmet.any():
            return _settled(region, gathered, outcome)
        unmet = gathered.contents.at(region.order[outcome.unmet])
        pairs = region.order[outcome.pairs]
        measured = _Measured(pairs[:, 0], pairs[:, 1], outcome.jaccard)
        last = gathered
        gathered = gatherer.with_all_around(last, _with_orphans(tables, unmet), NO_DIGESTS)
        if len(gathered) > len(last):
            region = _region(gathered, before, settings)
        complete, paired, followed = _at_hand(gathered, region.order)
        region = region._replace(complete=complete, paired=paired, followed=followed)


def _with_orphans(tables: Lookups, contents: Digests) -> Digests:
    """These contents, and those in whose stead one of them stays."""
    return together(contents, lookups.fates(tables.survivors, "kept_digest", contents).contents)


_NOTHING_MEASURED = _Measured(_NO_NUMBERS, _NO_NUMBERS, np.empty(0))


def _region(gathered: Gathered, before: _Before, settings: DeduplicationSettings) -> _Region:
    """The region of what was gathered; the pairs that are known come later."""
    order, bands = in_order(gathered, settings.policy), settings.signature.bands
    forms, is_first = forms_in(order, gathered.signatures.forms)
    buckets = np.empty((len(order), bands + 1), np.int32)
    shared = np.empty((len(order), bands), np.int32)
    signatures = gathered.signatures
    table = np.empty(slots_for(len(order)), np.uint64)
    n_buckets = pair_kernels.bucket_numbers(signatures.bands[order], signatures.has_bands[order], shared, table)
    buckets[:, :-1] = shared
    n_buckets = region_kernels.number_buckets(forms, buckets, n_buckets, np.zeros(int(is_first.sum()), np.int32))
    starts, room = np.zeros(n_buckets + 1, np.int64), np.empty(buckets.size, np.int32)
    members = room[: region_kernels.list_members(buckets, starts, room)]
    dirty = numbered(before.dirty).places_of(gathered.contents)[order] >= 0
    kept, similarity, compared = _fates(gathered, order, before)
    odd, n_shingles = signatures.odd[order], signatures.n_shingles[order]
    return _Region(
        order,
        forms,
        is_first,
        odd,
        n_shingles,
        buckets,
        starts,
        members,
        *_at_hand(gathered, order),
        dirty,
        kept,
        similarity,
        compared,
        _known(_NO_KEYS, np.empty(0)),
    )


def _at_hand(gathered: Gathered, order: Indices) -> tuple[Flags, Flags, Flags]:
    """What is known to be here of what matters to each."""
    return gathered.complete[order], gathered.paired[order], gathered.followed[order]


def _fates(gathered: Gathered, order: Indices, before: _Before) -> tuple[Indices, Floats, Flags]:
    """Who stayed in the stead of each, and how similar: its place here, -1 for itself, -2 for one that is gone, or none yet;
    and which were compared, as those that came and those whose normalised text was kept were not."""
    index, place = numbered(gathered.contents), _places(order)
    kept, similarity = np.full(len(order), -1, np.int32), np.zeros(len(order))
    compared = np.ones(len(order), np.bool_)
    own, theirs = (index.places_of(named) for named in (gathered.fates.contents, gathered.fates.kept))
    here = own >= 0
    own, theirs = own[here], theirs[here]
    kept[own], similarity[own] = np.where(theirs >= 0, place[theirs], -2), gathered.fates.jaccard[here]
    compared[own] = ~gathered.fates.exact[here]
    moved = index.places_of(before.moved)
    moved = moved[moved >= 0]
    kept[moved], compared[moved] = -2, False
    return kept[order], similarity[order], compared[order]


def _places(order: Indices) -> Indices:
    """The place of each number in an order."""
    place = np.empty_like(order)
    place[order] = np.arange(len(order), dtype=np.int32)
    return place


def _with_known(region: _Region, gathered: Gathered, measured: _Measured) -> _Region:
    """With the pairs of contents that are here, by their places."""
    index, place = numbered(gathered.contents), _places(region.order)
    own, theirs = (index.places_of(named) for named in (gathered.pairs.contents, gathered.pairs.kept))
    here = (own >= 0) & (theirs >= 0)
    contents = place[np.concatenate([own[here], measured.contents])]
    kept = place[np.concatenate([theirs[here], measured.kept])]
    jaccard = np.concatenate([gathered.pairs.jaccard[here], measured.jaccard])
    return region._replace(known=_known(_keys(contents, kept), jaccard))


def _known(pairs: Keys, similarity: Floats) -> Known:
    """Pairs, some of which may come more than once, each time as similar."""
    known = Known(pairs, similarity, np.full(slots_for(len(pairs)), -1, np.int32))
    region_kernels.fill_known(known)
    return known


def _keys(contents: Indices, kept: Indices) -> Keys:
    return contents.astype(np.uint64) << _HALF | kept.astype(np.uint64)


def _decided(
    region: _Region, gathered: Gathered, reading: _Reading, texts: Texts, settings: DeduplicationSettings
) -> tuple[_Region, _Pass]:
    """A pass that lacks no text, and the region with what was measured on the way."""
    wanted: Flags = np.zeros(len(region.order), np.bool_)
    region_kernels.mark_compared(
        region.bucket_starts,
        region.bucket_members,
        region.buckets,
        region.dirty,
        region.is_first,
        region.kept,
        region.compared,
        region.odd,
        region.n_shingles,
        settings.threshold,
        wanted,
    )
    known = region.known
    while True:
        reading.read(gathered, region.order[wanted], texts, settings.signature)
        set_of = reading.set_of[region.order]
        outcome = _pass(region, reading.sets, set_of, settings.threshold)
        wanted = outcome.unread & (set_of < 0)
        if not wanted.any():
            return region, outcome
        pairs = np.concatenate([known.pairs, _keys(outcome.pairs[:, 0], outcome.pairs[:, 1])])
        similarity = np.concatenate([known.similarity, outcome.jaccard])
        region = region._replace(known=_known(pairs, similarity))


def _pass(region: _Region, sets: ShingleSets, set_of: Indices, threshold: float, room: int = 0) -> _Pass:
    n = len(region.kept)
    dirty, kept, similarity = region.dirty.copy(), region.kept.copy(), region.similarity.copy()
    touched = np.zeros(n, np.bool_)
    unread, unmet = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    room, n_buckets = room or len(region.known.pairs) + 4 * n, len(region.bucket_starts) - 1
    pairs, jaccard = np.empty((room, 2), np.int32), np.empty(room)
    total = region_kernels.repair(
        region.buckets,
        region.bucket_starts,
        region.bucket_members,
        region.complete,
        region.paired,
        region.followed,
        region.known,
        set_of,
        sets.starts,
        sets.sizes,
        sets.hashes,
        region.odd,
        region.n_shingles,
        threshold,
        region.kept == -1,
        region.compared,
        dirty,
        touched,
        kept,
        similarity,
        unread,
        unmet,
        np.empty(2 * region.buckets.size, np.int32),
        np.empty(2 * region.buckets.size, np.int32),
        np.full((2, n_buckets), -1, np.int32),
        np.full(n, -1, np.int32),
        pairs,
        jaccard,
    )
    if total <= room:
        return _Pass(dirty, touched, kept, similarity, unread, unmet, pairs[:total], jaccard[:total])
    return _pass(region, sets, set_of, threshold, total)


def _settled(region: _Region, gathered: Gathered, outcome: _Pass) -> Settled:
    names, looked_at = gathered.contents.at(region.order), outcome.dirty | outcome.touched
    dropped = np.flatnonzero(looked_at & (outcome.kept >= 0))
    stays = outcome.kept[dropped]
    exact = region.forms[dropped] == region.forms[stays]
    fates = Fates(names.at(dropped), names.at(stays), exact, outcome.similarity[dropped])
    pairs = Pairs(names.at(outcome.pairs[:, 0]), names.at(outcome.pairs[:, 1]), outcome.jaccard)
    return Settled(names.at(outcome.dirty), names.at(looked_at), fates, pairs)
