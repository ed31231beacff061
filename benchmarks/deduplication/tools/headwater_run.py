"""Headwater with its defaults: signatures by row group, then every candidate verified before anything is removed."""

import sys

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from curation.deduplication import DeduplicationSettings, find_duplicates, signatures


def signed(corpus, settings):
    """The evidence of each content, and the places of all documents."""
    file, evidence, ids = pq.ParquetFile(corpus), [], []
    for group in range(file.num_row_groups):
        rows = file.read_row_group(group)
        evidence += [signatures(batch, settings.signature) for batch in rows.to_batches()]
        ids.append(pl.Series(rows["doc_id"]))
    table = pl.DataFrame(pa.Table.from_batches(evidence))
    name = pl.concat(ids).cast(pl.String).str.zfill(9)
    places = pl.DataFrame({"doc_id": name, "content_digest": table["content_digest"]})
    places = places.with_columns(source=pl.lit("documentation"), locator="doc_id")
    return table.filter(table["content_digest"].is_first_distinct()), places


if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    settings = DeduplicationSettings()
    table, places = signed(corpus, settings)
    outcome = find_duplicates(pl.scan_parquet(corpus), places, table, settings, ["documentation"])
    found = outcome.table.select(pl.col("doc_id", "kept_id").cast(pl.Int64))
    np.savez(answer, removed=found["doc_id"].to_numpy(), kept=found["kept_id"].to_numpy())
