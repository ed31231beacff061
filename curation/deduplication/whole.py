"""A whole corpus decided at once: the tables `DUPLICATES`, `SURVIVORS` and `PAIRS`, made of numbers at the end.

What is held is some hundred bytes a content, and the three tables; texts and shingles wait on disk.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication.candidates import Corpus, among
from curation.deduplication.election import Election, elect
from curation.deduplication.memory import give_back
from curation.deduplication.numbering import Digests, Indices, names_of
from curation.deduplication.set_sources import WordSource, read_again
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import PAIRS, SURVIVORS, removed_documents
from curation.deduplication.whole_corpus import Rows, contents_of
from records import Progress


def decide_whole(
    corpus: Corpus,
    settings: DeduplicationSettings,
    progress: Progress,
    rows: Rows | None = None,
    source: WordSource | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The tables of a corpus, each in the order of its key; without `rows` its tables are read, and without a `source` its
    texts are fetched."""
    contents = contents_of(corpus, settings.policy, settings.signature.bands, rows)
    digests, several, form_of = contents.digests, contents.several, contents.form_of
    give_back()
    election = elect(contents, source or read_again(corpus.fetch, settings.signature), settings, progress)
    del contents
    give_back()
    exact = form_of[election.dropped] == form_of[election.stays]
    several[election.dropped] = several[election.stays] = True
    touched = names_of(digests.at(several))
    del form_of, several
    survivors = _survivors(digests, election, exact)
    removed = removed_documents(
        among(corpus.places, touched).collect(engine="streaming"), survivors, corpus.source_order
    )
    del touched
    give_back()
    return removed, survivors, _pairs(digests, election)


def _survivors(digests: Digests, election: Election, exact: npt.NDArray[np.bool_]) -> pl.DataFrame:
    order = np.argsort(election.dropped)
    kind = pl.select(pl.when(pl.Series(exact[order])).then(pl.lit("exact")).otherwise(pl.lit("near"))).to_series()
    names = (names_of(digests.at(numbers[order])) for numbers in (election.dropped, election.stays))
    columns = [*names, kind, pl.Series(election.similarity[order])]
    return pl.DataFrame(dict(zip(SURVIVORS.names(), columns, strict=True)), schema=SURVIVORS)


def _pairs(digests: Digests, election: Election) -> pl.DataFrame:
    """The pairs by their names, which are written out once for each content."""
    own, kept = election.pairs[:, 0], election.pairs[:, 1]
    order = np.argsort(own.astype(np.int64) << 32 | kept)
    numbers = np.zeros(len(digests), np.bool_)
    numbers[own] = numbers[kept] = True
    names = names_of(digests.at(numbers))
    place: Indices = (np.cumsum(numbers) - 1).astype(np.int32)
    columns = [names.gather(place[own[order]]), names.gather(place[kept[order]]), pl.Series(election.jaccard[order])]
    return pl.DataFrame(dict(zip(PAIRS.names(), columns, strict=True)), schema=PAIRS)
