"""Who shares a band with whom, where no index says so: all signatures are looked through, a piece at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.digest_index import slots_for
from curation.deduplication.forms import band_matrix

CHUNK = 1 << 16
"""Signatures that are decoded at a time."""


def sharing_bands(signatures: pl.LazyFrame, bands: npt.NDArray[np.uint32]) -> pl.DataFrame:
    """The rows of `signatures` that share a band with a row of these."""
    parts = [signatures.head(0).collect()]
    if not len(bands):
        return parts[0]
    asked, table = np.ascontiguousarray(bands), np.zeros(slots_for(bands.size), np.uint64)
    for start in range(0, signatures.select(pl.len()).collect().item(), CHUNK):
        rows = signatures.slice(start, CHUNK).collect()
        sharing = np.zeros(len(rows), np.bool_)
        pair_kernels.mark_sharing(asked, *band_matrix(rows.get_column("bands"), bands.shape[1]), sharing, table)
        parts.append(rows.filter(pl.Series(sharing)))
    return pl.concat(parts)
