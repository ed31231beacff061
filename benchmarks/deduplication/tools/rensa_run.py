"""rensa: full-set R-MinHash of 128 values with its own choice of bands, candidates checked by the estimated similarity.

(Its quicker flags over a matrix mark every member of a group, the one to be kept as well.) It leaves words to its user:
here runs of five, as all others have them. It does not say which document a removed one doubles.
"""

import re
import sys

import numpy as np
import pyarrow.parquet as pq
from rensa import RMinHashDeduplicator

WORD = re.compile(r"\w+")


def shingles(text):
    words = WORD.findall(text.lower())
    return [" ".join(run) for run in zip(*(words[i:] for i in range(5)), strict=False)] or [" ".join(words)]


corpus, answer = sys.argv[1:]
seen = RMinHashDeduplicator(threshold=0.8, num_perm=128, use_lsh=True)
file, removed = pq.ParquetFile(corpus), []
for group in range(file.num_row_groups):
    rows = file.read_row_group(group, ["doc_id", "text"])
    ids = rows["doc_id"].to_pylist()
    kept = seen.add_pairs((str(i), shingles(text)) for i, text in zip(ids, rows["text"].to_pylist(), strict=True))
    removed += [i for i, is_kept in zip(ids, kept, strict=True) if not is_kept]
np.savez(answer, removed=np.array(removed, np.int64), kept=np.full(len(removed), -1, np.int64))
