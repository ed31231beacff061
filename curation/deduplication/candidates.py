"""What deduplication knows of a corpus: its places and its evidence, read only as far as they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import polars as pl

from curation.deduplication.ranking import POLICY_KEYS, rank_keys, ranked_places
from curation.deduplication.settings import EVIDENCE

Fetch = Callable[[pl.Series], Iterable[pl.DataFrame]]
"""From digests of contents to their rows (content_digest, text), in any order and in parts; none twice."""

SIGNATURE = {
    "content_digest": pl.String,
    "normal_digest": pl.String,
    "n_characters": pl.Int64,
    "n_words": pl.Int64,
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


def candidates(corpus: Corpus, policy: Sequence[str], of: pl.Series | None = None) -> pl.DataFrame:
    """What is decided on, one row per content (of those named, if any), in no stated order.

    Columns content_digest, normal_digest, n_characters, bands, and those that the policy sorts by. A content without a
    signature has no bands. Raises ValueError for a source that is not in the order, and for a key without its table.
    """
    contents = _placed(among(corpus.places, of), policy, corpus.source_order)
    signatures = among(corpus.signatures.select(SIGNATURE.keys()), of).collect()
    found = contents.join(signatures, on="content_digest", how="left")
    for key in (key for key in policy if key in EVIDENCE):
        found = found.join(among(evidence_of(corpus, key), of).collect(), on="content_digest", how="left")
    keys: dict[str, pl.DataType] = {key.column: key.dtype for key in rank_keys(policy)}
    kinds = {name: kind() for name, kind in SIGNATURE.items()} | keys
    return found.select(pl.col(name).cast(kind) for name, kind in kinds.items())


def evidence_of(corpus: Corpus, key: str) -> pl.LazyFrame:
    """What a key of the policy sorts by, as measured. Raises ValueError where the corpus has no such table."""
    table = corpus.evidence.get(EVIDENCE[key])
    if table is None:
        raise ValueError(f"policy: {key!r} looks at the table {EVIDENCE[key]}, which is not measured here")
    return table.select("content_digest", POLICY_KEYS[key].column)


def among(rows: pl.LazyFrame, of: pl.Series | None) -> pl.LazyFrame:
    """The rows of those contents: a filter, so that a file is decoded only where it holds one of them."""
    return rows if of is None else rows.filter(pl.col("content_digest").is_in(of.implode()))


def _placed(places: pl.LazyFrame, policy: Sequence[str], source_order: Sequence[str]) -> pl.DataFrame:
    """Each content once, by its best place."""
    columns = ["source", "date"] if "newest" in policy else ["source"]
    distinct = places.select("content_digest", *columns).unique().collect()
    named = distinct.with_columns(doc_id=pl.lit(""), locator=pl.lit(""))
    ordered = ranked_places(named, source_order)
    newest = [pl.col("date").max()] if "newest" in policy else []
    return ordered.group_by("content_digest").agg(pl.col("source_rank").min(), *newest)
