"""Headwater with its defaults: signatures by row group to a file, then every candidate verified before anything is removed.

As in a workspace, what was measured waits on disk, so neither step holds more than it must.
"""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.deduplication import DeduplicationSettings, find_duplicates, signatures

NAME = "content_digest"


def signed(corpus, settings):
    """The tables of signatures and of places, on disk."""
    file = pq.ParquetFile(corpus)
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group, use_threads=False)
        found = pa.Table.from_batches([signatures(batch, settings.signature) for batch in rows.to_batches()])
        names = pl.DataFrame({"doc_id": pl.Series(rows["doc_id"]).cast(pl.String).str.zfill(9)}).to_arrow()
        for name, part in (("signatures", found), ("places", names.append_column(NAME, rows[NAME]))):
            with pa.ipc.new_file(f"{name}-{group:06}.arrow", part.schema) as written:
                written.write(part)
    located = pl.scan_ipc("places-*.arrow").with_columns(source=pl.lit("documentation"), locator=pl.lit("doc_id"))
    return pl.scan_ipc("signatures-*.arrow"), located


if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    settings = DeduplicationSettings()
    table, places = signed(corpus, settings)
    outcome = find_duplicates(pl.scan_parquet(corpus), places, table, settings, ["documentation"])
    found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
