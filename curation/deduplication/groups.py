"""Groups of short texts that are near-duplicates, for splits: a copied function must not be on both sides (law 8).

Here transitive closure is right, where for dropping it is wrong: nothing is lost when two texts that are only linked
through a third fall on the same side, and something leaks when they do not.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from curation.deduplication import pair_kernels
from curation.deduplication.evidence import signatures
from curation.deduplication.forms import forms_of
from curation.deduplication.settings import GroupSettings
from curation.deduplication.shingles import shingle_sets

_TEXTS = 10_000
"""Texts that are signed at a time."""


def near_duplicate_groups(texts: pl.DataFrame, settings: GroupSettings) -> pl.DataFrame:
    """The group of each distinct content of `texts` (content_digest, text): columns content_digest, group, by digest.

    Two contents are in one group if their normalised texts are the same, or if they share a band of the sketch and
    their true Jaccard similarity reaches the threshold, or if both are in one group with a third. The group is named by
    its smallest digest. The order of the rows changes nothing.
    """
    contents = texts.select("content_digest", "text").unique("content_digest").sort("content_digest")
    evidence = _evidence(contents, settings)
    forms = forms_of(evidence, settings.signature.bands)
    parents = np.empty(len(forms.first), np.int32)
    candidates = np.flatnonzero((forms.buckets >= 0).any(axis=1))
    sets = shingle_sets(contents["text"].gather(forms.first[candidates]).to_arrow(), settings.signature)
    starts, sizes = np.zeros(len(parents), np.int64), np.zeros(len(parents), np.int64)
    starts[candidates], sizes[candidates] = sets.starts, sets.sizes
    room = pair_kernels.group_room(forms.buckets, forms.n_buckets)
    pair_kernels.group(forms.buckets, starts, sizes, sets.hashes, settings.threshold, room, parents)
    heads = forms.first[parents[forms.of]]
    return contents.select("content_digest", group=pl.col("content_digest").gather(heads))


def _evidence(contents: pl.DataFrame, settings: GroupSettings) -> pl.DataFrame:
    """The signatures, made of some texts at a time."""
    schema = pa.schema({"content_digest": pa.string(), "text": pa.large_string()})
    found = [signatures(pa.RecordBatch.from_pylist([], schema), settings.signature)]
    for some in contents.iter_slices(_TEXTS):
        table = some.to_arrow().cast(schema).combine_chunks()
        found += [signatures(batch, settings.signature) for batch in table.to_batches()]
    return pl.DataFrame(pl.from_arrow(pa.Table.from_batches(found)))
