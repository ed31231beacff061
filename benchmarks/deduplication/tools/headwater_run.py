"""Headwater with its defaults, from texts to duplicates in one call: every candidate is verified before anything is removed."""

# ruff: noqa: E402
import gc

gc.disable()  # what is imported is never garbage, and to look through it again and again is a seventh of an empty run

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.allocators import share_with_arrow
from curation.deduplication import DeduplicationSettings, find_duplicates_in

gc.freeze()
gc.enable()

NAME = "content_digest"


def rows_of(corpus):
    """The rows of a corpus, a row group at a time, with their places; none is held when the next is read. A group is decoded in
    pieces, for Arrow doubles the room of a column of texts until all fit, and the machine has to clear it."""
    file = pq.ParquetFile(corpus)
    for group in range(file.num_row_groups):
        pieces = file.iter_batches(batch_size=1_000, row_groups=[group], use_threads=False)
        yield with_places(pa.Table.from_batches(pieces).combine_chunks())


def with_places(rows):
    """Rows whose doc_id is a name, by which they sort as by number, of one source."""
    numbers = pl.Series(rows["doc_id"]).to_numpy()
    place = [named(numbers), *(repeated(name, len(rows)) for name in (b"documentation", b"doc_id"))]
    texts = [rows[name].chunk(0) for name in (NAME, "text")]
    return pa.RecordBatch.from_arrays([*place, *texts], ["doc_id", "source", "locator", NAME, "text"])


def named(numbers):
    """Numbers in nine digits."""
    digits = np.empty((len(numbers), 9), np.uint8)
    for place in range(9):
        digits[:, 8 - place] = numbers // 10**place % 10 + ord("0")
    return strings(digits)


def repeated(name, n):
    """One name for all rows; `pyarrow.repeat` would import pandas first."""
    return strings(np.tile(np.frombuffer(name, np.uint8), (n, 1)))


def strings(characters):
    """The rows of a matrix of ASCII."""
    n, width = characters.shape
    offsets = np.arange(0, width * n + 1, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), n, [None, pa.py_buffer(offsets), pa.py_buffer(characters)])


if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    share_with_arrow()
    outcome = find_duplicates_in(rows_of(corpus), DeduplicationSettings(), ["documentation"])
    found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
