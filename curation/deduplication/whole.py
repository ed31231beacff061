"""A whole corpus decided at once: the tables `DUPLICATES`, `SURVIVORS` and `PAIRS`, made of numbers at the end.

What is held is some hundred bytes a content, and the three tables; texts and shingles wait on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.allocators import give_back
from curation.deduplication.corpus import Corpus
from curation.deduplication.election import Election, elect
from curation.deduplication.numbering import Digests, Indices, views_of
from curation.deduplication.ranking import source_ranks
from curation.deduplication.set_sources import WordSource, read_again
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS
from curation.deduplication.whole_corpus import PLACE, Rows, contents_of, rows_of
from records import Progress, series


def decide_whole(
    corpus: Corpus,
    settings: DeduplicationSettings,
    progress: Progress,
    rows: Rows | None = None,
    source: WordSource | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The tables of a corpus, each in the order of its key; without `rows` its tables are read, and without a `source` its
    texts are fetched."""
    rows = rows or rows_of(corpus, settings.policy, settings.signature.bands)
    contents = contents_of(corpus, settings.policy, settings.signature.bands, rows)
    digests, of, several, form_of = contents.digests, contents.of, contents.several, contents.form_of
    give_back()
    election = elect(contents, source or read_again(corpus.fetch, settings.signature), settings, progress)
    del contents, source
    give_back()
    several[election.dropped] = several[election.stays] = True
    fates = _fates(election, form_of)
    del form_of
    removed = _removed(rows.table, of, several, fates, corpus.source_order)
    del of, several
    give_back()
    survivors = _survivors(digests, fates)
    give_back()
    return removed, survivors, _pairs(digests, election)


def _fates(election: Election, form_of: Indices) -> pl.DataFrame:
    """`SURVIVORS`, with the numbers of contents for their digests, in the order of its key."""
    order = np.argsort(election.dropped)
    dropped, stays = election.dropped[order], election.stays[order]
    columns = [dropped, stays, _kinds(form_of[dropped] != form_of[stays]), election.similarity[order]]
    return pl.DataFrame(dict(zip(SURVIVORS.names(), columns, strict=True)))


def _removed(
    places: Iterable[pl.DataFrame],
    of: Indices,
    several: npt.NDArray[np.bool_],
    fates: pl.DataFrame,
    source_order: Sequence[str],
) -> pl.DataFrame:
    """`DUPLICATES`, given the content of each place, and which contents stand at several places or double others."""
    touched, own = _touched(places, several[of]), of[several[of]]
    ranks = source_ranks(touched.get_column("source"), source_order)
    order = touched.select(pl.arg_sort_by(ranks, "locator", "doc_id")).to_series().to_numpy()
    first, stays = np.full(len(several), -1, np.int32), np.arange(len(several), dtype=np.int32)
    first[own[order[::-1]]] = order[::-1]  # of the places of a content the first is written last
    stays[fates.get_column("content_digest").to_numpy()] = fates.get_column("kept_digest").to_numpy()
    kept = first[stays[own]]
    del first, stays
    gone = np.flatnonzero(kept != np.arange(len(own)))
    near, similarity = np.zeros(len(several), np.bool_), np.ones(len(several))
    dropped = fates.filter(pl.col("kind") == "near")
    near[dropped.get_column("content_digest").to_numpy()] = True
    similarity[dropped.get_column("content_digest").to_numpy()] = dropped.get_column("jaccard").to_numpy()
    named, own = touched.select("doc_id", "source"), own[gone]
    columns = [*named[gone], *named[kept[gone]], _kinds(near[own]), pl.Series(similarity[own])]
    return pl.DataFrame(dict(zip(DUPLICATES.names(), columns, strict=True)), schema=DUPLICATES).sort("doc_id")


def _touched(places: Iterable[pl.DataFrame], wanted: npt.NDArray[np.bool_]) -> pl.DataFrame:
    """Those of the places that are wanted."""
    parts, begin = [pl.DataFrame(schema=dict.fromkeys(PLACE, pl.String)).to_arrow(compat_level=_COPIED)], 0
    for part in places:
        own = np.flatnonzero(wanted[begin : begin + len(part)])
        parts.append(part[own].to_arrow(compat_level=_COPIED))
        begin += len(part)
    return pl.DataFrame(pa.concat_tables(parts))


_COPIED = pl.CompatLevel.oldest()
"""Strings one behind the other: views would hold the whole part that they look into."""


def _kinds(near: npt.NDArray[np.bool_]) -> pl.Series:
    return pl.select(pl.when(pl.Series(near)).then(pl.lit("near")).otherwise(pl.lit("exact"))).to_series()


def _survivors(digests: Digests, fates: pl.DataFrame) -> pl.DataFrame:
    numbers = (fates.get_column(name).to_numpy() for name in SURVIVORS.names()[:2])
    columns = [*_named(digests, numbers), *fates.get_columns()[2:]]
    return pl.DataFrame(dict(zip(SURVIVORS.names(), columns, strict=True)), schema=SURVIVORS)


def _pairs(digests: Digests, election: Election) -> pl.DataFrame:
    """`PAIRS`; what was elected is sorted in place, and its similarities become those of the table."""
    pairs, jaccard = election.pairs, election.jaccard
    order = np.argsort(pairs[:, 0].astype(np.int64) << 32 | pairs[:, 1])
    pairs[:], jaccard[:] = pairs[order], jaccard[order]
    del order
    measured = pa.Array.from_buffers(pa.float64(), len(jaccard), [None, pa.py_buffer(jaccard)])
    columns = [*_named(digests, pairs.T), series(measured)]
    return pl.DataFrame(dict(zip(PAIRS.names(), columns, strict=True)), schema=PAIRS)


def _named(digests: Digests, columns: Iterable[Indices]) -> list[pl.Series]:
    """Columns of numbers as columns of digests, which are written out once for each content."""
    numbers = list(columns)
    told = np.zeros(len(digests), np.bool_)
    for column in numbers:
        told[column] = True
    names, place = views_of(digests.at(told)), np.cumsum(told, dtype=np.int32) - np.int32(1)
    del told
    return [names.at(place[column]) for column in numbers]
