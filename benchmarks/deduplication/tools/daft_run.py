"""daft: its normalisation and MinHash (120 values over runs of five words), then 20 bands of 6.

Daft has no step for bands and clusters; its tutorial writes them in daft, with a hundred rounds of joins. Polars and SciPy
do the same many times faster, and that is what stands here: connected components, of which the first document is kept.
"""

import sys

import daft
import numpy as np
import polars as pl
from daft import col
from daft.functions import minhash, normalize
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

corpus, answer = sys.argv[1:]
text = normalize(col("text"), remove_punct=True, lowercase=True, nfd_unicode=True, white_space=True)
signature = minhash(text, num_hashes=120, ngram_size=5, hash_function="xxhash")
table = daft.read_parquet(corpus).select(col("doc_id"), signature.alias("signature")).to_arrow()
ids = table["doc_id"].to_numpy()
hashes = np.concatenate([part.flatten().to_numpy() for part in table["signature"].chunks]).reshape(-1, 20, 6)
edges = []
for band in range(20):
    frame = pl.DataFrame({"at": np.arange(len(ids), dtype=np.int32), **{f"r{i}": hashes[:, band, i] for i in range(6)}})
    first = frame.select("at", first=pl.col("at").min().over([f"r{i}" for i in range(6)]))
    edges.append(first.filter(pl.col("at") != pl.col("first")).to_numpy())
joined = np.concatenate(edges)
graph = coo_array((np.ones(len(joined), np.bool_), (joined[:, 0], joined[:, 1])), shape=(len(ids), len(ids)))
_, component = connected_components(graph, directed=False)
named = pl.DataFrame({"id": ids, "kept": ids, "component": component})
fates = named.with_columns(pl.col("kept").min().over("component")).filter(pl.col("id") != pl.col("kept"))
np.savez(answer, removed=fates["id"].to_numpy(), kept=fates["kept"].to_numpy())
