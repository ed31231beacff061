"""Forms: normalised texts, numbered, with the buckets of other forms that each may be similar to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import band_kernels, pair_kernels
from curation.deduplication.digest_index import slots_for
from curation.deduplication.numbering import Digests, Indices
from records import large_binary


class Forms(NamedTuple):
    """The forms of some contents, numbered by the first content of each.

    of: the form of each content. first: the first content of each form. buckets: one number for each form and band, -1
    where no other form is in it; `n_buckets` of them.
    """

    of: npt.NDArray[np.int32]
    first: npt.NDArray[np.int32]
    buckets: npt.NDArray[np.int32]
    n_buckets: int


def forms_of(signatures: pl.DataFrame, bands: int) -> Forms:
    """The forms of contents that stand in the order of the policy."""
    names = signatures.select(name=pl.coalesce("normal_digest", "content_digest")).with_row_index("row")
    firsts = names.unique("name", keep="first", maintain_order=True).with_row_index("form")
    of = names.join(firsts.select("name", "form"), on="name", how="left", maintain_order="left").get_column("form")
    first = firsts.get_column("row").to_numpy().astype(np.int32)
    hashes, has_bands = band_matrix(signatures.get_column("bands").gather(first), bands)
    buckets = np.empty(hashes.shape, np.int32)
    n_buckets = pair_kernels.bucket_numbers(hashes, has_bands, buckets, np.empty(slots_for(len(hashes)), np.uint64))
    return Forms(of.to_numpy().astype(np.int32), first, buckets, n_buckets)


def numbered_forms(order: Indices, forms: Digests) -> tuple[Indices, Indices]:
    """The form of each content, numbered as they come in `order`, and the first content of each form, given the digest of the
    normalised text of each content."""
    form_of, first = np.empty_like(order), np.empty_like(order)
    table = np.full(slots_for(len(order)), -1, np.int32)
    return form_of, first[: band_kernels.number_forms(order, *forms, form_of, first, table)]


def band_matrix(column: pl.Series, bands: int) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
    """The band hashes of each row, and whether it has any."""
    array = large_binary(column.fill_null(b""))
    has_bands = column.bin.size().fill_null(0).to_numpy() > 0
    hashes = np.zeros((len(column), bands), np.uint32)
    if not has_bands.any():
        return hashes, has_bands
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].view("<u4")
    if len(flat) != bands * int(has_bands.sum()):
        raise ValueError(
            f"signatures: the column bands holds {len(flat)} band hashes for {int(has_bands.sum())} contents, where the "
            f"settings say {bands} each; compute the signatures with the settings of this deduplication"
        )
    hashes[has_bands] = flat.reshape(-1, bands)
    return hashes, has_bands
