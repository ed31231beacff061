"""Evaluation items in a Parquet file of texts: decontamination_run.py CORPUS ANSWER ITEMS."""

import sys

import polars as pl
import pyarrow.parquet as pq

from curation.decontamination import MatchSettings, contamination

corpus, answer, items = sys.argv[1:]
file, parts, sought = pq.ParquetFile(corpus), [], pl.read_parquet(items)
for group in range(file.num_row_groups):
    for batch in file.read_row_group(group, columns=["content_digest", "text"]).combine_chunks().to_batches():
        parts.append(pl.DataFrame(pl.from_arrow(contamination(batch, sought, MatchSettings()))))
pl.concat(parts).write_parquet(answer)
