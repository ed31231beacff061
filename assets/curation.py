"""From documents to the corpus: evidence of each content, a verdict on each document, and what is kept."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

import curation.quality
from curation.corpus import build_corpus
from curation.deduplication import DeduplicationSettings, SignatureSettings, find_duplicates
from curation.deduplication import signatures as measure_signatures
from curation.inventory import Source
from curation.quality import QualitySettings
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.verdicts import decide
from pipelines.stages import Output, measure, stage
from records import Outcome, Progress


@measure(group="curation", code_version="1", of="documents", uses=("python",))
def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """The bands of each content's sketch, and the digest of its normalised text."""
    return measure_signatures(contents, settings)


@measure(group="curation", code_version="2", of="documents", uses=("python",))
def quality(contents: pa.RecordBatch, settings: QualitySettings) -> pa.RecordBatch:
    """Signals of quality of each content, after the papers whose rules decide on them."""
    return curation.quality.quality(contents, settings)


@stage(
    group="curation",
    code_version="1",
    outputs=(Output("duplicates", ("doc_id",)), Output("pairs", ("content_digest", "kept_digest"))),
    counts="documents",
    unit="documents",
    uses=("python",),
)
def duplicates(
    documents: pl.LazyFrame,
    signatures: pl.DataFrame,
    settings: DeduplicationSettings,
    sources: tuple[Source, ...],
    progress: Progress,
) -> Outcome:
    """One row per document that doubles another: which one is kept in its stead, and their measured similarity."""
    places = documents.select("doc_id", "source", "locator", "content_digest").collect()
    return find_duplicates(documents, places, signatures, settings, [source.name for source in sources], progress)


@stage(
    group="curation",
    code_version="3",
    primary_key="doc_id",
    asks=lambda config: evidence_of(rules_of(config.rules)),
    counts="documents",
    unit="documents",
)
def verdicts(documents: pl.LazyFrame, duplicates: pl.LazyFrame, quality: pl.LazyFrame, rules: Rules) -> Outcome:
    """Kept or dropped, for every document: the first rule that decided, and all that failed."""
    return decide(documents, duplicates, {"quality": quality}, rules)


@stage(
    group="curation",
    code_version="1",
    primary_key="content_digest",
    outside=("doc_id", "source", "locator"),
    counts="documents",
    unit="documents",
)
def corpus(documents: pl.LazyFrame, verdicts: pl.DataFrame, sources: tuple[Source, ...]) -> Outcome:
    """The contents that are kept, one row each."""
    return build_corpus(documents, verdicts, [source.name for source in sources])


STAGES = [signatures, quality, duplicates, verdicts, corpus]
