"""What one run over a whole corpus knows of its contents: numbers in columns, some 140 bytes a content.

Tables are read in parts, so that no column of strings is ever held as a whole. Contents are numbered by digest; the
signatures keep the order in which they are read, and each band is a column of its own, so that who shares it is found in
one pass over memory that stands in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.allocators import give_back
from curation.blocks import parts_of
from curation.deduplication import band_kernels
from curation.deduplication.corpus import Corpus, evidence_of
from curation.deduplication.forms import band_matrix, numbered_forms
from curation.deduplication.numbering import Digests, Indices, Numbered, digests_of, distinct, joined, numbered
from curation.deduplication.ranking import RankKey, rank_keys, source_ranks

CHUNK = 1 << 14
"""Rows of a table that are decoded at a time."""
PARTS = 16
"""Parts of rows after whose use memory is given back."""
PLACE = ("doc_id", "source", "locator")
_LAST = np.iinfo(np.int64).max


class Contents(NamedTuple):
    """The contents of a corpus, by number.

    of: the content of each place, in the order in which places came. several: which stand at several places. order: the
    numbers in the order of the policy. form_of: the form of each content. first: the first content of each form, and so the forms in the order of the policy. candidates: the forms that share a
    band with another, in order; for each the row of the table of signatures that its first content has, its characters, and
    the number of its bucket in each band, -1 where it is alone; `n_buckets` of them.
    """

    digests: Digests
    of: Indices
    several: npt.NDArray[np.bool_]
    order: Indices
    form_of: Indices
    first: Indices
    candidates: Indices
    rows: Indices
    n_characters: npt.NDArray[np.int64]
    buckets: Indices
    n_buckets: int


class PlaceRows(NamedTuple):
    """Of some places: their contents, the ranks of their sources, and their dates where the policy asks for them."""

    contents: Digests
    ranks: Indices
    dates: pl.Series | None


class SignatureRows(NamedTuple):
    """Of some contents: the digest of the normalised text (its own where it has none), characters, and the hashes of bands,
    one row each, where it has any."""

    contents: Digests
    forms: Digests
    n_characters: npt.NDArray[np.int64]
    bands: npt.NDArray[np.uint32]
    has_bands: npt.NDArray[np.bool_]


class Rows(NamedTuple):
    """The places and the signatures of a corpus, in parts, each of which is let go when the next is taken; how many
    signatures there are; and the places once more, in the same order, as a table with `PLACE`."""

    places: Iterable[PlaceRows]
    signatures: Iterable[SignatureRows]
    n_signatures: int
    table: Iterable[pl.DataFrame]


class _Signatures(NamedTuple):
    """By number of content: the digest of its normalised text, its characters, and its row in `bands`, -1 where it has none.

    bands: one row a band, one column for each row of the table of signatures.
    """

    forms: Digests
    n_characters: npt.NDArray[np.int64]
    row_of: Indices
    bands: npt.NDArray[np.uint32]


def contents_of(corpus: Corpus, policy: Sequence[str], bands: int, rows: Rows) -> Contents:
    """All contents of the places of a corpus, given its rows, each with its signature where it has one.

    Raises ValueError for a source that is not in the order, for a key of the policy without its table, and for
    signatures of other settings.
    """
    names, ranks, dates = _joined(rows.places)
    digests = distinct(names)
    index = numbered(digests)
    at = index.places_of(names)
    several = np.bincount(at, minlength=len(digests)) > 1
    columns: dict[str, npt.NDArray[np.int64] | pl.Series] = {
        "source_rank": _least(at, ranks, len(digests)),
        "date": _latest(at, dates, len(digests)),
    }
    del names, ranks, dates
    give_back()
    read = _scattered_signatures(rows, index, bands)
    columns["n_characters"] = read.n_characters
    keys = [_sortable(key, columns, corpus, name, index) for key, name in zip(rank_keys(policy), policy, strict=True)]
    order = _in_order(keys, len(digests))
    del columns, keys
    form_of, first = numbered_forms(order, read.forms)
    return Contents(digests, at, several, order, form_of, first, *_candidates(read, first))


def _candidates(read: _Signatures, first: Indices) -> tuple[Indices, Indices, npt.NDArray[np.int64], Indices, int]:
    """The forms that share a band with another, their rows, characters and buckets, and how many buckets there are."""
    rows, n_rows = read.row_of[first], read.bands.shape[1]
    asked, sharing = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    asked[rows[rows >= 0]] = True
    n_buckets, room = 0, band_kernels.scratch(n_rows)
    for hashes in read.bands:
        n_buckets = band_kernels.share_band(hashes, asked, sharing, n_buckets, *room)
    del room
    candidates = np.flatnonzero((rows >= 0) & sharing[rows] if n_rows else rows >= 0).astype(np.int32)
    own = rows[candidates]
    buckets = np.empty((len(candidates), len(read.bands)), np.int32)
    for band, numbers in enumerate(read.bands.view(np.int32)):
        buckets[:, band] = numbers[own]
    return candidates, own, read.n_characters[first[candidates]], buckets, n_buckets


def rows_of(corpus: Corpus, policy: Sequence[str], bands: int) -> Rows:
    """The rows of the tables of a corpus."""
    wanted = ["content_digest", "source", *(["date"] if "newest" in policy else [])]
    places = (place_rows(part, corpus.source_order) for part in parts_of(corpus.places.select(wanted), CHUNK))
    columns = corpus.signatures.select("content_digest", "normal_digest", "n_characters", "bands")
    signatures = (_signature_rows(part, bands) for part in parts_of(columns, CHUNK))
    n_signatures = int(corpus.signatures.select(pl.len()).collect().item())
    return Rows(places, signatures, n_signatures, parts_of(corpus.places.select(PLACE), CHUNK))


def place_rows(part: pl.DataFrame, source_order: Sequence[str]) -> PlaceRows:
    """Rows with content_digest, source, and date if it counts."""
    contents = digests_of(part.get_column("content_digest"))
    return PlaceRows(contents, *ranks_and_dates(part, source_order))


def ranks_and_dates(part: pl.DataFrame, source_order: Sequence[str]) -> tuple[Indices, pl.Series | None]:
    """The ranks of the sources of some places, and their dates if they count."""
    ranks = source_ranks(part.get_column("source"), source_order).cast(pl.Int32).to_numpy()
    return ranks, part.get_column("date").cast(pl.String) if "date" in part.columns else None


def _signature_rows(part: pl.DataFrame, bands: int) -> SignatureRows:
    contents, normal = digests_of(part.get_column("content_digest")), part.get_column("normal_digest")
    named = normal.is_not_null().to_numpy()
    forms = Digests(contents.high.copy(), contents.low.copy())
    forms.high[named], forms.low[named] = digests_of(normal.filter(pl.Series(named)))
    n_characters = part.get_column("n_characters").fill_null(0).to_numpy()
    return SignatureRows(contents, forms, n_characters, *band_matrix(part.get_column("bands"), bands))


def _joined(places: Iterable[PlaceRows]) -> PlaceRows:
    """All places, one behind the other."""
    parts = list(places)
    dates = [part.dates for part in parts if part.dates is not None]
    return PlaceRows(
        joined([part.contents for part in parts]),
        np.concatenate([np.empty(0, np.int32), *(part.ranks for part in parts)]),
        pl.concat(dates) if dates else None,
    )


def _least(at: Indices, ranks: Indices, n: int) -> npt.NDArray[np.int64]:
    best = np.full(n, _LAST)
    np.minimum.at(best, at, ranks.astype(np.int64))
    return best


def _latest(at: Indices, dates: pl.Series | None, n: int) -> pl.Series:
    if dates is None:
        return pl.Series(dtype=pl.String)
    latest = pl.DataFrame({"at": at, "date": dates}).group_by("at").agg(pl.col("date").max())
    return pl.DataFrame({"at": np.arange(n, dtype=np.int32)}).join(latest, on="at", how="left").sort("at")["date"]


def _scattered_signatures(rows: Rows, index: Numbered, bands: int) -> _Signatures:
    """The signatures by number of content; those of contents that stand nowhere are left out."""
    digests, n = index.digests, len(index.digests)
    forms = Digests(digests.high.copy(), digests.low.copy())  # a content without a signature is a form of its own
    matrix, row_of = np.empty((bands, rows.n_signatures), np.uint32), np.full(n, -1, np.int32)
    n_characters, begin = np.zeros(n, np.int64), 0
    for number, part in enumerate(rows.signatures, 1):
        at = index.places_of(part.contents)
        end, known = begin + len(at), at >= 0
        matrix[:, begin:end] = part.bands.T
        row_of[at[known & part.has_bands]] = np.arange(begin, end, dtype=np.int32)[known & part.has_bands]
        n_characters[at[known]] = part.n_characters[known]
        forms.high[at[known]], forms.low[at[known]] = part.forms.at(known)
        begin = end
        if number % PARTS == 0:
            give_back()
    return _Signatures(forms, n_characters, row_of, matrix)


def _sortable(
    key: RankKey, columns: dict[str, npt.NDArray[np.int64] | pl.Series], corpus: Corpus, name: str, index: Numbered
) -> npt.NDArray[np.int64]:
    """Numbers that sort as a key of the policy does, ascending; what is not known goes last."""
    values = columns.get(key.column)
    if isinstance(values, np.ndarray):
        return -values if key.largest_first else values
    known = values if values is not None else _scattered(evidence_of(corpus, name), key, index)
    ranks = known.rank("dense", descending=key.largest_first).cast(pl.Int64)
    return ranks.fill_null(_LAST).to_numpy()


def _scattered(table: pl.LazyFrame, key: RankKey, index: Numbered) -> pl.Series:
    """A column of evidence, by number of content."""
    values = np.full(len(index.digests), -1, np.int32)
    parts, begin = [pl.Series(dtype=key.dtype)], 0
    for part in parts_of(table, CHUNK):
        at = index.places_of(digests_of(part.get_column("content_digest")))
        values[at[at >= 0]] = np.arange(begin, begin + len(part), dtype=np.int32)[at >= 0]
        parts.append(part.get_column(key.column).cast(key.dtype))
        begin += len(part)
    rows = pl.Series(values)
    return (
        pl.concat(parts).gather(rows.replace(-1, None)) if begin else pl.Series([None] * len(values), dtype=key.dtype)
    )


def _in_order(keys: Sequence[npt.NDArray[np.int64]], n: int) -> Indices:
    """The numbers by the keys, the first key first; ties by number, and so by digest."""
    order: Indices = np.arange(n, dtype=np.int32)
    for key in reversed(keys):
        if n and (key != key[0]).any():
            order = order[np.argsort(key[order], kind="stable")]
    return order
