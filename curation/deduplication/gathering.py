"""What an update must know of a region: the rows of the tables that decisions reach, by number, found and never looked for.

A region is the contents that share a band or a normalised text with one that is looked at again, and those that stay in
the stead of one of these. It grows while it is decided on, by what that comes upon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import lookups, region_kernels
from curation.deduplication.forms import numbered_forms
from curation.deduplication.lookups import Fates, Lookups, Pairs, Signatures, asked, digests_in, together, without
from curation.deduplication.numbering import NO_DIGESTS, Digests, numbered
from curation.deduplication.ranking import RankKey, rank_keys, source_ranks
from curation.deduplication.settings import EVIDENCE, DeduplicationSettings

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
_LAST = np.iinfo(np.int64).max


class Gathered(NamedTuple):
    """The contents of a region, by number, as they came: digests; signatures, in their order; what the policy sorts by; and
    whether all that share a bucket with one are here.

    fates: who stayed in the stead of each that was dropped. pairs: what was measured before, of the contents that may be
    compared with all kept ones, and with one that moved.
    """

    contents: Digests
    signatures: Signatures
    keys: dict[str, pl.Series]
    complete: Flags
    fates: Fates
    pairs: Pairs

    def __len__(self) -> int:
        return len(self.contents)


def nothing_gathered(bands: int) -> Gathered:
    """An empty region."""
    no_flags, no_numbers = np.empty(0, np.bool_), np.empty(0)
    signatures = lookups.no_signatures(0, bands)
    fates = Fates(NO_DIGESTS, NO_DIGESTS, no_flags, no_numbers)
    return Gathered(NO_DIGESTS, signatures, {}, no_flags, fates, Pairs(NO_DIGESTS, NO_DIGESTS, no_numbers))


class Gatherer(NamedTuple):
    """Where rows are found, and by what rules."""

    tables: Lookups
    source_order: Sequence[str]
    settings: DeduplicationSettings

    def with_all_around(self, known: Gathered, contents: Digests, moved: Digests) -> Gathered:
        """What is known, with all that these contents may be compared with; and the pairs with those that moved.

        One that moved and has nobody about it that it may be near to is left out: there is nothing to decide.
        """
        at = numbered(known.contents).places_of(contents)
        fresh = contents.at((at < 0) | ~known.complete[at] if len(known) else at < 0)
        around, alone = self._around(fresh, moved)
        fresh = without(fresh, alone)
        new = without(without(together(around.contents, fresh), alone), known.contents)
        fates = lookups.fates(self.tables.survivors, "content_digest", new)
        kept = without(without(together(fates.kept), new), known.contents)
        others = self._signatures("content_digest", asked(kept))
        came = self._placed(_joined_digests(new, kept), _joined_signatures(around, others))
        pairs = [known.pairs, lookups.pairs(self.tables.pairs, "content_digest", fresh)]
        if len(moved):
            pairs.append(lookups.pairs(self.tables.pairs, "kept_digest", without(moved, alone)))
        grown = Gathered(
            _joined_digests(known.contents, came.contents),
            _joined_signatures(known.signatures, came.signatures),
            {name: pl.concat([known.keys[name], own]) if known.keys else own for name, own in came.keys.items()},
            np.concatenate([known.complete, came.complete]),
            Fates(*_joined(known.fates, fates)),
            Pairs(*_joined(*pairs)),
        )
        places = numbered(grown.contents).places_of(contents)
        grown.complete[places[places >= 0]] = True
        return grown

    def _signatures(self, column: str, wanted: lookups.Wanted) -> Signatures:
        return lookups.signatures(self.tables.signatures, column, wanted, self.settings.signature.bands)

    def _around(self, contents: Digests, moved: Digests) -> tuple[Signatures, Digests]:
        """The signatures of these contents, and of those that share a normalised text with one, or a band, and may be near;
        and those that moved to where there is none of these."""
        own = self._signatures("content_digest", asked(contents))
        by_bands = self._signatures("bands", own.bands[own.has_bands])
        by_form = self._signatures("normal_digest", asked(together(own.forms.at(own.is_form))))
        index, n = numbered(own.contents), len(own.contents)
        others, copies = (rows.at(index.places_of(rows.contents) < 0) for rows in (by_bands, by_form))
        sharing = _joined_signatures(own, others)
        near = self._near(sharing, n)
        several = _several(_joined_digests(own.forms, copies.forms))[:n]
        alone = own.contents.at(~near[:n] & ~several)
        near[:n] = True
        return _joined_signatures(sharing.at(near), copies), alone.at(numbered(moved).places_of(alone) >= 0)

    def _near(self, sharing: Signatures, n: int) -> Flags:
        """Which may be near to another, of contents that share a band with one of the first n, these included."""
        near, slots = np.zeros(len(sharing.contents), np.bool_), 1 << max(4, n.bit_length())
        region_kernels.mark_near(
            sharing.bands,
            sharing.has_bands,
            sharing.odd,
            sharing.n_shingles,
            self.settings.threshold,
            np.empty(slots, np.int32),
            np.empty(n, np.int32),
            near,
        )
        return near

    def _placed(self, contents: Digests, signatures: Signatures) -> Gathered:
        """Those of the contents that stand anywhere; one without a signature is alone with its text."""
        index = numbered(contents)
        ranks, dates = self._places(contents)
        keys = {"source_rank": pl.Series(ranks), "date": dates}
        forms = Digests(contents.high.copy(), contents.low.copy())
        at = index.places_of(signatures.contents)
        there = at >= 0
        at = at[there]
        forms.high[at], forms.low[at] = signatures.forms.at(there)
        whole = lookups.no_signatures(len(contents), self.settings.signature.bands)
        numbers, theirs = cast(tuple[list[npt.NDArray[Any]], ...], (whole[2:], signatures[2:]))
        for column, values in zip(numbers, theirs, strict=True):
            column[at] = values[there]
        whole = whole._replace(contents=contents, forms=forms)
        keys["n_characters"] = pl.Series(whole.n_characters)
        for name in self.settings.policy:
            if name in EVIDENCE:
                keys[_key(name).column] = self._evidence(name, contents)
        placed = np.flatnonzero(ranks < _LAST)
        own = whole.at(placed)
        few = {key.column: keys[key.column].gather(placed) for key in rank_keys(self.settings.policy)}
        empty = nothing_gathered(0)
        return Gathered(own.contents, own, few, np.zeros(len(placed), np.bool_), empty.fates, empty.pairs)

    def _places(self, contents: Digests) -> tuple[Ints, pl.Series]:
        """The rank of each content's best source (the last number where it stands nowhere), and its newest date."""
        dated = "newest" in self.settings.policy
        columns = ("content_digest", "source", *(["date"] if dated else []))
        table = self.tables.places("content_digest", asked(contents), columns)
        at = numbered(contents).places_of(digests_in(table["content_digest"]))
        ranks = np.full(len(contents), _LAST)
        np.minimum.at(ranks, at, source_ranks(pl.Series(table["source"]), self.source_order).to_numpy())
        if not dated:
            return ranks, pl.Series(dtype=pl.String)
        latest = pl.DataFrame({"at": at, "date": pl.Series(table["date"])}).group_by("at").agg(pl.col("date").max())
        return ranks, _scattered(latest["at"].to_numpy(), latest["date"], len(contents))

    def _evidence(self, name: str, contents: Digests) -> pl.Series:
        found, column = self.tables.evidence.get(EVIDENCE[name]), _key(name).column
        if found is None:
            raise ValueError(f"policy: {name!r} looks at the table {EVIDENCE[name]}, which is not measured here")
        table = found("content_digest", asked(contents), ("content_digest", column))
        at = numbered(contents).places_of(digests_in(table["content_digest"]))
        return _scattered(at, pl.Series(table[column]), len(contents)).cast(_key(name).dtype)


def _several(forms: Digests) -> Flags:
    """Which of them are there more than once."""
    form_of, first = numbered_forms(np.arange(len(forms), dtype=np.int32), forms)
    several: Flags = np.bincount(form_of, minlength=len(first))[form_of] > 1
    return several


def _key(name: str) -> RankKey:
    return rank_keys([name])[0]


def _scattered(at: npt.NDArray[np.integer], values: pl.Series, n: int) -> pl.Series:
    """A column of n values, null where there is none."""
    rows = np.full(n, -1, np.int64)
    rows[at] = np.arange(len(at))
    return values.gather(pl.Series(rows).replace(-1, None))


def _joined(*parts: tuple[Any, ...]) -> list[Any]:
    """Columns of several parts, one behind the other."""
    return [
        _joined_digests(*columns) if isinstance(columns[0], Digests) else np.concatenate(columns)
        for columns in zip(*parts, strict=True)
    ]


def _joined_digests(*parts: Digests) -> Digests:
    return Digests(*(np.concatenate(halves) for halves in zip(*parts, strict=True)))


def _joined_signatures(*parts: Signatures) -> Signatures:
    return Signatures(*_joined(*parts))


def in_order(gathered: Gathered, policy: Sequence[str]) -> Indices:
    """The numbers of the contents in the order of the policy; ties by digest."""
    order: Indices = np.lexsort((gathered.contents.low, gathered.contents.high)).astype(np.int32)
    for key in reversed(rank_keys(policy)):
        values = _sortable(gathered.keys[key.column], key)
        if len(values) and (values != values[0]).any():
            order = order[np.argsort(values[order], kind="stable")]
    return order


def _sortable(values: pl.Series, key: RankKey) -> Ints:
    """Numbers that sort as the key does, ascending; what is not known goes last."""
    if key.dtype == pl.Int64 and not values.null_count():
        numbers = values.to_numpy()
        return -numbers if key.largest_first else numbers
    return values.rank("dense", descending=key.largest_first).cast(pl.Int64).fill_null(_LAST).to_numpy()


def forms_in(order: Indices, forms: Digests) -> tuple[Indices, Flags]:
    """The number of each content's normalised text, and which contents are the first of theirs; both in order."""
    form_of, first = numbered_forms(order, forms)
    is_first = np.zeros(len(order), np.bool_)
    is_first[first] = True
    return form_of[order], is_first[order]
