"""Deduplication: exact copies by normalised text, near-duplicates by verified Jaccard similarity, survivors by policy.

The modules that work are loaded on first use: what they import takes a third of a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from curation.deduplication.settings import DeduplicationSettings, GroupSettings, SignatureSettings
from records import Outcome, Progress, silent

if TYPE_CHECKING:
    from curation.deduplication.incremental import Update
    from curation.deduplication.lookups import Found
    from curation.updates import Followed

__all__ = [
    "DeduplicationSettings",
    "GroupSettings",
    "SignatureSettings",
    "deduplicate",
    "find_duplicates",
    "find_duplicates_in",
    "near_duplicate_groups",
    "signatures",
]


def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """Evidence for exact and near-duplicates: see `curation.deduplication.evidence`."""
    from curation.deduplication import evidence

    return evidence.signatures(contents, settings)


def find_duplicates(
    contents: pl.DataFrame | pl.LazyFrame,
    places: pl.DataFrame,
    signatures: pl.DataFrame,
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """Which documents double another: see `curation.deduplication.duplicates`."""
    from curation.deduplication import duplicates

    return duplicates.find_duplicates(contents, places, signatures, settings, source_order, progress, evidence)


def find_duplicates_in(
    batches: Iterable[pa.RecordBatch],
    settings: DeduplicationSettings,
    source_order: Sequence[str],
    progress: Progress = silent,
    evidence: Mapping[str, pl.DataFrame | pl.LazyFrame] = MappingProxyType({}),
) -> Outcome:
    """The same from texts alone, each read once: see `curation.deduplication.duplicates`."""
    from curation.deduplication import duplicates

    return duplicates.find_duplicates_in(batches, settings, source_order, progress, evidence)


def deduplicate(
    state: Mapping[str, pl.LazyFrame],
    documents: Followed,
    signatures: Followed,
    source_order: Followed,
    settings: DeduplicationSettings,
    evidence: Mapping[str, Followed | None] = MappingProxyType({}),
    progress: Progress = silent,
    found: Mapping[str, Found] = MappingProxyType({}),
) -> Update:
    """What changes of who stays when tables moved: see `curation.deduplication.following`."""
    from curation.deduplication import following

    return following.follow(state, documents, signatures, source_order, settings, evidence, progress, found)


def near_duplicate_groups(texts: pl.DataFrame, settings: GroupSettings) -> pl.DataFrame:
    """Which short texts belong together: see `curation.deduplication.groups`."""
    from curation.deduplication import groups

    return groups.near_duplicate_groups(texts, settings)
