"""Who shares a band with whom, where no index says so: all signatures are looked through, a piece at a time."""

from __future__ import annotations

import numpy as np
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.forms import band_matrix

CHUNK = 1 << 16
"""Signatures that are decoded at a time."""


def sharing_bands(signatures: pl.LazyFrame, bands: pl.Series) -> pl.DataFrame:
    """The rows of `signatures` that share a band with one of these."""
    wanted = bands.filter(bands.bin.size() > 0)
    if wanted.is_empty():
        return signatures.head(0).collect()
    width = len(wanted[0]) // 4
    asked, _ = band_matrix(wanted, width)
    parts = [signatures.head(0).collect()]
    for start in range(0, signatures.select(pl.len()).collect().item(), CHUNK):
        rows = signatures.slice(start, CHUNK).collect()
        sharing = np.zeros(len(rows), np.bool_)
        pair_kernels.mark_sharing(asked, *band_matrix(rows.get_column("bands"), width), sharing)
        parts.append(rows.filter(pl.Series(sharing)))
    return pl.concat(parts)
