"""All of deduplication in one call: from documents and signatures to the documents that are removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from curation.allocators import give_back, keep_for_the_next
from curation.blocks import height_of, parts_of
from curation.deduplication.corpus import SIGNATURE, Corpus, Fetch
from curation.deduplication.evidence import Signed, signed
from curation.deduplication.incremental import NOTHING, update_duplicates
from curation.deduplication.numbering import Digests, digests_in, digests_of, distinct, numbered
from curation.deduplication.scratch import aligned, scratch
from curation.deduplication.set_sources import KeptWords
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.texts import texts_of
from curation.deduplication.whole import decide_whole
from curation.deduplication.whole_corpus import PLACE, PlaceRows, Rows, SignatureRows, ranks_and_dates
from curation.pipelining import made_ahead
from records import Outcome, Progress, silent

FETCH_ROWS = 4_096
"""Rows of a table of texts that are looked through at a time."""


def find_duplicates(
    contents: pl.DataFrame | pl.LazyFrame,
    places: pl.DataFrame | pl.LazyFrame,
    signatures: pl.DataFrame | pl.LazyFrame,
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """The documents that double another: the table `DUPLICATES` by doc_id, beside it `survivors` and `pairs`.

    `contents` holds content_digest and text, `places` doc_id, source, locator and content_digest, `signatures` the
    evidence for each content (one without is a duplicate only of its own digest). A document is "exact" if it stands at
    another place of the same normalised text, and "near" if its content is dropped for one whose true Jaccard
    similarity reaches the threshold; `kept_id` is the first place of the content that stays. `evidence` has the further
    tables that the policy looks at (`settings.evidence`). Unit: documents.
    """
    ranking = {name: table.lazy() for name, table in evidence.items()}
    corpus = Corpus(places.lazy(), signatures.lazy(), source_order, fetching(contents), ranking)
    update = update_duplicates(None, corpus, NOTHING, settings, progress)
    return _outcome(update.duplicates.added, update.survivors.added, update.pairs.added, height_of(places.lazy()))


def find_duplicates_in(
    batches: Iterable[pa.RecordBatch],
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """What `find_duplicates` finds, from texts alone, each of which is read once: no table of signatures is needed or left.

    The batches hold doc_id, source, locator, content_digest and text, and date if the policy asks for the newest. One is
    held at a time, the next is made by a thread meanwhile, and some 150 bytes a document are held; places and words wait in
    temporary files, some 60 bytes a document and 4 a word.
    """
    with TemporaryDirectory() as name, scratch() as file:
        words, path = KeptWords(file), Path(name) / "places.arrow"
        rows = _keep(batches, settings, source_order, path, words)
        give_back()
        ranking = {name: table.lazy() for name, table in evidence.items()}
        empty = pl.LazyFrame(schema=PLACES), pl.LazyFrame(schema=SIGNATURE)
        corpus = Corpus(*empty, source_order, lambda _: (), ranking)
        return _outcome(*decide_whole(corpus, settings, progress, rows, words), rows.n_signatures)


def _keep(
    batches: Iterable[pa.RecordBatch],
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    path: Path,
    words: KeptWords,
) -> Rows:
    """The rows of all batches; their places go to a file, and their words to where these are kept."""
    columns = ["source", *(["date"] if "newest" in settings.policy else [])]
    places, signatures, room = list[PlaceRows](), list[SignatureRows](), aligned(0)
    keep_for_the_next()
    with ExitStack() as stack:
        file: pa.ipc.RecordBatchFileWriter | None = None
        for batch in made_ahead(batches):
            texts, place = texts_of(batch["text"]), batch.select(PLACE)
            found = signed(texts, settings.signature, room)
            room = found.words.hashes
            words.add(found.words)
            ranked = ranks_and_dates(_frame(batch, columns), source_order)
            places.append(PlaceRows(digests_in(batch["content_digest"]), *ranked))
            signatures.append(_signature_rows(places[-1].contents, found, texts.valid))
            file = file or stack.enter_context(pa.ipc.new_file(path, place.schema))
            file.write(place)
            del batch, texts, place  # before the next is read
    n_rows = sum(len(part.n_characters) for part in signatures)
    return Rows(_drained(places), _drained(signatures), n_rows, _read(path, file))


def _read(path: Path, written: pa.ipc.RecordBatchFileWriter | None) -> Iterator[pl.DataFrame]:
    """The places in a file, if any were written."""
    if written is None:
        return
    with pa.OSFile(str(path)) as file:
        batches = pa.ipc.open_file(file)
        for number in range(batches.num_record_batches):
            yield _frame(batches.get_batch(number), PLACE)


def _frame(batch: pa.RecordBatch, columns: Sequence[str]) -> pl.DataFrame:
    return pl.DataFrame(pa.Table.from_batches([batch.select(columns)]))


def _signature_rows(contents: Digests, found: Signed, valid: npt.NDArray[np.bool_]) -> SignatureRows:
    """What is kept of a batch; a null is a form of its own."""
    halves = zip(contents, found.digests.T, strict=True)
    forms = Digests(*(np.where(valid, normal, own) for own, normal in halves))
    return SignatureRows(contents, forms, found.n_characters, found.bands, found.words.counts > 0)


def _drained(parts: list[Part]) -> Iterator[Part]:
    """Some parts, none of which is held once the next is taken."""
    parts.reverse()
    while parts:
        yield parts.pop()


PLACES = dict.fromkeys(("doc_id", "source", "locator", "content_digest"), pl.String)
Part = TypeVar("Part")


def _outcome(table: pl.DataFrame, survivors: pl.DataFrame, pairs: pl.DataFrame, n_places: int) -> Outcome:
    counts = {kind: int(table.get_column("kind").eq(kind).sum()) for kind in ("exact", "near")}
    return Outcome(
        table,
        kept=n_places - len(table),
        dropped={kind: count for kind, count in counts.items() if count},
        others={"survivors": survivors, "pairs": pairs},
        notes={"contents dropped": len(survivors), "near pairs": len(pairs)},
    )


def fetching(contents: pl.DataFrame | pl.LazyFrame) -> Fetch:
    """The function that fetches texts from a table of contents, without holding the others, in one pass over it.

    Few are asked for where their rows are read, so that stretches of a file without one are not decoded; many are looked
    up part by part, since to ask for them there would number them anew for each stretch.
    """

    def fetch(digests: pl.Series) -> Iterator[pl.DataFrame]:
        rows = contents.lazy().select("content_digest", "text")
        if len(digests) <= FETCH_ROWS:
            wanted = pl.col("content_digest").is_in(digests.implode())
            yield rows.filter(wanted).collect(engine="streaming").unique("content_digest")
            return
        index = numbered(distinct(digests_of(digests)))
        seen = np.zeros(len(index.digests), np.bool_)
        for part in parts_of(rows, FETCH_ROWS):
            at = index.places_of(digests_of(part.get_column("content_digest")))
            there, first = np.unique(at, return_index=True)
            fresh = first[(there >= 0) & ~seen[there]]
            seen[at[fresh]] = True
            yield part[np.sort(fresh)]

    return fetch
