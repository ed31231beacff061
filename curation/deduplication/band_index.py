"""Who shares a band or a normalised text with whom: the signatures of a corpus in memory, 100 bytes a content."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.forms import band_matrix
from curation.deduplication.survivors import FORM

CHUNK = 1 << 16
"""Signatures that are decoded at a time."""


class BandIndex(NamedTuple):
    """The contents in the order of their table, with their bands, and a hash of the name of their form."""

    digests: pl.Series
    bands: npt.NDArray[np.uint32]
    has_bands: npt.NDArray[np.bool_]
    forms: pl.Series

    def sharing(self, contents: pl.Series) -> pl.Series:
        """The contents that share a band or a form with one of these, themselves included. Chance meetings may be in it."""
        own = self.digests.is_in(contents.implode())
        sharing = (own | self.forms.is_in(self.forms.filter(own).unique().implode())).to_numpy().copy()
        pair_kernels.mark_sharing(self.bands[own.to_numpy() & self.has_bands], self.bands, self.has_bands, sharing)
        return self.digests.filter(pl.Series(sharing))


def band_index(signatures: pl.LazyFrame, bands: int) -> BandIndex:
    """The index of a table of signatures."""
    n = signatures.select(pl.len()).collect().item()
    hashes, has_bands = np.empty((n, bands), np.uint32), np.empty(n, np.bool_)
    parts = []
    for start in range(0, n, CHUNK):
        rows = signatures.slice(start, CHUNK).select("content_digest", "bands", form=FORM.hash()).collect()
        stop = start + len(rows)
        hashes[start:stop], has_bands[start:stop] = band_matrix(rows.get_column("bands"), bands)
        parts.append(rows.drop("bands"))
    names = pl.concat(parts) if parts else pl.DataFrame(schema={"content_digest": pl.String, "form": pl.UInt64})
    return BandIndex(names.get_column("content_digest"), hashes, has_bands, names.get_column("form"))
