"""What one hundredth of new documents costs, with the tables of the others on disk.

    headwater_update.py prepare corpus.parquet state     all but the last hundredth: their tables, as files
    headwater_update.py update corpus.parquet state      the last hundredth comes

The update reads and signs the new documents, writes their rows beside the others, brings the tables of deduplication up
to date and writes what changes. Texts lie in an uncompressed Arrow file, of which only the pages that are wanted are read.
"""

import sys
from pathlib import Path

import polars as pl
from headwater_run import signed

from curation.deduplication import DeduplicationSettings
from curation.deduplication.candidates import Corpus
from curation.deduplication.duplicates import fetching
from curation.deduplication.incremental import NOTHING, Moved, State, update_duplicates

SETTINGS = DeduplicationSettings()
TABLES = ("duplicates", "survivors", "pairs")


def written(corpus, state, part):
    """Sign the documents of a corpus, and write the rows of their tables, those by content where it is new: all contents."""
    table, places = signed(corpus, SETTINGS)
    contents = table["content_digest"]
    there = [pl.scan_ipc(state / f"signatures-{other}.arrow") for other in range(part)]
    for rows in there:
        known = rows.select("content_digest").filter(pl.col("content_digest").is_in(contents.implode())).collect()
        table = table.join(known, on="content_digest", how="anti")
    texts = pl.read_parquet(corpus, columns=["content_digest", "text"]).join(
        table.select("content_digest"), on="content_digest", how="semi"
    )
    table.write_ipc(state / f"signatures-{part}.arrow")
    places.write_ipc(state / f"places-{part}.arrow")
    texts.write_ipc(state / f"contents-{part}.arrow")
    return contents


def tables(state, parts):
    """The corpus, as it stands on disk."""

    def scanned(name):
        return pl.concat([pl.scan_ipc(state / f"{name}-{part}.arrow") for part in parts])

    return Corpus(scanned("places"), scanned("signatures"), ["documentation"], fetching(scanned("contents")))


def prepare(corpus, state):
    """The state before, and a file of the documents that are to come."""
    rows = pl.read_parquet(corpus)
    n = len(rows) - max(1, len(rows) // 100)
    rows.head(n).write_parquet(state / "old.parquet", row_group_size=4_000)
    rows.slice(n).write_parquet(state / "new.parquet", row_group_size=4_000)
    del rows
    written(state / "old.parquet", state, 0)
    update = update_duplicates(None, tables(state, [0]), NOTHING, SETTINGS)
    for name, change in zip(TABLES, update, strict=True):
        change.added.write_ipc(state / f"{name}.arrow")


def update(state):
    """What the documents that came change."""
    digests = written(state / "new.parquet", state, 1)
    before = State(*(pl.scan_ipc(state / f"{name}.arrow") for name in TABLES))
    moved = Moved(digests, NOTHING.documents)
    for name, change in zip(TABLES, update_duplicates(before, tables(state, [0, 1]), moved, SETTINGS), strict=True):
        change.added.write_ipc(state / f"{name}-added.arrow")
        change.removed.write_ipc(state / f"{name}-removed.arrow")


if __name__ == "__main__":
    what, corpus, state = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    prepare(corpus, state) if what == "prepare" else update(state)
