"""All of deduplication in one call: from documents and signatures to the documents that are removed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import numpy as np
import polars as pl
import pyarrow as pa

from curation.blocks import parts_of
from curation.deduplication.candidates import SIGNATURE, Corpus, Fetch
from curation.deduplication.evidence import signatures_and_shingles
from curation.deduplication.incremental import NOTHING, update_duplicates
from curation.deduplication.memory import give_back
from curation.deduplication.numbering import digests_of, distinct, numbered
from curation.deduplication.scratch import aligned, scratch
from curation.deduplication.set_sources import KeptShingles
from curation.deduplication.settings import DeduplicationSettings, SignatureSettings
from curation.deduplication.whole import decide_whole
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
    """The documents that double another: the table `DUPLICATES` by doc_id, beside it `survivors` and all verified `pairs`.

    `contents` holds content_digest and text, `places` doc_id, source, locator and content_digest, `signatures` the
    evidence for each content (one without is a duplicate only of its own digest). A document is "exact" if it stands at
    another place of the same normalised text, and "near" if its content is dropped for one whose true Jaccard
    similarity reaches the threshold; `kept_id` is the first place of the content that stays. `evidence` has the further
    tables that the policy looks at (`settings.evidence`). Unit: documents.
    """
    ranking = {name: table.lazy() for name, table in evidence.items()}
    corpus = Corpus(places.lazy(), signatures.lazy(), source_order, fetching(contents), ranking)
    update = update_duplicates(None, corpus, NOTHING, settings, progress)
    return _outcome(update.duplicates.added, update.survivors.added, update.pairs.added, places.lazy())


def find_duplicates_in(
    batches: Iterable[pa.RecordBatch],
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """What `find_duplicates` finds, from texts alone, each of which is read once: no table of signatures is needed or left.

    The batches hold doc_id, source, locator, content_digest and text, and date if the policy asks for the newest. One is
    held at a time; places, signatures and shingles wait in temporary files, some 150 bytes a document and 8 a word.
    """
    with TemporaryDirectory() as name, scratch(BLOCK) as file:
        shingles = KeptShingles(file)
        folder = Path(name)
        _keep(batches, settings.signature, folder, shingles)
        give_back()
        places, signed = _scanned(folder, "places", PLACES), _scanned(folder, "signatures", SIGNATURE)
        ranking = {name: table.lazy() for name, table in evidence.items()}
        corpus = Corpus(places, signed, source_order, lambda _: (), ranking)
        return _outcome(*decide_whole(corpus, settings, progress, shingles), places)


def _keep(batches: Iterable[pa.RecordBatch], settings: SignatureSettings, folder: Path, shingles: KeptShingles) -> None:
    """Write places and signatures of all batches to a folder, and keep their shingles."""
    room = aligned(0)
    for number, batch in enumerate(batches):
        found, own = signatures_and_shingles(batch, settings, room)
        room = own.hashes
        shingles.add(digests_of(pl.Series(batch["content_digest"])), own)
        for name, part in (("signatures", found), ("places", batch.drop_columns(["text"]))):
            with pa.ipc.new_file(folder / f"{name}-{number:09}.arrow", part.schema) as written:
                written.write(part)


def _scanned(folder: Path, name: str, columns: Mapping[str, type[pl.DataType]]) -> pl.LazyFrame:
    """The parts of a table, or none of its rows."""
    files = sorted(folder.glob(f"{name}-*.arrow"))
    return pl.scan_ipc(files) if files else pl.LazyFrame(schema=columns)


PLACES = dict.fromkeys(("doc_id", "source", "locator", "content_digest"), pl.String)
BLOCK = 256 << 10
"""Bytes of shingles that are written at a time."""


def _outcome(table: pl.DataFrame, survivors: pl.DataFrame, pairs: pl.DataFrame, places: pl.LazyFrame) -> Outcome:
    counts = {kind: int(table.get_column("kind").eq(kind).sum()) for kind in ("exact", "near")}
    n_places = places.select(pl.len()).collect().item()
    return Outcome(
        table,
        kept=n_places - len(table),
        dropped={kind: count for kind, count in counts.items() if count},
        others={"survivors": survivors, "pairs": pairs},
        notes={"contents dropped": len(survivors), "pairs verified": len(pairs)},
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
