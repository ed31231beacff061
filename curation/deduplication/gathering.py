"""What an update must know of a region: the rows of the tables that decisions reach, by number, found and never looked for.

A region is the contents that share a band or a normalised text with one that is looked at again, and those that stay in
the stead of one of these. It grows while it is decided on, by what that comes upon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import lookups
from curation.deduplication.forms import numbered_forms
from curation.deduplication.lookups import Fates, Lookups, Pairs, asked, together, without
from curation.deduplication.numbering import NO_DIGESTS, Digests, distinct, joined, numbered, ordered
from curation.deduplication.ranking import RankKey, rank_keys, source_ranks
from curation.deduplication.settings import EVIDENCE, DeduplicationSettings
from curation.deduplication.signature_rows import (
    Signatures,
    digests_in,
    joined_columns,
    joined_signatures,
    no_signatures,
)
from records import series

Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
_LAST = np.iinfo(np.int64).max


class Gathered(NamedTuple):
    """The contents of a region, by number, as they came."""

    contents: Digests
    signatures: Signatures
    """In the order of the contents."""
    keys: dict[str, pl.Series]
    """What the policy sorts by."""
    complete: Flags
    """Whether all that share a bucket with one are here."""
    paired: Flags
    """Whether all are here that one was found near to, and how near."""
    followed: Flags
    """Whether all are here in whose stead one stays."""
    fates: Fates
    """Who stayed in the stead of each that was dropped."""
    pairs: Pairs
    """What was measured before, of the contents that may be compared with all kept ones, and with one that moved."""

    def __len__(self) -> int:
        return len(self.contents)


def nothing_gathered(bands: int) -> Gathered:
    """An empty region."""
    no_flags, no_numbers = np.empty(0, np.bool_), np.empty(0)
    signatures = no_signatures(NO_DIGESTS, bands)
    fates = Fates(NO_DIGESTS, NO_DIGESTS, no_flags, no_numbers)
    return Gathered(
        NO_DIGESTS, signatures, {}, no_flags, no_flags, no_flags, fates, Pairs(NO_DIGESTS, NO_DIGESTS, no_numbers)
    )


class Gatherer(NamedTuple):
    """Where rows are found, and by what rules."""

    tables: Lookups
    source_order: Sequence[str]
    settings: DeduplicationSettings

    def with_all_around(self, known: Gathered, contents: Digests, moved: Digests) -> Gathered:
        """What is known, with all that these contents may be compared with; and the pairs with those that moved.

        One that moved and has nobody about it that it may be near to is left out: there is nothing to decide. Of each other
        that is kept all are here for which it stands: they may be decided on by what they were compared with.
        """
        before = numbered(known.contents)
        at = before.places_of(contents)
        fresh = contents.at((at < 0) | ~known.complete[at] if len(known) else at < 0)
        around, alone = self._around(fresh, moved)
        fresh = without(fresh, alone)
        new = around.at(before.places_of(around.contents) < 0)
        fates = lookups.fates(self.tables.survivors, "content_digest", new.contents)
        kept = without(without(around.contents, fates.contents), known.fates.contents)
        followers = lookups.fates(self.tables.survivors, "kept_digest", kept)
        found = [lookups.pairs(self.tables.pairs, "content_digest", together(fresh, followers.contents))]
        others = joined([fates.kept, followers.contents, found[0].kept])
        others = distinct(without(without(others, new.contents), known.contents))
        came = self._placed(joined_signatures(new, self._signed(others)))
        if len(moved):
            found.append(lookups.pairs(self.tables.pairs, "kept_digest", without(moved, alone)))
        complete, paired, followed = (
            np.concatenate([flags, np.zeros(len(came), np.bool_)])
            for flags in (known.complete, known.paired, known.followed)
        )
        grown = Gathered(
            joined([known.contents, came.contents]),
            joined_signatures(known.signatures, came.signatures),
            {name: pl.concat([known.keys[name], own]) if known.keys else own for name, own in came.keys.items()},
            complete,
            paired,
            followed,
            Fates(*joined_columns(known.fates, fates, followers)),
            Pairs(*joined_columns(known.pairs, *found)),
        )
        index = numbered(grown.contents)
        for flags, own in ((complete, contents), (paired, followers.contents), (followed, kept)):
            places = index.places_of(own)
            flags[places[places >= 0]] = True
        return grown

    def _signed(self, contents: Digests) -> Signatures:
        """The signatures of contents; one without is alone with its text."""
        bands = self.settings.signature.bands
        signed = lookups.signatures(self.tables.signatures, "content_digest", contents, bands)
        if len(signed.contents) == len(contents):
            return signed
        return joined_signatures(signed, no_signatures(without(contents, signed.contents), bands))

    def _around(self, contents: Digests, moved: Digests) -> tuple[Signatures, Digests]:
        """The signatures of these contents, of those that share a band with one and may be near, and of those that share a
        normalised text without a word; and those that moved to where there is none of these."""
        own = self._signed(contents)
        others, near = self.tables.near(own, self.settings.threshold)
        wordless = own.forms.at(own.is_form & ~own.has_bands)
        copies = lookups.signatures(self.tables.signatures, "normal_digest", together(wordless), own.bands.shape[1])
        copies = copies.at(numbered(own.contents).places_of(copies.contents) < 0)
        several = _several(joined([own.forms, copies.forms]))[: len(near)]
        alone = ~near & ~several
        alone[alone] = numbered(moved).places_of(own.contents.at(alone)) >= 0
        return joined_signatures(own.at(~alone), others, copies), own.contents.at(alone)

    def _placed(self, whole: Signatures) -> Gathered:
        """Those of the contents that stand anywhere."""
        contents = whole.contents
        ranks, dates = self._places(contents)
        keys = {"source_rank": pl.Series(ranks), "date": dates, "n_characters": pl.Series(whole.n_characters)}
        for name in self.settings.policy:
            if name in EVIDENCE:
                keys[_key(name).column] = self._evidence(name, contents)
        placed = np.flatnonzero(ranks < _LAST)
        own = whole if len(placed) == len(contents) else whole.at(placed)
        few = {key.column: keys[key.column].gather(placed) for key in rank_keys(self.settings.policy)}
        empty = nothing_gathered(0)
        complete, paired, followed = np.zeros((3, len(placed)), np.bool_)
        return Gathered(own.contents, own, few, complete, paired, followed, empty.fates, empty.pairs)

    def _places(self, contents: Digests) -> tuple[Ints, pl.Series]:
        """The rank of each content's best source (the last number where it stands nowhere), and its newest date."""
        dated = "newest" in self.settings.policy
        columns = ("content_digest", "source", *(["date"] if dated else []))
        table = self.tables.places("content_digest", asked(contents), columns)
        at = numbered(contents).places_of(digests_in(table["content_digest"]))
        ranks = np.full(len(contents), _LAST)
        np.minimum.at(ranks, at, source_ranks(series(table["source"]), self.source_order).to_numpy())
        if not dated:
            return ranks, pl.Series(dtype=pl.String)
        latest = pl.DataFrame({"at": at, "date": series(table["date"])}).group_by("at").agg(pl.col("date").max())
        return ranks, _scattered(latest["at"].to_numpy(), latest["date"], len(contents))

    def _evidence(self, name: str, contents: Digests) -> pl.Series:
        found, column = self.tables.evidence.get(EVIDENCE[name]), _key(name).column
        if found is None:
            raise ValueError(f"policy: {name!r} looks at the table {EVIDENCE[name]}, which is not measured here")
        table = found("content_digest", asked(contents), ("content_digest", column))
        at = numbered(contents).places_of(digests_in(table["content_digest"]))
        return _scattered(at, series(table[column]), len(contents)).cast(_key(name).dtype)


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


def in_order(gathered: Gathered, policy: Sequence[str]) -> Indices:
    """The numbers of the contents in the order of the policy; ties by digest."""
    order: Indices = ordered(gathered.contents).astype(np.int32)
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
