"""Headwater's language of every document."""

import sys

import polars as pl
import pyarrow.parquet as pq

from curation.language import LanguageSettings, language

file, parts = pq.ParquetFile(sys.argv[1]), []
for group in range(file.num_row_groups):
    for batch in file.read_row_group(group).combine_chunks().to_batches():
        parts.append(pl.DataFrame(pl.from_arrow(language(batch, LanguageSettings()))))
pl.concat(parts).write_parquet(sys.argv[2])
