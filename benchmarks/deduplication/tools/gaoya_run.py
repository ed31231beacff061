"""gaoya: 20 bands of 6, candidates checked by the estimated similarity; words and runs of five by its own analyser.

Each document is looked up among those of the row groups before it and its own; it goes if one that is kept is found.
"""

import sys

import numpy as np
import pyarrow.parquet as pq
from gaoya.minhash import MinHashStringIndex

corpus, answer = sys.argv[1:]
index = MinHashStringIndex(
    hash_size=32,
    jaccard_threshold=0.8,
    num_bands=20,
    band_size=6,
    analyzer="word",
    lowercase=True,
    ngram_range=(5, 5),
    id_container="smallvec",
)
file, fate = pq.ParquetFile(corpus), {}
for group in range(file.num_row_groups):
    rows = file.read_row_group(group, ["doc_id", "text"])
    ids, texts = rows["doc_id"].to_pylist(), rows["text"].to_pylist()
    index.par_bulk_insert_docs(ids, texts)
    for i, similar in zip(ids, index.par_bulk_query(texts), strict=True):
        kept = next((other for other in similar if other < i and other not in fate), None)
        if kept is not None:
            fate[i] = kept
np.savez(answer, removed=np.array(list(fate), np.int64), kept=np.array(list(fate.values()), np.int64))
