"""What deduplication knows of a corpus: its places and its evidence, read only as far as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from curation.deduplication.ranking import POLICY_KEYS
from curation.deduplication.settings import EVIDENCE

Fetch = Callable[[pl.Series], Iterable[pl.DataFrame]]
"""From digests of contents to their rows (content_digest, text), in any order and in parts; none twice."""

SIGNATURE = {
    "content_digest": pl.String,
    "normal_digest": pl.String,
    "n_characters": pl.Int64,
    "n_shingles": pl.Int64,
    "bands": pl.Binary,
    "odd_sketch": pl.Binary,
}


class Corpus(NamedTuple):
    """The tables that deduplication reads.

    places: doc_id, source, locator, content_digest, and date if the policy asks for the newest. signatures: one row per
    content; one without is a duplicate only of its own digest. evidence: the tables that the policy's keys name
    (`settings.EVIDENCE`), by content; one without a row there ranks last by that key.
    """

    places: pl.LazyFrame
    signatures: pl.LazyFrame
    source_order: Sequence[str]
    fetch: Fetch
    evidence: Mapping[str, pl.LazyFrame] = MappingProxyType({})


def evidence_of(corpus: Corpus, key: str) -> pl.LazyFrame:
    """What a key of the policy sorts by, as measured. Raises ValueError where the corpus has no such table."""
    table = corpus.evidence.get(EVIDENCE[key])
    if table is None:
        raise ValueError(f"policy: {key!r} looks at the table {EVIDENCE[key]}, which is not measured here")
    return table.select("content_digest", POLICY_KEYS[key].column)
