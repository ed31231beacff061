"""What one hundredth of new documents costs, with the tables of the others and their indexes on disk.

    headwater_update.py part corpus.parquet state        the last hundredth is parted from the others
    headwater_update.py build corpus.parquet state       the tables of the others, as files
    headwater_update.py update corpus.parquet state      the last hundredth comes
    headwater_update.py answer corpus.parquet state      which documents are removed then

The update reads and signs the new documents, writes them, their rows and the index of these beside the others, brings the
tables of deduplication up to date and writes what changes. Rows lie in uncompressed Arrow files, of which only the pages
that are wanted are read, and texts one behind the other in a file: each is found by the number of its document.
"""

import os
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
from headwater_run import rows_of

from curation.allocators import keep_for_the_next, share_with_arrow
from curation.deduplication import DeduplicationSettings, signatures
from curation.deduplication.corpus import SIGNATURE, Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import NOTHING, Moved, State, update_duplicates
from curation.deduplication.lookups import asked, indexed
from curation.deduplication.numbering import digests_of, numbered
from curation.deduplication.signature_rows import digests_in, numbers_of
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS
from curation.deduplication.texts import texts_of as buffers_of
from curation.row_index import IndexedFile, Layout, RowIndex

SETTINGS = DeduplicationSettings()
SCHEMAS = {
    "duplicates": DUPLICATES,
    "survivors": SURVIVORS,
    "pairs": PAIRS,
    "documents": pl.Schema(
        dict.fromkeys(["doc_id", "source", "locator", "content_digest"], pl.String) | {"row": pl.Int64}
    ),
    "signatures": pl.Schema(SIGNATURE),
}
FOUND_BY = {
    "duplicates": ("doc_id",),
    "survivors": ("content_digest", "kept_digest"),
    "pairs": ("content_digest", "kept_digest"),
    "documents": ("content_digest",),
    "signatures": ("content_digest", "normal_digest"),
}
PIECES = {"signatures": ("bands",)}
CORPUS = ("documents", "signatures")
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


def written(batches, state, part):
    """Sign the documents of a part, and write their texts and the rows of their tables, of signatures the new ones; all rows."""
    parts, sizes = [], []
    with texts_file(state, part).open("wb") as file:
        for batch in batches:
            texts = buffers_of(batch["text"])
            file.write(texts.data[texts.offsets[0] : texts.offsets[-1]])
            sizes.append(np.diff(texts.offsets))
            parts.append((signatures(batch, SETTINGS.signature), batch.drop_columns("text")))
    np.save(bounds_file(state, part), np.concatenate([[0], *sizes]).cumsum())
    signed, places = (pl.DataFrame(pl.from_arrow(pa.Table.from_batches(column))) for column in zip(*parts, strict=True))
    first = sum(file.height for file in found(state, "documents", range(part)).files) if part else 0
    fresh = signed["content_digest"].is_first_distinct()
    if part:
        names = digests_of(signed["content_digest"])
        known = found(state, "signatures", range(part)).rows("content_digest", asked(names), ("content_digest",))
        fresh &= pl.Series(numbered(digests_in(known["content_digest"])).places_of(names) < 0)
    tables = {
        "signatures": signed.filter(fresh),
        "documents": places.with_row_index("row", first).cast({"row": pl.Int64}),
    }
    for name, rows in tables.items():
        write(state, name, part, rows)
    return tables


def texts_file(state, part):
    """Where the texts of a part lie, in the order of its documents, one behind the other."""
    return state / f"texts-{part}"


def bounds_file(state, part):
    """Where each of them begins, and the last one ends."""
    return state / f"texts-{part}.npy"


def texts_of(documents, state, parts):
    """The texts of contents, from where they lie on disk."""
    bounds = [np.load(bounds_file(state, part), "r") for part in parts]
    ends = np.cumsum([len(own) - 1 for own in bounds])

    def texts(wanted):
        rows = documents.rows("content_digest", asked(wanted), ("content_digest", "row"))
        at, first = np.unique(numbered(wanted).places_of(digests_in(rows["content_digest"])), return_index=True)
        number = numbers_of(rows["row"], np.int64)[first]
        of = np.searchsorted(ends, number, side="right")
        for part, own, end in zip(parts, bounds, ends, strict=True):
            here = of == part
            rows = number[here] - (end - len(own) + 1)
            yield wanted.at(at[here]), read(texts_file(state, part), own[rows], own[rows + 1] - own[rows])

    return texts


def read(place, starts, sizes):
    """Stretches of a file, as texts. Each is read, for to map it costs the kernel more."""
    ends = np.concatenate([[0], np.cumsum(sizes)])
    data = np.empty(ends[-1], np.uint8)
    room = data.data
    with place.open("rb", buffering=0) as file:
        for start, begin, end in zip(starts.tolist(), ends.tolist(), ends[1:].tolist(), strict=False):
            os.preadv(file.fileno(), [room[begin:end]], start)
    return pa.Array.from_buffers(pa.large_string(), len(sizes), [None, pa.py_buffer(ends), pa.py_buffer(data)])


def part(corpus, state):
    """A file of the documents that are there, and one of those that are to come."""
    rows = pl.read_parquet(corpus)
    n = len(rows) - max(1, len(rows) // 100)
    rows.head(n).write_parquet(state / "old.parquet", row_group_size=4_000)
    rows.slice(n).write_parquet(state / "new.parquet", row_group_size=4_000)


def build(state):
    """The state before."""
    batches = list(rows_of(state / "old.parquet"))
    documents, signed = (written(batches, state, 0)[name].lazy() for name in CORPUS)
    contents = pl.concat([pl.DataFrame(pl.from_arrow(batch.select(["content_digest", "text"]))) for batch in batches])
    whole = Corpus(documents, signed, ORDER, fetching(contents.unique("content_digest")))
    for name, change in zip(State._fields, update_duplicates(None, whole, NOTHING, SETTINGS), strict=True):
        write(state, name, 0, change.added)


def update(state):
    """What the documents that came change."""
    share_with_arrow()
    keep_for_the_next()
    came = written(rows_of(state / "new.parquet"), state, 1)["documents"]["content_digest"].unique()
    tables = {name: found(state, name, [0]) for name in State._fields}
    tables |= {name: found(state, name, [0, 1]) for name in CORPUS}
    documents, signed = (scanned(state, name, [0, 1]) for name in ("documents", "signatures"))
    corpus = Corpus(documents, signed, ORDER, lambda _: ())
    before = State(*(scanned(state, name, [0]) for name in State._fields))
    moved = Moved(came, NOTHING.documents)
    texts = texts_of(tables["documents"], state, [0, 1])
    changes = update_duplicates(before, corpus, moved, SETTINGS, lookups=indexed(tables, ()), texts=texts)
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
