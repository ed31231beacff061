"""What one hundredth of new documents costs, with the tables of the others and their indexes on disk.

    headwater_update.py part corpus.parquet state        the last hundredth is parted from the others
    headwater_update.py build corpus.parquet state       the tables of the others, as files
    headwater_update.py update corpus.parquet state      the last hundredth comes
    headwater_update.py answer corpus.parquet state      which documents are removed then

The update reads and signs the new documents, writes their rows and the index of these beside the others, brings the
tables of deduplication up to date and writes what changes. All lie in uncompressed Arrow files, of which only the pages
that are wanted are read.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from headwater_run import rows_of

from curation.deduplication import DeduplicationSettings, signatures
from curation.deduplication.corpus import SIGNATURE, Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import NOTHING, Moved, State, update_duplicates
from curation.deduplication.lookups import asked, indexed
from curation.deduplication.memory import keep_for_the_next
from curation.deduplication.numbering import digests_of, numbered
from curation.deduplication.signature_rows import digests_in
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS
from curation.row_index import IndexedFile, Layout, RowIndex

SETTINGS = DeduplicationSettings()
SCHEMAS = {
    "duplicates": DUPLICATES,
    "survivors": SURVIVORS,
    "pairs": PAIRS,
    "documents": pl.Schema(dict.fromkeys(["doc_id", "source", "locator", "content_digest"], pl.String)),
    "signatures": pl.Schema(SIGNATURE),
    "contents": pl.Schema({"content_digest": pl.String, "text": pl.String}),
}
FOUND_BY = {
    "duplicates": ("doc_id",),
    "survivors": ("content_digest", "kept_digest"),
    "pairs": ("content_digest", "kept_digest"),
    "documents": ("content_digest",),
    "signatures": ("content_digest", "normal_digest"),
    "contents": ("content_digest",),
}
PIECES = {"signatures": ("bands",)}


CORPUS = ("documents", "signatures", "contents")
ORDER = ["documentation"]


def file_of(state, name, part):
    """A file of a table, whose index holds all of it."""
    digests = tuple(column for column in SCHEMAS[name] if column.endswith("_digest"))
    layout = Layout(FOUND_BY[name], tuple(SCHEMAS[name]), PIECES.get(name, ()), digests)
    return IndexedFile(state / f"{name}-{part}.arrow", state, layout)


def write(state, name, part, rows):
    """Write rows of a table as a file of their own."""
    file_of(state, name, part).write(lambda _: rows)


def found(state, name, parts):
    """How rows of a table are found."""
    files = [file_of(state, name, part) for part in parts]
    return RowIndex(files, files[0].layout, SCHEMAS[name])


def scanned(state, name, parts):
    """The rows of a table, of which an update only asks how many there are."""
    return pl.concat([pl.scan_ipc(file_of(state, name, part).rows) for part in parts])


def written(corpus, state, part):
    """Sign the documents of a corpus, and write the rows of their tables, those by content where it is new; all tables."""
    given = [(batch, signatures(batch, SETTINGS.signature)) for batch in rows_of(corpus)]
    places, texts, signed = (
        pl.concat([pl.DataFrame(pl.from_arrow(rows.select(columns))) for rows in part])
        for part, columns in (
            ([batch for batch, _ in given], SCHEMAS["documents"].names()),
            ([batch for batch, _ in given], SCHEMAS["contents"].names()),
            ([found for _, found in given], SCHEMAS["signatures"].names()),
        )
    )
    fresh = signed["content_digest"].is_first_distinct()
    if part:
        names = digests_of(signed["content_digest"])
        known = found(state, "signatures", range(part)).rows("content_digest", asked(names), ("content_digest",))
        fresh &= pl.Series(numbered(digests_in(known["content_digest"])).places_of(names) < 0)
    tables = {"signatures": signed.filter(fresh), "documents": places, "contents": texts.filter(fresh)}
    for name, rows in tables.items():
        write(state, name, part, rows)
    return tables


def texts_of(contents):
    """The texts of contents, from where they lie in memory."""

    def texts(wanted):
        for rows in contents.rows("content_digest", asked(wanted), ("content_digest", "text")).to_batches():
            yield digests_in(rows["content_digest"]), rows["text"]

    return texts


def part(corpus, state):
    """A file of the documents that are there, and one of those that are to come."""
    rows = pl.read_parquet(corpus)
    n = len(rows) - max(1, len(rows) // 100)
    rows.head(n).write_parquet(state / "old.parquet", row_group_size=4_000)
    rows.slice(n).write_parquet(state / "new.parquet", row_group_size=4_000)


def build(state):
    """The state before."""
    documents, signed, contents = (written(state / "old.parquet", state, 0)[name].lazy() for name in CORPUS)
    whole = Corpus(documents, signed, ORDER, fetching(contents))
    for name, change in zip(State._fields, update_duplicates(None, whole, NOTHING, SETTINGS), strict=True):
        write(state, name, 0, change.added)


def update(state):
    """What the documents that came change."""
    keep_for_the_next()
    came = written(state / "new.parquet", state, 1)["documents"]["content_digest"].unique()
    tables = {name: found(state, name, [0]) for name in State._fields}
    tables |= {name: found(state, name, [0, 1]) for name in CORPUS}
    documents, signed = (scanned(state, name, [0, 1]) for name in ("documents", "signatures"))
    corpus = Corpus(documents, signed, ORDER, lambda _: ())
    before = State(*(scanned(state, name, [0]) for name in State._fields))
    moved = Moved(came, NOTHING.documents)
    changes = update_duplicates(
        before, corpus, moved, SETTINGS, lookups=indexed(tables, ()), texts=texts_of(tables["contents"])
    )
    for name, change in zip(State._fields, changes, strict=True):
        write(state, name, 1, change.added)
        change.removed.write_ipc(state / f"{name}-removed.arrow")


def answer(state):
    """The duplicates as they stand after the update."""
    before, came = (scanned(state, "duplicates", [part]).collect() for part in (0, 1))
    gone = pl.read_ipc(state / "duplicates-removed.arrow")
    found = pl.concat([before.join(gone, on="doc_id", how="anti"), came]).sort("doc_id")
    found = found.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(state / "answer.npz", removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())


if __name__ == "__main__":
    what, corpus, state = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if what == "part":
        part(corpus, state)
    else:
        {"build": build, "update": update, "answer": answer}[what](state)
