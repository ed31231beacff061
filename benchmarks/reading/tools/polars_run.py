"""Polars alone: every file decoded and written as one Parquet table."""

import sys
from pathlib import Path

import polars as pl

folder = Path(sys.argv[1])
files = sorted(folder.iterdir())
read = pl.read_ndjson if files[0].suffix == ".jsonl" else pl.read_parquet
frame = pl.concat([read(file) for file in files])
frame.write_parquet(sys.argv[2], compression="zstd")
print(frame.height)
