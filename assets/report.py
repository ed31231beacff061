"""The report on an evaluation: a page that opens offline, and its gist on the asset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from evaluation.costs import PriceSettings, Spent, costs, minutes_of
from evaluation.endpoint import EndpointSettings
from evaluation.report_page import Report, report_page, verdict_of
from pipelines.contestants import contestants_of, token_prices
from pipelines.reports import REPORT, write_report
from pipelines.stages import Run, stage
from records import Outcome


@stage(group="evaluation", code_version="11", needs=("models",), primary_key="model", unit="contestants")
def evaluation_report(
    scores: pl.DataFrame,
    comparisons: pl.DataFrame,
    slices: pl.DataFrame,
    sample_scores: pl.DataFrame,
    base_answers: dict[str, pl.DataFrame],
    answers: dict[str, pl.DataFrame],
    endpoint_answers: dict[str, pl.DataFrame] | None,
    experiment_winner: dict[str, pl.DataFrame] | None,
    samples: pl.DataFrame,
    models: pl.DataFrame,
    training_data: dict[str, pl.DataFrame],
    named_demonstrations: pl.DataFrame | None,
    annotations: pl.DataFrame | None,
    win_rates: pl.DataFrame | None,
    ratings: pl.DataFrame | None,
    rubric_scores: pl.DataFrame | None,
    judge_agreement: pl.DataFrame | None,
    contamination_rates: pl.DataFrame,
    harness_comparisons: dict[str, pl.DataFrame] | None,
    experiment_cells: dict[str, pl.DataFrame] | None,
    experiment_effects: dict[str, pl.DataFrame] | None,
    prices: PriceSettings,
    endpoints: tuple[EndpointSettings, ...],
    run: Run,
) -> Outcome:
    """What each contestant costs, and the page with all that the evaluation found."""
    contestants = contestants_of(base_answers, answers, endpoint_answers, experiment_winner)
    ledgers = {name: _ledger(run, name) for name in models["model"]}
    versions = {name: rows["model_version"][0] for name, rows in contestants.items() if rows.height}
    minutes = _minutes(training_data, samples, named_demonstrations, annotations)
    spent = _spent(versions, ledgers, models, minutes)
    prices = replace(prices, million_tokens=token_prices(versions, endpoints, prices.million_tokens))
    table = costs(contestants, spent, prices, next(iter(contestants)))
    report = Report(
        scores=scores,
        comparisons=comparisons,
        slices=slices,
        sample_scores=sample_scores,
        costs=table,
        samples=samples,
        contestants=contestants,
        win_rates=win_rates,
        ratings=ratings,
        rubric_scores=rubric_scores,
        agreement=judge_agreement,
        labels={name: int(ledger["samples"]) for name, ledger in ledgers.items() if "samples" in ledger},
        prices=prices,
        rates=contamination_rates,
        harness=pl.concat(harness_comparisons.values()) if harness_comparisons else None,
        cells=experiment_cells or {},
        effects=experiment_effects or {},
    )
    return Outcome(
        table, notes={"verdict": verdict_of(report), REPORT: write_report(run.workspace, "scores", report_page(report))}
    )


def _spent(
    versions: Mapping[str, str],
    ledgers: Mapping[str, Mapping[str, Any]],
    models: pl.DataFrame,
    minutes: Mapping[str, float],
) -> dict[str, Spent]:
    """What was spent on each contestant that was trained: seconds of training, minutes of people."""
    trained = models.select("version", "model").rows()
    of_version = {version: Spent(_seconds(ledgers[name]), minutes.get(name, 0.0)) for version, name in trained}
    return {name: of_version[version] for name, version in versions.items() if version in of_version}


def _minutes(
    training_data: Mapping[str, pl.DataFrame],
    samples: pl.DataFrame,
    written: pl.DataFrame | None,
    annotations: pl.DataFrame | None,
) -> dict[str, float]:
    """The minutes of people by the name of the model that learned from what they wrote."""
    if written is None or annotations is None:
        return {}
    learned = {name: rows.filter(pl.col("trained_tokens") > 0) for name, rows in training_data.items()}
    return {name: minutes_of(rows, samples, written, annotations) for name, rows in learned.items()}


def _ledger(run: Run, model: str) -> dict[str, Any]:
    """What the training of a model wrote down."""
    head = run.workspace.store.head(f"model_{model}")
    return {} if head is None else dict(head.notes.get("ledger") or {})


def _seconds(ledger: Mapping[str, Any]) -> float:
    return sum(float(phase["wall_seconds"]) for phase in ledger.get("ledger", []))


STAGES = [evaluation_report]
