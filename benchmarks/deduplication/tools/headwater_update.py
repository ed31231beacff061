"""What one hundredth of new documents costs, with the tables of the others and their indexes on disk.

    headwater_update.py prepare corpus.parquet state     all but the last hundredth: their tables, as files
    headwater_update.py update corpus.parquet state      the last hundredth comes

The update reads and signs the new documents, writes their rows and the index of these beside the others, brings the
tables of deduplication up to date and writes what changes. All lie in uncompressed Arrow files, of which only the pages
that are wanted are read.
"""

import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
from headwater_run import signed

from curation.deduplication import DeduplicationSettings
from curation.deduplication.candidates import SIGNATURE, Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import NOTHING, Moved, State, update_duplicates
from curation.deduplication.lookups import Lookups
from curation.deduplication.survivors import DUPLICATES, PAIRS, SURVIVORS
from row_index import IndexedFile, Layout, RowIndex

SETTINGS = DeduplicationSettings()
SCHEMAS = {
    "duplicates": DUPLICATES,
    "survivors": SURVIVORS,
    "pairs": PAIRS,
    "places": pl.Schema(dict.fromkeys(["doc_id", "source", "locator", "content_digest"], pl.String)),
    "signatures": pl.Schema(SIGNATURE),
    "contents": pl.Schema({"content_digest": pl.String, "text": pl.String}),
}
FOUND_BY = {
    "duplicates": ("doc_id",),
    "survivors": ("content_digest", "kept_digest"),
    "pairs": ("content_digest", "kept_digest"),
    "places": ("content_digest",),
    "signatures": ("content_digest", "normal_digest"),
    "contents": ("content_digest",),
}
PIECES = {"signatures": ("bands",)}


def indexed(state, name, part):
    """A file of a table, whose index holds all of it."""
    layout = Layout(FOUND_BY[name], tuple(SCHEMAS[name]), PIECES.get(name, ()))
    return IndexedFile(state / f"{name}-{part}.arrow", state, layout)


def write(state, name, part, rows):
    """Write rows of a table as a file of their own."""
    indexed(state, name, part).write(lambda _: rows)


def found(state, name, parts):
    """How rows of a table are found."""
    files = [indexed(state, name, part) for part in parts]
    return RowIndex(files, files[0].layout, SCHEMAS[name]).among


def written(corpus, state, part):
    """Sign the documents of a corpus, and write the rows of their tables, those by content where it is new: all contents."""
    with TemporaryDirectory(dir=state) as folder, chdir(folder):
        table, places = (rows.collect() for rows in signed(corpus, SETTINGS))
    table = table.unique("content_digest", keep="first", maintain_order=True)
    contents = table["content_digest"]
    places = places.select(SCHEMAS["places"].names())
    if part:
        known = found(state, "signatures", range(part))("content_digest", contents)
        table = table.join(known, on="content_digest", how="anti")
    texts = pl.read_parquet(corpus, columns=["content_digest", "text"]).join(
        table.select("content_digest"), on="content_digest", how="semi"
    )
    for name, rows in (("signatures", table), ("places", places), ("contents", texts)):
        write(state, name, part, rows)
    return contents


def tables(state, parts, fetch):
    """The corpus, as it stands on disk."""

    def scanned(name):
        return pl.concat([pl.scan_ipc(indexed(state, name, part).rows) for part in parts])

    return Corpus(scanned("places"), scanned("signatures"), ["documentation"], fetch or fetching(scanned("contents")))


def prepare(corpus, state):
    """The state before, and a file of the documents that are to come."""
    rows = pl.read_parquet(corpus)
    n = len(rows) - max(1, len(rows) // 100)
    rows.head(n).write_parquet(state / "old.parquet", row_group_size=4_000)
    rows.slice(n).write_parquet(state / "new.parquet", row_group_size=4_000)
    del rows
    written(state / "old.parquet", state, 0)
    update = update_duplicates(None, tables(state, [0], None), NOTHING, SETTINGS)
    for name, change in zip(State._fields, update, strict=True):
        write(state, name, 0, change.added)


def update(state):
    """What the documents that came change."""
    digests = written(state / "new.parquet", state, 1)
    before = State(*(pl.scan_ipc(indexed(state, name, 0).rows) for name in State._fields))
    duplicates, survivors, pairs = (found(state, name, [0]) for name in State._fields)
    places, signatures = (found(state, name, [0, 1]) for name in ("places", "signatures"))
    lookups = Lookups(duplicates, survivors, pairs, places, signatures)
    texts = found(state, "contents", [0, 1])
    corpus = tables(state, [0, 1], lambda names: [texts("content_digest", names)])
    moved = Moved(digests, NOTHING.documents)
    for name, change in zip(
        State._fields, update_duplicates(before, corpus, moved, SETTINGS, lookups=lookups), strict=True
    ):
        write(state, name, 1, change.added)
        change.removed.write_ipc(state / f"{name}-removed.arrow")


if __name__ == "__main__":
    what, corpus, state = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    prepare(corpus, state) if what == "prepare" else update(state)
