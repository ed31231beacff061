"""From the corpus to releases: what the task's recipe finds, its splits, and immutable dataset versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

import curation.demonstrations
import curation.preferences
import curation.pretraining
from annotation.routing import decide_openness
from assets.curation import decides
from curation import releases
from curation.blocks import height_of
from curation.decontamination import (
    DecontaminationSettings,
    HeldOutSettings,
    MatchSettings,
    cleaned,
    leaking,
    overlaps,
    rates_of_sets,
    rates_of_splits,
    seen_in_training,
    training_samples,
    update_in_corpus,
)
from curation.demonstrations import with_references
from curation.inventory import Source
from curation.mixture import MixtureSettings
from curation.pretraining import PretrainingSettings
from curation.sample_facts import sample_facts as facts_of
from curation.splits import LEAK, SplitSettings, assign_splits, moves, straddling
from curation.tasks import TaskSettings, absent_columns, collect_samples, extraction
from curation.tasks.named_columns import ABSENT
from curation.tasks.own import recipe_version
from evaluation.unit_tests import UnitTestSettings
from pipelines.commits import Books, Change
from pipelines.releases import standing_release
from pipelines.releasing import released
from pipelines.stages import Changes, Observation, Output, Run, Tracked, fold, measure, observable, stage
from pipelines.workspace import Workspace
from plots import histogram
from records import Outcome, Picture, Progress

IS_TRAINING = pl.col("split") == "train"


@observable(group="sources", needs=("task",))
def recipe(workspace: Workspace) -> Observation:
    """How samples are found: a built-in recipe, or the code of one's own module."""
    task = workspace.config.task
    assert task is not None
    return Observation(recipe_version(task.recipe), task.recipe)


@observable(group="sources", needs=("demonstrations",))
def named_demonstrations(workspace: Workspace) -> Observation:
    """The release of demonstrations that headwater.yaml names: what people wrote, as references of samples that have none."""
    name = str(workspace.config.demonstrations)
    try:
        release = standing_release(workspace, "demonstrations", name)
    except LookupError as error:
        raise LookupError(
            f"headwater.yaml, demonstrations: {error}; name one of these or a tag, or remove the key"
        ) from error
    return Observation(release.version, releases.read_release(release.folder))


candidates = measure(
    group="datasets",
    code_version="4",
    of="corpus",
    key=("content_digest", "media_type"),
    about="What the task's recipe finds in each content: questions, with their answers where the content gives one.",
    needs=("task",),
    uses=("python",),
)(extraction.candidates)


@stage(
    group="datasets",
    code_version="7",
    outputs=(
        Output("samples", ("sample_id",), ("doc_id",)),
        Output("openness", ("sample_id",), about="Whether each sample is open or closed, what decided that, and why."),
    ),
    unit="samples",
    needs=("task",),
    checks=("no_leak",),
)
def samples(
    corpus: pl.LazyFrame,
    candidates: pl.LazyFrame,
    task: TaskSettings,
    splits: SplitSettings,
    sources: tuple[Source, ...],
    unit_tests: UnitTestSettings | None,
    named_demonstrations: pl.DataFrame | None,
    run: Run,
) -> Outcome:
    """The task's samples, each once, open or closed for a stated reason, on its side of the split: no copied question straddles."""
    places = corpus.select("content_digest", "doc_id", "source", "locator").collect()
    collected = collect_samples(places, candidates, task, [source.name for source in sources])
    absent = absent_columns(corpus, task)
    if absent and collected.table.is_empty():
        raise ValueError("\n".join(["task.columns: no question was found, for", *absent]))
    decided = decide_openness(collected.table, task.checker, unit_tests is not None)
    is_so = decided.table.select("sample_id", "openness", "checker")
    told = collected.table.drop("openness", "checker").join(is_so, on="sample_id", maintain_order="left")
    divided = assign_splits(told.select(collected.table.columns), splits)
    leaks = straddling(divided.table)
    table = divided.table if named_demonstrations is None else with_references(divided.table, named_demonstrations)
    written = divided.table["reference"].null_count() - table["reference"].null_count()
    return replace(
        collected,
        table=table,
        kept=collected.table.height,
        others={"openness": decided.table},
        notes={
            **collected.notes,
            **decided.notes,
            **divided.notes,
            **_moved(divided.table, run),
            "leaks": leaks.height,
            **({"references that people wrote": written} if written else {}),
            **({ABSENT: "\n\n".join(absent)} if absent else {}),
        },
        pictures=[Picture("prompt lengths", histogram(_prompt_lengths(divided.table), "characters in a prompt"))],
        checks={
            "no_leak": f"{leaks.height} held-out samples have a near-duplicate (Jaccard {LEAK} or more) on another side of the "
            "split; draw other groups (splits.seed), or lower splits.threshold"
            if leaks.height
            else ""
        },
    )


def _moved(divided: pl.DataFrame, run: Run) -> dict[str, object]:
    """What moved since the version before; models that were trained before are flagged by `pipelines.split_moves`."""
    before = run.workspace.store.head(run.node)
    if before is None:
        return {}
    was = run.workspace.store.scan(run.node, before.number).select("sample_id", "split").collect()
    found = moves(was, divided)
    return {"moved to another side": found} if found else {}


def _prompt_lengths(table: pl.DataFrame) -> pl.Series:
    said = pl.element().struct.field("content").str.len_chars()
    return table.select(pl.col("messages").list.eval(said).list.sum())["messages"]


@stage(
    group="datasets",
    code_version="2",
    primary_key=("sample_id", "held_out_id"),
    counts="samples",
    unit="samples",
    needs=("task",),
    uses=("python",),
)
def sample_overlaps(samples: pl.LazyFrame, matches: MatchSettings, progress: Progress) -> Outcome:
    """Which held-out samples stand in training samples, how much of each, and where."""
    training, held_out = (height_of(samples.filter(side)) for side in (IS_TRAINING, ~IS_TRAINING))
    return Outcome(overlaps(samples, matches, progress), kept=training, dropped={"held out": held_out})


def _contents_gone_through(tables: Mapping[str, pl.LazyFrame], contents: int) -> Books:
    return Books("contents", contents, contents)


@fold(
    group="evaluation",
    code_version="2",
    outputs=(
        Output("corpus_overlaps", ("content_digest", "held_out_id")),
        Output(
            "contamination_rates",
            ("kind", "name"),
            about="Of how many evaluation items, for each set and split, too much stands in documents, in the corpus and in training.",
        ),
    ),
    asks=lambda config: {"documents", "evaluation_items", "contamination"} if config.evaluation_sets else set(),
    follows=("sample_overlaps", "documents", "evaluation_items", "contamination"),
    counts="corpus",
    books=_contents_gone_through,
    unit="contents",
    needs=("task", "models"),
    uses=("python",),
)
def corpus_overlaps(
    state: Mapping[str, pl.LazyFrame],
    corpus: Tracked,
    candidates: Tracked,
    samples: Tracked,
    sample_overlaps: pl.DataFrame,
    documents: pl.LazyFrame | None,
    evaluation_items: pl.DataFrame | None,
    contamination: pl.LazyFrame | None,
    held_out: HeldOutSettings,
    decontamination: DecontaminationSettings,
    progress: Progress,
) -> Changes:
    """Which held-out samples stand in documents that none was found in; and of how many items too much stands anywhere."""
    found = state.get("corpus_overlaps")
    came, went = update_in_corpus(found, corpus, samples, candidates, decontamination.matches, progress)
    in_corpus = (
        came if found is None else pl.concat([found.join(went.lazy(), on=went.columns, how="anti").collect(), came])
    )
    answered = releases.answered(samples.now)
    seen = seen_in_training(sample_overlaps, answered, held_out)
    rates = [rates_of_splits(samples.now, seen, in_corpus, held_out)]
    if documents is not None and evaluation_items is not None and contamination is not None:
        training = training_samples(answered, sample_overlaps, held_out)
        rates += [rates_of_sets(evaluation_items, contamination, documents, corpus.now, training, decontamination)]
    former = [rows.select("kind", "name").collect() for name, rows in state.items() if name == "contamination_rates"]
    tables = {"corpus_overlaps": Change(came, went), "contamination_rates": Change(pl.concat(rates), *former)}
    return Changes(tables, notes={"over the limits": leaking(in_corpus, held_out).height})


@stage(
    group="datasets",
    code_version="1",
    primary_key="sample_id",
    counts="samples",
    unit="samples",
    needs=("models",),
    asks=decides,
)
def sample_facts(samples: pl.DataFrame, corpus: pl.LazyFrame, language: pl.LazyFrame | None) -> Outcome:
    """What held-out samples speak of, and where curation measured it in which language: scores are parted by it."""
    told = facts_of(samples, corpus, language)
    return Outcome(told, dropped={"in training, or without a reference": samples.height - told.height})


@stage(
    group="datasets",
    code_version="4",
    primary_key="sample_id",
    counts="samples",
    unit="samples",
    needs=("task",),
    kinds=("parquet",),
)
def instructions(
    samples: pl.LazyFrame, sample_overlaps: pl.LazyFrame, held_out: HeldOutSettings, mixture: MixtureSettings, run: Run
) -> Outcome:
    """The release to finetune on: samples that have an answer and hold no held-out one, in the mixture that was asked for."""
    places = samples.select("sample_id", "source", is_answered=pl.col("reference").is_not_null()).collect()
    answers = int(places["is_answered"].sum())
    answered = releases.instructions(samples)
    found = leaking(sample_overlaps.collect(), held_out)
    clean = cleaned(answered, found, held_out)
    cut = clean.join(found, on="sample_id", how="semi").height if held_out.samples == "cut" else 0
    rows, mix = releases.mixed_instructions(clean, places, mixture)
    dropped = {
        "no reference": places.height - answers,
        "the reference checks answers and is none": answers - answered.height,
        "holds a held-out sample": answered.height - clean.height,
        "left out by the mixture": clean.height - rows.height,
    }
    return Outcome(
        rows,
        dropped={reason: count for reason, count in dropped.items() if count},
        notes=released(rows, "instructions", run, None if mixture.takes_all else mix)
        | ({"samples that a held-out one was cut out of": cut} if cut else {}),
    )


@stage(
    group="datasets",
    code_version="1",
    primary_key="sample_id",
    unit="tasks",
    needs=("annotation",),
    kinds=("parquet",),
)
def demonstrations(adjudicated_labels: pl.DataFrame, samples: pl.DataFrame, run: Run) -> Outcome:
    """The release of what people wrote: one answer to each sample that somebody answered or mended a draft of."""
    outcome = curation.demonstrations.demonstrations(samples, adjudicated_labels)
    return replace(outcome, notes={**outcome.notes, **released(outcome.table, "demonstrations", run)})


@stage(
    group="datasets",
    code_version="2",
    primary_key=("sample_id", "task_digest"),
    unit="tasks",
    needs=("annotation",),
    kinds=("parquet",),
)
def preferences(adjudicated_labels: pl.DataFrame, samples: pl.DataFrame, run: Run) -> Outcome:
    """The release of what people preferred: one chosen and one rejected answer per task."""
    outcome = curation.preferences.preferences(samples, adjudicated_labels)
    return replace(outcome, notes={**outcome.notes, **released(outcome.table, "preferences", run)})


@stage(
    group="datasets",
    code_version="1",
    primary_key="sample_id",
    unit="samples",
    counts="samples",
    needs=("task",),
    kinds=("parquet",),
)
def evaluation(samples: pl.DataFrame, run: Run) -> Outcome:
    """The release of what is held out: the validation and test splits, also where nobody has answered yet."""
    rows = releases.evaluation(samples)
    trained_on = samples.height - rows.height
    dropped = {"in the training split": trained_on} if trained_on else {}
    return Outcome(rows, dropped=dropped, notes=released(rows, "evaluation", run))


@stage(
    group="datasets",
    code_version="3",
    primary_key="content_digest",
    unit="contents",
    counts="corpus",
    needs=("pretraining",),
    checks=("no_leak",),
    kinds=("parquet",),
)
def pretraining(
    corpus: pl.LazyFrame,
    samples: pl.LazyFrame | None,
    candidates: pl.LazyFrame | None,
    pretraining: PretrainingSettings,
    run: Run,
) -> Outcome:
    """The release to pre-train on: the corpus, each content on its side of the split, in the mixture that was asked for."""
    outcome = curation.pretraining.pretraining(corpus, pretraining, samples, candidates)
    mix = None if pretraining.mixture.takes_all else outcome.others["mix"]
    notes = {**outcome.notes, **released(outcome.table, "pretraining", run, mix)}
    return replace(outcome, table=outcome.table.drop("text"), notes=notes, others={})


STAGES = [
    recipe,
    named_demonstrations,
    candidates,
    samples,
    sample_overlaps,
    sample_facts,
    corpus_overlaps,
    instructions,
    demonstrations,
    preferences,
    evaluation,
    pretraining,
]
