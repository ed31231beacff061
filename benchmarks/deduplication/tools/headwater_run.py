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
    """The rows of a corpus, a row group at a time, with their places."""
    file = pq.ParquetFile(corpus)
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, use_threads=False)
        number = pl.DataFrame({"doc_id": pl.Series(rows["doc_id"]).cast(pl.String).str.zfill(9)})
        place = number.with_columns(source=pl.lit("documentation"), locator=pl.lit("doc_id")).to_arrow()
        for name in (NAME, "text"):
            place = place.append_column(name, rows[name])
        yield from place.combine_chunks().to_batches()


if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    outcome = find_duplicates_in(rows_of(corpus), DeduplicationSettings(), ["documentation"])
    found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
