"""From documents to the corpus: evidence of each content, a verdict on each document, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

import curation.quality
from assets.pictures import of_corpus, of_duplicates, of_quality, of_signatures, of_verdicts
from curation.corpus import build_corpus
from curation.deduplication import DeduplicationSettings, SignatureSettings, deduplicate
from curation.deduplication import signatures as measure_signatures
from curation.inventory import Source
from curation.quality import QualitySettings
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.verdicts import decide
from pipelines.stages import Changes, Output, Tracked, fold, measure, stage
from pipelines.store import Books, Change
from records import Outcome, Progress


@measure(group="curation", code_version="1", of="documents", uses=("python",), pictures=of_signatures)
def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """The bands of each content's sketch, and the digest of its normalised text."""
    return measure_signatures(contents, settings)


@measure(group="curation", code_version="2", of="documents", uses=("python",), pictures=of_quality)
def quality(contents: pa.RecordBatch, settings: QualitySettings) -> pa.RecordBatch:
    """Signals of quality of each content, after the papers whose rules decide on them."""
    return curation.quality.quality(contents, settings)


@stage(group="sources", code_version="1", primary_key="source", unit="sources")
def source_order(sources: tuple[Source, ...]) -> Outcome:
    """The sources in the order of `headwater.yaml`, which decides between copies."""
    return Outcome(pl.DataFrame({"source": [source.name for source in sources]}).with_row_index("rank"))


def _duplicate_books(tables: Mapping[str, pl.LazyFrame], documents: int) -> Books:
    dropped = dict(tables["duplicates"].group_by("kind").len().sort("kind").collect().iter_rows())
    return Books("documents", documents, documents - sum(dropped.values()), dropped)


@fold(
    group="curation",
    code_version="2",
    outputs=(
        Output("duplicates", ("doc_id",)),
        Output("survivors", ("content_digest",)),
        Output("pairs", ("content_digest", "kept_digest")),
    ),
    counts="documents",
    books=_duplicate_books,
    unit="documents",
    uses=("python",),
    pictures=of_duplicates,
)
def duplicates(
    state: Mapping[str, pl.LazyFrame],
    documents: Tracked,
    signatures: Tracked,
    source_order: Tracked,
    settings: DeduplicationSettings,
    progress: Progress,
) -> Changes:
    """One row per document that doubles another: which one is kept in its stead, and their measured similarity."""
    update = deduplicate(state, documents, signatures, source_order, settings, progress)
    return Changes({name: Change(*change) for name, change in update._asdict().items()})


@stage(
    group="curation",
    code_version="3",
    primary_key="doc_id",
    asks=lambda config: evidence_of(rules_of(config.rules)),
    counts="documents",
    unit="documents",
    pictures=of_verdicts,
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
    pictures=of_corpus,
)
def corpus(documents: pl.LazyFrame, verdicts: pl.DataFrame, sources: tuple[Source, ...]) -> Outcome:
    """The contents that are kept, one row each."""
    return build_corpus(documents, verdicts, [source.name for source in sources])


STAGES = [source_order, signatures, quality, duplicates, verdicts, corpus]
