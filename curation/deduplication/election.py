"""Who stays: contents in the order of the policy, each kept unless a kept one before it is its near-duplicate.

So a dropped content is always verified against the one that stays in its stead, there are no chains, and the answer is a
function of the set of contents alone. Only contents that share a band with another form are fetched, in one pass; they
are decided component by component of the graph of shared bands, a bounded number of bytes at a time; only a component
that is larger than that is held as a whole. Many copies of one text cost one comparison each, for only kept contents are compared with.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication import pair_kernels
from curation.deduplication.candidates import Fetch
from curation.deduplication.forms import Forms, forms_of
from curation.deduplication.settings import DeduplicationSettings
from curation.deduplication.spilling import spilled
from records import Progress, silent

Indices = npt.NDArray[np.int32]


class Election(NamedTuple):
    """By number of content: the one that stays in its stead (-1: it stays itself), and how similar that is (0 if none).

    The pairs (one a row) are all that were verified: a content, a kept content before it; their Jaccard similarity.
    """

    kept: Indices
    similarity: npt.NDArray[np.float64]
    pairs: Indices
    jaccard: npt.NDArray[np.float64]


def elect(
    contents: pl.DataFrame, fetch: Fetch, settings: DeduplicationSettings, progress: Progress = silent
) -> Election:
    """Decide on contents (content_digest, normal_digest, n_characters, bands) that stand in the order of the policy."""
    forms = forms_of(contents, settings.signature.bands)
    n_forms = len(forms.first)
    kept, similarity = np.full(len(contents), -1, np.int32), np.zeros(len(contents))
    heads, kept_of_form = np.full(forms.n_buckets, -1, np.int32), np.full(n_forms, -1, np.int32)
    starts, sizes = np.zeros(n_forms, np.int64), np.zeros(n_forms, np.int64)
    batches = _batches(forms, contents.get_column("n_characters"), settings.fetch_bytes)
    verified, done = [], 0
    with spilled(fetch, _wanted(contents, forms, batches), settings.signature) as sets_of:
        for number, batch in enumerate(batches):
            own, sets = sets_of(number)
            starts[own], sizes[own] = sets.starts, sets.sizes
            verified.append(
                pair_kernels.elect(
                    batch.rows,
                    forms.of,
                    forms.buckets,
                    heads,
                    kept_of_form,
                    starts,
                    sizes,
                    sets.hashes,
                    settings.threshold,
                    kept,
                    similarity,
                )
            )
            done += len(batch.rows)
            progress(done, len(contents), "contents")
    pairs, jaccard = (np.concatenate(column) for column in zip(*verified, strict=True))
    return Election(kept, similarity, pairs, jaccard)


def _wanted(contents: pl.DataFrame, forms: Forms, batches: Sequence[_Batch]) -> pl.DataFrame:
    """The contents whose texts are to be compared, each form by its first: content_digest, form and batch."""
    own = np.concatenate([batch.forms for batch in batches])
    numbers = np.repeat(np.arange(len(batches), dtype=np.int32), [len(batch.forms) for batch in batches])
    digests = contents.get_column("content_digest").gather(forms.first[own])
    return pl.DataFrame({"content_digest": digests, "form": own, "batch": numbers})


class _Batch(NamedTuple):
    rows: Indices
    forms: Indices


def _batches(forms: Forms, characters: pl.Series, fetch_bytes: int) -> list[_Batch]:
    """The contents by component, about `fetch_bytes` of text together; first those with nothing to verify."""
    n = len(forms.first)
    component = np.empty(n, np.int32)
    pair_kernels.components(forms.buckets, forms.n_buckets, component)
    candidate = np.any(forms.buckets >= 0, axis=1)
    sizes = np.where(candidate, characters.fill_null(0).to_numpy()[forms.first], 0)
    size_of_component = np.bincount(component, sizes, minlength=n)
    before = np.cumsum(size_of_component) - size_of_component
    batch_of_form = np.where(candidate, 1 + before[component] // fetch_bytes, 0).astype(np.int64)
    return [
        _Batch(rows.astype(np.int32), members[candidate[members]].astype(np.int32))
        for rows, members in zip(_split(batch_of_form[forms.of]), _split(batch_of_form), strict=True)
    ] or [_Batch(np.empty(0, np.int32), np.empty(0, np.int32))]


def _split(keys: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """The positions of each key, in order, by key."""
    order = np.argsort(keys, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1) if len(part)]
