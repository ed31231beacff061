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
from curation.deduplication.numbering import Digests, Indices, digests_of, names_of, numbered
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
def spilled(
    fetch: Fetch, wanted: Digests, batch_of: Indices, settings: SignatureSettings
) -> Iterator[Callable[[int], FormSets]]:
    """The function that gives the sets of a batch (from 0 on), of the forms whose contents are `wanted`.

    Raises LookupError for a content whose text is not there.
    """
    with ExitStack() as stack:
        n_batches = int(batch_of.max()) + 1 if len(batch_of) else 0
        batches = [_Written(stack.enter_context(TemporaryFile()), [], []) for _ in range(n_batches)]
        index = numbered(wanted)
        for rows in fetch(names_of(wanted)) if len(wanted) else ():
            forms = index.places_of(digests_of(rows.get_column("content_digest")))
            _write(rows.get_column("text"), forms, batch_of[forms], batches, settings)
        _check_all_there(wanted, batches)
        yield lambda number: _read(batches[number])


_NONE = np.empty(0, np.int64)


def _write(
    texts: pl.Series, forms: Indices, batch_of: Indices, batches: list[_Written], settings: SignatureSettings
) -> None:
    """Write the sets of some forms, each to its batch."""
    order = np.argsort(batch_of, kind="stable")
    forms, batch_of = forms[order], batch_of[order]
    sets = shingle_sets(texts.gather(order).to_arrow(), settings)
    ends = sets.starts + sets.sizes
    edges = np.flatnonzero(np.diff(batch_of, prepend=-1, append=-1)).tolist()
    for first, last in pairwise(edges):
        written = batches[batch_of[first]]
        written.file.write(sets.hashes[sets.starts[first] : ends[last - 1]].data)
        written.forms.append(forms[first:last].astype(np.int64))
        written.sizes.append(sets.sizes[first:last])


def _read(written: _Written) -> FormSets:
    written.file.seek(0)
    hashes = np.fromfile(written.file, np.uint64)
    sizes = np.concatenate([_NONE, *written.sizes])
    return FormSets(np.concatenate([_NONE, *written.forms]), ShingleSets(hashes, np.cumsum(sizes) - sizes, sizes))


def _check_all_there(wanted: Digests, batches: list[_Written]) -> None:
    there = np.zeros(len(wanted), np.bool_)
    for batch in batches:
        for forms in batch.forms:
            there[forms] = True
    if not there.all():
        raise missing_text(names_of(wanted.at(np.flatnonzero(~there)[:1]))[0])


def missing_text(content: str) -> LookupError:
    """What is wrong where evidence and texts are not of the same contents."""
    return LookupError(f"content {content} has a signature but no text; compute signatures of the contents at hand")
