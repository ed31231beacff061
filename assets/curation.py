"""From documents to the corpus: evidence of each content, a verdict on each document, and what is kept."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

import curation.quality
from curation.corpus import build_corpus
from curation.decontamination import (
    DecontaminationSettings,
    EvaluationSet,
    MatchSettings,
    cuts,
    read_evaluation_sets,
)
from curation.decontamination import contamination as measure_contamination
from curation.deduplication import DeduplicationSettings, SignatureSettings, find_duplicates
from curation.deduplication import signatures as measure_signatures
from curation.inventory import Source, root_of, take_inventory
from curation.quality import QualitySettings
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.verdicts import decide
from pipelines.digests import frame_version
from pipelines.stages import Observation, Output, Run, measure, observable, stage
from pipelines.workspace import Workspace
from records import Outcome, Progress


@measure(group="curation", code_version="1", of="documents", uses=("python",))
def signatures(contents: pa.RecordBatch, settings: SignatureSettings) -> pa.RecordBatch:
    """The bands of each content's sketch, and the digest of its normalised text."""
    return measure_signatures(contents, settings)


@measure(group="curation", code_version="1", of="documents", uses=("python",))
def quality(contents: pa.RecordBatch, settings: QualitySettings) -> pa.RecordBatch:
    """Signals of quality of each content, after the papers whose rules decide on them."""
    return curation.quality.quality(contents, settings)


def _files_of(entry: EvaluationSet) -> Source:
    return Source(entry.name, entry.path, entry.include)


@observable(group="sources", each="evaluation_sets")
def evaluation_set(entry: EvaluationSet, workspace: Workspace) -> Observation:
    """Items that nothing may be trained on: the set's files, by the digest of their bytes."""
    cache = workspace.state / "inventories" / f"evaluation_set_{entry.name}.parquet"
    inventory = take_inventory(_files_of(entry), workspace.root, cache)
    return Observation(frame_version(inventory), inventory)


@stage(group="curation", code_version="1", primary_key=("set", "item"), unit="texts", uses=("python",))
def evaluation_items(
    evaluation_set: dict[str, pl.DataFrame], evaluation_sets: tuple[EvaluationSet, ...], run: Run
) -> Outcome:
    """The items of all evaluation sets, as the hashes of their words; no text of them."""
    roots = {entry.name: root_of(_files_of(entry), run.workspace.root) for entry in evaluation_sets}
    return read_evaluation_sets(evaluation_set, roots, evaluation_sets, run.progress)


@measure(group="curation", code_version="1", of="documents", uses=("python",))
def contamination(contents: pa.RecordBatch, evaluation_items: pl.DataFrame, matches: MatchSettings) -> pa.RecordBatch:
    """Which evaluation items stand in each content, how much of each, and where."""
    return measure_contamination(contents, evaluation_items, matches)


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
    code_version="2",
    primary_key="doc_id",
    asks=lambda config: evidence_of(rules_of(config.rules)),
    counts="documents",
    unit="documents",
)
def verdicts(
    documents: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    quality: pl.LazyFrame,
    contamination: pl.LazyFrame | None,
    rules: Rules,
) -> Outcome:
    """Kept or dropped, for every document: the first rule that decided, and all that failed."""
    return decide(documents, duplicates, {"quality": quality, "contamination": contamination}, rules)


@stage(
    group="curation",
    code_version="1",
    primary_key="content_digest",
    outside=("doc_id", "source", "locator"),
    asks=lambda config: {"contamination"} if config.decontamination.documents == "cut" else set(),
    counts="documents",
    unit="documents",
)
def corpus(
    documents: pl.LazyFrame,
    verdicts: pl.DataFrame,
    contamination: pl.LazyFrame | None,
    decontamination: DecontaminationSettings,
    sources: tuple[Source, ...],
) -> Outcome:
    """The contents that are kept, one row each."""
    cut = [] if contamination is None else [cuts(contamination, decontamination)]
    return build_corpus(documents, verdicts, [source.name for source in sources], cut)


STAGES = [
    evaluation_set,
    evaluation_items,
    contamination,
    signatures,
    quality,
    duplicates,
    verdicts,
    corpus,
]
