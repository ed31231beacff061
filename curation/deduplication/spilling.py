"""Shingle sets of candidates, read once: all texts in one pass over their table, kept on disk until they are compared.

Candidates that share a band may stand anywhere in a table, so to fetch them component by component would decode all of
it for each handful. They are fetched in the table's own order instead, and their shingles, eight bytes a word, go to a
temporary file for each batch of components, which is read back whole when the batch is decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from tempfile import TemporaryFile
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from curation.deduplication.candidates import Fetch
from curation.deduplication.settings import SignatureSettings
from curation.deduplication.shingles import ShingleSets, shingle_sets

Ints = npt.NDArray[np.int64]


class FormSets(NamedTuple):
    """Forms, and the shingle set of each: hashes[starts[i] : starts[i] + sizes[i]], sorted."""

    forms: Ints
    sets: ShingleSets


class _Written(NamedTuple):
    file: BinaryIO
    forms: list[Ints]
    sizes: list[Ints]


@contextmanager
def spilled(fetch: Fetch, wanted: pl.DataFrame, settings: SignatureSettings) -> Iterator[Callable[[int], FormSets]]:
    """The function that gives the sets of a batch, of those `wanted`: content_digest, form and batch (from 0 on).

    Raises LookupError for a content whose text is not there.
    """
    wanted = wanted.sort("content_digest")
    with ExitStack() as stack:
        n_batches = int(wanted.get_column("batch").max() or 0) + 1 if len(wanted) else 0  # type: ignore[arg-type]
        batches = [_Written(stack.enter_context(TemporaryFile()), [], []) for _ in range(n_batches)]
        left = len(wanted)
        for rows in fetch(wanted.get_column("content_digest")) if len(wanted) else ():
            left -= _write(rows, wanted, batches, settings)
        if left:
            _raise_missing(wanted, batches)
        yield lambda number: _read(batches[number]) if number < n_batches else _NONE


_NONE = FormSets(
    np.empty(0, np.int64), ShingleSets(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int64))
)


def _write(rows: pl.DataFrame, wanted: pl.DataFrame, batches: list[_Written], settings: SignatureSettings) -> int:
    """Write the sets of some contents, each to its batch: how many."""
    places = wanted.get_column("content_digest").search_sorted(rows.get_column("content_digest"))
    found = wanted.select("form", "batch")[places].with_columns(rows.get_column("text")).sort("batch")
    sets = shingle_sets(found.get_column("text").to_arrow(), settings)
    forms, batch = (found.get_column(name).to_numpy() for name in ("form", "batch"))
    ends = sets.starts + sets.sizes
    edges = np.flatnonzero(np.diff(batch, prepend=-1, append=-1)).tolist()
    for first, last in pairwise(edges):
        written = batches[batch[first]]
        written.file.write(sets.hashes[sets.starts[first] : ends[last - 1]].data)
        written.forms.append(forms[first:last].astype(np.int64))
        written.sizes.append(sets.sizes[first:last])
    return len(found)


def _read(written: _Written) -> FormSets:
    written.file.seek(0)
    hashes = np.fromfile(written.file, np.uint64)
    sizes = np.concatenate([_NONE.forms, *written.sizes])
    return FormSets(np.concatenate([_NONE.forms, *written.forms]), ShingleSets(hashes, np.cumsum(sizes) - sizes, sizes))


def _raise_missing(wanted: pl.DataFrame, batches: list[_Written]) -> None:
    found = pl.Series("form", np.concatenate([part for batch in batches for part in batch.forms] or [_NONE.forms]))
    missing = wanted.filter(~pl.col("form").is_in(found.implode())).item(0, "content_digest")
    raise missing_text(missing)


def missing_text(content: str) -> LookupError:
    """What is wrong where evidence and texts are not of the same contents."""
    return LookupError(f"content {content} has a signature but no text; compute signatures of the contents at hand")
