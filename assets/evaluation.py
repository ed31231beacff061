"""Prompt against finetune: answers of each contestant on the same samples, scores with intervals, and the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from curation.decontamination import HeldOutSettings, leaking, seen_in_training
from curation.releases import instructions as instructions_of
from evaluation.comparisons import could_see
from evaluation.endpoint import EndpointSettings
from evaluation.harness.scores import among_scores
from evaluation.metrics import vectors_of
from evaluation.prompts import prompts_table
from evaluation.proposals import propose
from evaluation.scores import SCORES, choose_prompt, human_ratings, human_win_rate, score_contestants
from evaluation.selection import (
    drawn,
    held_out_questions,
    open_questions,
    served_questions,
    trial_metric,
    trial_questions,
)
from evaluation.settings import EvaluationSettings, ProposalSettings
from evaluation.unit_tests import UnitTestSettings, runner
from pipelines.contestants import (
    answered,
    ask,
    base_contestant,
    contestants_of,
    finetuned,
    prompts_of,
    served,
)
from pipelines.settings import BaseEntry, ModelSettings
from pipelines.stages import Observation, Output, Release, Run, observable, stage
from pipelines.workspace import Workspace
from plots import intervals
from records import Outcome, Picture, Progress, digest

ANSWERS: dict[str, Any] = {
    "group": "evaluation",
    "code_version": "3",
    "primary_key": ("sample_id", "purpose", "prompt", "model"),
    "unit": "answers",
    "recorded": True,
    "pool": "gpu",
    "uses": ("torch", "transformers", "peft"),
}
"""The options of every stage in which a model answers."""


@observable(group="sources", needs=("prompts",))
def prompts(workspace: Workspace) -> Observation:
    """The prompt files, each by the digest of what it says."""
    table = prompts_table([workspace.root / path for path in workspace.config.prompts])
    named = [f"{name}={version}" for name, version in table.select("prompt", "digest").iter_rows()]
    return Observation(digest("prompts", *named), table)


@stage(each="bases", **ANSWERS)
def prompt_trials(
    entry: BaseEntry,
    base_model: pl.DataFrame,
    prompts: pl.DataFrame,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The base's answers to a few validation samples under every prompt."""
    questions = trial_questions(samples, evaluation, prompts_of(prompts))
    return answered(ask(run, base_contestant(base_model, None, None, run.workspace), questions, evaluation.generation))


@stage(group="evaluation", code_version="3", each="bases", primary_key="prompt", unit="prompts")
def best_prompt(
    entry: BaseEntry,
    prompt_trials: pl.DataFrame,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    unit_tests: UnitTestSettings | None,
    progress: Progress,
) -> Outcome:
    """The prompt that does best on validation; the test split has no say."""
    metric = trial_metric(samples)
    chosen = choose_prompt(prompt_trials, samples, evaluation.bootstrap, metric, runner(unit_tests, progress))
    shown = chosen.table.with_columns(model=pl.lit("prompt"), metric=pl.lit(metric))
    return replace(chosen, pictures=[Picture("prompts on validation", intervals(shown))])


@stage(each="bases", **ANSWERS)
def base_answers(
    entry: BaseEntry,
    base_model: pl.DataFrame,
    best_prompt: pl.DataFrame | None,
    prompts: pl.DataFrame | None,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The base's answers on the test split, under the best prompt, and how likely it finds the references."""
    contestant = base_contestant(base_model, best_prompt, prompts, run.workspace)
    questions = held_out_questions(samples, evaluation, contestant.prompt)
    return answered(ask(run, contestant, questions, evaluation.generation))


@stage(each="models", joins={"base_model": "base_name"}, **ANSWERS)
def answers(
    entry: ModelSettings,
    model: pl.DataFrame,
    base_model: pl.DataFrame,
    samples: pl.DataFrame,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The finetuned model's answers on the test split, and how likely it finds the references."""
    questions = held_out_questions(samples, evaluation, None)
    return answered(ask(run, finetuned(model, base_model, run.workspace), questions, evaluation.generation))


@stage(each="competing", **ANSWERS)
def endpoint_answers(
    entry: EndpointSettings,
    samples: pl.DataFrame,
    prompts: pl.DataFrame | None,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The answers on the test split of a model behind an endpoint."""
    contestant = served(entry, prompts)
    questions = served_questions(samples, evaluation, contestant.prompt)
    return answered(ask(run, contestant, questions, evaluation.generation))


@stage(
    group="evaluation",
    code_version="10",
    counts="samples",
    unit="samples",
    outputs=(
        Output("scores", ("model", "prompt", "split", "metric")),
        Output(
            "sample_scores",
            ("sample_id", "model", "prompt", "split", "metric"),
            about="What each answer of each contestant reached, sample by sample.",
        ),
        Output(
            "comparisons",
            ("metric", "split", "model_a", "model_b"),
            about="Paired differences between two contestants on the samples that both answered, with interval and p-value.",
        ),
        Output(
            "slices",
            ("sliced_by", "slice", "metric", "split", "model_a", "model_b"),
            about="The same comparisons within each slice, source, language, topic and length; where one is surely worse stands regression.",
        ),
    ),
)
def scores(
    base_answers: dict[str, pl.DataFrame],
    answers: dict[str, pl.DataFrame],
    endpoint_answers: dict[str, pl.DataFrame] | None,
    experiment_winner: dict[str, pl.DataFrame] | None,
    samples: pl.DataFrame,
    sample_overlaps: pl.DataFrame,
    sample_facts: pl.DataFrame,
    corpus_overlaps: pl.DataFrame,
    instructions: Release,
    held_out: HeldOutSettings,
    evaluation: EvaluationSettings,
    annotations: pl.DataFrame | None,
    embeddings: pl.DataFrame | None,
    unit_tests: UnitTestSettings | None,
    harness_scores: dict[str, pl.DataFrame] | None,
    run: Run,
) -> Outcome:
    """What each contestant reached, with intervals, and paired tests between them; people's preferences beside them.

    Beside each score stands how many of its samples were found in the corpus, and of a finetune (alone, or as the cell of an
    experiment) in what it learnt from. The
    base may have seen such text when it was trained: its scores can flatter it.
    """
    contestants = contestants_of(base_answers, answers, endpoint_answers, experiment_winner)
    seen = seen_in_training(sample_overlaps, instructions_of(samples), held_out)
    in_corpus = leaking(corpus_overlaps, held_out).select(sample_id="held_out_id").unique()
    vectors = None if embeddings is None else vectors_of(embeddings)
    told = samples.join(sample_facts, on="sample_id", how="left", maintain_order="left")
    outcome = score_contestants(
        contestants,
        told,
        instructions.version,
        evaluation.bootstrap,
        seen=dict.fromkeys(_finetuned(contestants, answers), seen),
        vectors=vectors,
        run_tests=runner(unit_tests, run.progress),
        in_corpus=in_corpus,
    )
    harness = [among_scores(rows, SCORES) for rows in (harness_scores or {}).values()]
    table = pl.concat([outcome.table, *_of_people(annotations, evaluation, instructions, in_corpus), *harness])
    notes = {
        "scores": _as_markdown(table),
        **outcome.notes,
        **_against(table, run),
        **_regressions(outcome.others["slices"]),
        **_visible(outcome.others["comparisons"]),
    }
    return replace(outcome, table=table, notes=notes, pictures=_pictures(table))


def _finetuned(contestants: Mapping[str, pl.DataFrame], answers: Mapping[str, pl.DataFrame]) -> list[str]:
    """The contestants that answer with weights which we trained, be it as the cell of an experiment."""
    trained = {str(rows["model_version"][0]) for rows in answers.values() if rows.height}
    return [name for name, rows in contestants.items() if trained.intersection(rows["model_version"])]


def _as_markdown(scores: pl.DataFrame) -> str:
    """The scores with their intervals, to be read on the asset's page."""
    rows = [
        f"| {row['metric']} | {row['model']} | {row['value']:.3g} | {row['low']:.3g} – {row['high']:.3g} |"
        for row in scores.drop_nulls(["value", "low", "high"]).sort("metric", "model").iter_rows(named=True)
    ]
    return "\n".join(["| metric | model | score | interval |", "| --- | --- | ---: | ---: |", *rows])


def _of_people(
    annotations: pl.DataFrame | None, evaluation: EvaluationSettings, instructions: Release, in_corpus: pl.DataFrame
) -> list[pl.DataFrame]:
    """What people preferred and how they rated, as rows of scores."""
    if annotations is None or annotations.is_empty():
        return []
    preferred = human_win_rate(annotations, instructions.version, in_corpus=in_corpus)
    return [preferred, human_ratings(annotations, evaluation.bootstrap, instructions.version, in_corpus)]


@stage(needs=("proposals",), **(ANSWERS | {"primary_key": "sample_id", "unit": "samples"}))
def proposals(
    model: dict[str, pl.DataFrame],
    base_model: dict[str, pl.DataFrame],
    samples: pl.DataFrame,
    proposals: ProposalSettings,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The product: what the finetuned model answers where nobody has answered yet, each at its file and line."""
    entries = {entry.name: entry for entry in run.workspace.config.models}
    entry = entries[proposals.model or list(entries)[-1]]
    waiting = drawn(
        samples.filter((pl.col("openness") == "open") & pl.col("reference").is_null()), proposals.seed, proposals.limit
    )
    contestant = finetuned(model[entry.name], base_model[entry.base_name], run.workspace)
    rows = ask(run, contestant, open_questions(waiting, "proposal", None), evaluation.generation)
    return propose(rows, samples)


def _against(table: pl.DataFrame, run: Run) -> dict[str, str]:
    """What became of each score since the predecessors of these models were scored."""
    before = run.workspace.store.head("scores")
    if before is None:
        return {"against their predecessors": "the first scores"}
    key = ["model", "metric", "split"]
    old = run.workspace.store.scan("scores", before.number).select(*key, "value").collect()
    moved = table.join(old, on=key, suffix="_before").filter(pl.col("value") != pl.col("value_before")).sort(key)
    said = [
        f"{row['model']} {row['metric']}: {row['value_before']:.3g} → {row['value']:.3g}" for row in moved.to_dicts()
    ]
    return {"against their predecessors": "; ".join(said) or "no score moved"}


def _regressions(slices: pl.DataFrame) -> dict[str, str]:
    """In which slices a contestant is worse than one before it."""
    worse = slices.filter("regression")
    said = [f"{row['model_b']} on {row['sliced_by']} {row['slice']} ({row['metric']})" for row in worse.to_dicts()]
    return {"worse in slices": "; ".join(said) or "none"}


def _visible(comparisons: pl.DataFrame) -> dict[str, str]:
    """Which difference the samples of each metric suffice to see."""
    said = [f"{metric}: {least}" for metric, least in could_see(comparisons).items()]
    return {"what could be seen": "; ".join(said)}


def _pictures(table: pl.DataFrame) -> list[Picture]:
    return [
        Picture(f"{metric}", intervals(rows))
        for (metric,), rows in table.sort("metric", "model").group_by("metric", maintain_order=True)
    ]


STAGES = [prompts, prompt_trials, best_prompt, base_answers, answers, endpoint_answers, scores, proposals]
