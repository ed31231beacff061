"""Documents of about 5 KB, as many as are wanted: sections of real text joined by threes, of which the same stands in many.

Two documents that have one section in common are far from near, as pages of one site are. Every twentieth document is a
copy of one of all those before it: cut at its end by up to three tenths, or whole. Nothing is held but the sections and
the documents of a row group, so the size is a matter of disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.deduplication.sections import sections

ROW_GROUP = 4_000
FILE_ROWS = 250_000
SECTIONS = 3
COPIES = 0.05
WHOLE_COPIES = 0.2  # of the copies
MOST_CUT = 0.3


def write_long_documents(size: int, seed: int, cache: Path, folder: Path) -> int:
    """Write `size` documents as Parquet files (column text) into a folder; the same for the same seed. Gives bytes of text."""
    texts = pl.read_parquet(sections(cache), columns=["text"]).get_column("text")
    draw = np.random.default_rng(seed)
    chosen = draw.integers(0, len(texts), (size, SECTIONS), dtype=np.int32)
    kept = _copied(chosen, draw)
    total = 0
    schema = pa.schema({"text": pa.large_string()})
    for start in range(0, size, FILE_ROWS):
        end = min(start + FILE_ROWS, size)
        with pq.ParquetWriter(folder / f"part-{start // FILE_ROWS:04}.parquet", schema, compression="zstd") as writer:
            for rows in _groups(texts, chosen, kept, start, end):
                total += int(rows.str.len_bytes().sum())
                writer.write_table(pa.table({"text": rows.to_arrow(compat_level=pl.CompatLevel.oldest())}, schema))
    return total


def _copied(chosen: npt.NDArray[np.int32], draw: np.random.Generator) -> npt.NDArray[np.float64]:
    """Make copies of some documents, in place; the share of its characters that each document keeps."""
    size = len(chosen)
    kept = np.ones(size)
    copies = np.flatnonzero(draw.random(size) < COPIES)[1:]
    kept[copies] -= MOST_CUT * draw.random(len(copies)) * (draw.random(len(copies)) >= WHOLE_COPIES)
    for copy, place in zip(copies, draw.random(len(copies)), strict=True):
        chosen[copy] = chosen[int(place * copy)]
    return kept


def _groups(
    texts: pl.Series, chosen: npt.NDArray[np.int32], kept: npt.NDArray[np.float64], start: int, end: int
) -> Iterator[pl.Series]:
    for first in range(start, end, ROW_GROUP):
        rows = slice(first, min(first + ROW_GROUP, end))
        parts = {f"part_{i}": texts.gather(chosen[rows, i]) for i in range(SECTIONS)}
        frame = pl.DataFrame(parts | {"kept": kept[rows]})
        joined = pl.concat_str(*parts, separator="\n\n")
        length = (joined.str.len_chars() * pl.col("kept")).ceil().cast(pl.UInt32)
        yield frame.select(pl.when(pl.col("kept") < 1).then(joined.str.slice(0, length)).otherwise(joined)).to_series()
