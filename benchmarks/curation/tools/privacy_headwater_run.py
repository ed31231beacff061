"""Find personal data in a Parquet file of texts; prints how many places of each kind, as JSON."""

import json
import sys

import polars as pl
import pyarrow.parquet as pq

from curation.privacy import FindSettings, personal_data
from curation.privacy.evidence import COUNTED

table = pq.read_table(sys.argv[1], columns=["content_digest", "text"])
counts = dict.fromkeys(COUNTED.values(), 0)
for batch in table.to_batches(max_chunksize=2_000):
    found = pl.DataFrame(pl.from_arrow(personal_data(batch, FindSettings())))
    for column in counts:
        counts[column] += int(found[column].sum())
print(json.dumps(counts))
