"""What one run over a whole corpus knows of its contents: numbers in columns, some 140 bytes a content.

Tables are read in parts, so that no column of strings is ever held as a whole. Contents are numbered by digest; the
signatures keep the order in which they are read, and each band is a column of its own, so that who shares it is found in
one pass over memory that stands in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.blocks import parts_of
from curation.deduplication import band_kernels
from curation.deduplication.candidates import Corpus, evidence_of
from curation.deduplication.forms import band_matrix
from curation.deduplication.memory import give_back
from curation.deduplication.numbering import Digests, Indices, Numbered, digests_of, distinct, joined, numbered
from curation.deduplication.ranking import RankKey, rank_keys, source_ranks

CHUNK = 1 << 14
"""Rows of a table that are decoded at a time."""
_LAST = np.iinfo(np.int64).max


class Contents(NamedTuple):
    """The contents of a corpus, by number.

    several: which stand at several places. order: the numbers in the order of the policy. form_of: the form of each content.
    first: the first content of each form, and so the forms in the order of the policy. candidates: the forms that share a
    band with another, in order, and for each the number of its bucket in each band, -1 where it is alone; `n_buckets` of them.
    """

    digests: Digests
    several: npt.NDArray[np.bool_]
    order: Indices
    n_characters: npt.NDArray[np.int64]
    form_of: Indices
    first: Indices
    candidates: Indices
    buckets: Indices
    n_buckets: int


class _Signatures(NamedTuple):
    """By number of content: the digest of its normalised text, its characters, and its row in `bands`, -1 where it has none.

    bands: one row a band, one column for each row of the table of signatures.
    """

    forms: Digests
    n_characters: npt.NDArray[np.int64]
    row_of: Indices
    bands: npt.NDArray[np.uint32]


def contents_of(corpus: Corpus, policy: Sequence[str], bands: int) -> Contents:
    """All contents of the places of a corpus, each with its signature where it has one.

    Raises ValueError for a source that is not in the order, for a key of the policy without its table, and for
    signatures of other settings.
    """
    names, ranks, dates = _read_places(corpus, policy)
    digests = distinct(names)
    index = numbered(digests)
    at = index.places_of(names)
    several = np.bincount(at, minlength=len(digests)) > 1
    columns: dict[str, npt.NDArray[np.int64] | pl.Series] = {
        "source_rank": _least(at, ranks, len(digests)),
        "date": _latest(at, dates, len(digests)),
    }
    del names, at, ranks, dates
    give_back()
    read = _read_signatures(corpus.signatures, index, bands)
    columns["n_characters"] = read.n_characters
    keys = [_sortable(key, columns, corpus, name, index) for key, name in zip(rank_keys(policy), policy, strict=True)]
    order = _in_order(keys, len(digests))
    del columns, keys
    form_of, first = np.empty_like(order), np.empty_like(order)
    first = first[: band_kernels.number_forms(order, *read.forms, form_of, first)]
    return Contents(digests, several, order, read.n_characters, form_of, first, *_candidates(read, first))


def _candidates(read: _Signatures, first: Indices) -> tuple[Indices, Indices, int]:
    """The forms that share a band with another, their buckets, and how many there are."""
    rows, n_rows = read.row_of[first], read.bands.shape[1]
    asked, sharing = np.zeros(n_rows, np.bool_), np.zeros(n_rows, np.bool_)
    asked[rows[rows >= 0]] = True
    n_buckets = band_kernels.share_bands(read.bands, asked, sharing)
    candidates = np.flatnonzero((rows >= 0) & sharing[rows] if n_rows else rows >= 0).astype(np.int32)
    buckets = np.empty((len(candidates), len(read.bands)), np.int32)
    for band, numbers in enumerate(read.bands.view(np.int32)):
        buckets[:, band] = numbers[rows[candidates]]
    return candidates, buckets, n_buckets


def _read_places(corpus: Corpus, policy: Sequence[str]) -> tuple[Digests, Indices, pl.Series | None]:
    """The content of each place, the rank of its source, and its date where the policy asks for it."""
    wanted = ["content_digest", "source", *(["date"] if "newest" in policy else [])]
    names: list[Digests] = []
    ranks: list[Indices] = [np.empty(0, np.int32)]
    dates = [pl.Series(dtype=pl.String)]
    for part in parts_of(corpus.places.select(wanted), CHUNK):
        names.append(digests_of(part.get_column("content_digest")))
        ranks.append(source_ranks(part.get_column("source"), corpus.source_order).cast(pl.Int32).to_numpy())
        if "date" in wanted:
            dates.append(part.get_column("date").cast(pl.String))
    return joined(names), np.concatenate(ranks), pl.concat(dates) if "date" in wanted else None


def _least(at: Indices, ranks: Indices, n: int) -> npt.NDArray[np.int64]:
    best = np.full(n, _LAST)
    np.minimum.at(best, at, ranks.astype(np.int64))
    return best


def _latest(at: Indices, dates: pl.Series | None, n: int) -> pl.Series:
    if dates is None:
        return pl.Series(dtype=pl.String)
    latest = pl.DataFrame({"at": at, "date": dates}).group_by("at").agg(pl.col("date").max())
    return pl.DataFrame({"at": np.arange(n, dtype=np.int32)}).join(latest, on="at", how="left").sort("at")["date"]


def _read_signatures(signatures: pl.LazyFrame, index: Numbered, bands: int) -> _Signatures:
    digests = index.digests
    forms = Digests(digests.high.copy(), digests.low.copy())  # a content without a signature is a form of its own
    n_rows = int(signatures.select(pl.len()).collect().item())
    matrix, row_of = np.empty((bands, n_rows), np.uint32), np.full(len(digests), -1, np.int32)
    n_characters, begin = np.zeros(len(digests), np.int64), 0
    for part in parts_of(signatures.select("content_digest", "normal_digest", "n_characters", "bands"), CHUNK):
        at = index.places_of(digests_of(part.get_column("content_digest")))
        end, known = begin + len(part), at >= 0
        hashes, has_bands = band_matrix(part.get_column("bands"), bands)
        matrix[:, begin:end] = hashes.T
        row_of[at[known & has_bands]] = np.arange(begin, end, dtype=np.int32)[known & has_bands]
        n_characters[at[known]] = part.get_column("n_characters").fill_null(0).to_numpy()[known]
        normal = part.get_column("normal_digest")
        named = known & normal.is_not_null().to_numpy()
        own = digests_of(normal.filter(pl.Series(named)))
        forms.high[at[named]], forms.low[at[named]] = own
        begin = end
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
