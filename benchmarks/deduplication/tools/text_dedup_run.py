"""text-dedup: its command with its defaults (250 values in bands of its own choice, runs of five), a threshold of 0.8."""

import sys

import numpy as np
import pyarrow.parquet as pq
from datasets import load_from_disk
from text_dedup.minhash import main

if __name__ == "__main__":
    corpus, answer = sys.argv[1:]
    options = {"path": "parquet", "data_files": corpus, "split": "train", "cache_dir": "cache", "output": "kept"}
    options |= {"column": "text", "ngram": "5", "threshold": "0.8", "batch_size": "10000", "num_proc": "2"}
    main([part for name, value in options.items() for part in (f"--{name}", value)], standalone_mode=False)
    kept = np.array(load_from_disk("kept")["doc_id"])
    total = pq.read_metadata(corpus).num_rows
    removed = np.setdiff1d(np.arange(total), kept)
    np.savez(answer, removed=removed, kept=np.full(len(removed), -1, np.int64))
