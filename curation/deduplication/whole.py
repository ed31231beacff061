"""A whole corpus decided at once: the tables `DUPLICATES`, `SURVIVORS` and `PAIRS`, made of numbers at the end.

What is held is some hundred bytes a content, and the three tables; texts and shingles wait on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.deduplication.candidates import Corpus
from curation.deduplication.election import Election, elect
from curation.deduplication.memory import give_back
from curation.deduplication.numbering import Digests, Indices, digests_of, numbered, views_of
from curation.deduplication.set_sources import WordSource, read_again
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS, removed_documents
from curation.deduplication.whole_corpus import CHUNK, PLACE, Rows, contents_of, rows_of
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
    rows = rows or rows_of(corpus, settings.policy, settings.signature.bands)
    contents = contents_of(corpus, settings.policy, settings.signature.bands, rows)
    digests, several, form_of = contents.digests, contents.several, contents.form_of
    give_back()
    election = elect(contents, source or read_again(corpus.fetch, settings.signature), settings, progress)
    del contents, source
    give_back()
    several[election.dropped] = several[election.stays] = True
    fates = _fates(election, form_of)
    del form_of
    removed = _removed(rows.table, digests, several, fates, corpus.source_order)
    give_back()
    survivors = _survivors(digests, fates)
    give_back()
    return removed, survivors, _pairs(digests, election)


def _fates(election: Election, form_of: Indices) -> pl.DataFrame:
    """`SURVIVORS`, with the numbers of contents for their digests, in the order of its key."""
    order = np.argsort(election.dropped)
    dropped, stays = election.dropped[order], election.stays[order]
    exact = pl.Series(form_of[dropped] == form_of[stays])
    kinds = pl.select(pl.when(exact).then(pl.lit("exact")).otherwise(pl.lit("near"))).to_series()
    columns = [dropped, stays, kinds, election.similarity[order]]
    return pl.DataFrame(dict(zip(SURVIVORS.names(), columns, strict=True)))


def _removed(
    places: Iterable[pl.DataFrame],
    digests: Digests,
    several: npt.NDArray[np.bool_],
    fates: pl.DataFrame,
    source_order: Sequence[str],
) -> pl.DataFrame:
    """The documents that are removed, given the contents that stand at several places or double others.

    Contents that belong together are looked at together, and not many of those at a time, for what Polars needs to join
    strings it keeps.
    """
    index, stays = numbered(digests), np.arange(len(digests), dtype=np.int32)
    stays[fates.get_column("content_digest").to_numpy()] = fates.get_column("kept_digest").to_numpy()
    none = pl.DataFrame(schema={**dict.fromkeys(PLACE, pl.String), "content_digest": pl.Int32})
    parts = [none.to_arrow(compat_level=pl.CompatLevel.oldest())]
    for part in places:
        at = index.places_of(digests_of(part.get_column("content_digest")))
        found = part.select(PLACE).with_columns(content_digest=at).filter(pl.Series(several[at]))
        parts.append(found.to_arrow(compat_level=pl.CompatLevel.oldest()))  # a copy: views would hold the whole part
    touched = pl.DataFrame(pa.concat_tables(parts))
    del index, parts
    block = pl.Series(stays[touched.get_column("content_digest").to_numpy()] // CHUNK)
    fate_block = pl.Series(stays[fates.get_column("content_digest").to_numpy()] // CHUNK)
    blocks = [
        removed_documents(touched.filter(block == number), fates.filter(fate_block == number), source_order)
        for number in range(-(-len(digests) // CHUNK))
    ]
    return pl.concat([DUPLICATES.to_frame(), *blocks]).sort("doc_id")


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
    columns = [*_named(digests, pairs.T), pl.Series(measured)]
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
