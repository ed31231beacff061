"""Headwater with its defaults: signatures by row group, then every candidate verified before anything is removed."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.deduplication import DeduplicationSettings, find_duplicates, signatures

corpus, answer = sys.argv[1:]
settings = DeduplicationSettings()
file, evidence, ids, digests = pq.ParquetFile(corpus), [], [], []
for group in range(file.num_row_groups):
    rows = file.read_row_group(group).combine_chunks()
    evidence += [signatures(batch, settings.signature) for batch in rows.to_batches()]
    ids.append(pl.Series(rows["doc_id"]))
    digests.append(pl.Series(rows["content_digest"]))
doc_ids = pl.concat(ids).cast(pl.String).str.zfill(9)
places = pl.DataFrame({"doc_id": doc_ids, "content_digest": pl.concat(digests)})
places = places.with_columns(source=pl.lit("documentation"), locator="doc_id")
table = pl.DataFrame(pa.Table.from_batches(evidence))
outcome = find_duplicates(pl.scan_parquet(corpus), places, table, settings, ["documentation"])
found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
