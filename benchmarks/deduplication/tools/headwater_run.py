"""Headwater with its defaults, from texts to duplicates in one call: every candidate is verified before anything is removed."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.deduplication import DeduplicationSettings, find_duplicates_in

NAME = "content_digest"
# What a batch leaves, the next one takes; Arrow's own pool gives it back each time.
pa.set_memory_pool(pa.system_memory_pool())


def rows_of(corpus):
    """The rows of a corpus, a row group at a time, with their places; none is held when the next is read."""
    file = pq.ParquetFile(corpus)
    for group in range(file.num_row_groups):
        yield with_places(file.read_row_group(group, use_threads=False).combine_chunks())


def with_places(rows):
    """Rows whose doc_id is a name, by which they sort as by number, of one source."""
    doc_id = named(pl.Series(rows["doc_id"]).to_numpy())
    place = [doc_id, *(pa.repeat(name, len(rows)) for name in ("documentation", "doc_id"))]
    texts = [rows[name].chunk(0) for name in (NAME, "text")]
    return pa.RecordBatch.from_arrays([*place, *texts], ["doc_id", "source", "locator", NAME, "text"])


def named(numbers):
    """Numbers in nine digits."""
    digits = np.empty((len(numbers), 9), np.uint8)
    for place in range(9):
        digits[:, 8 - place] = numbers // 10**place % 10 + ord("0")
    offsets = np.arange(0, 9 * len(numbers) + 1, 9, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(numbers), [None, pa.py_buffer(offsets), pa.py_buffer(digits)])


if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    outcome = find_duplicates_in(rows_of(corpus), DeduplicationSettings(), ["documentation"])
    found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
