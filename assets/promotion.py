"""Which model is promoted: by stated rules, or by a person who says why."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from evaluation.promotion import (
    PROMOTED,
    Evidence,
    Overruling,
    PromotionSettings,
    decide,
    predecessor,
    with_predecessor,
)
from evaluation.scores import SAMPLE_SCORES
from evaluation.settings import EvaluationSettings
from pipelines import promotions
from pipelines.contestants import contestants_of, version_of
from pipelines.stages import Observation, Output, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome


@observable(group="sources", needs=("promotion",))
def overruling(workspace: Workspace) -> Observation:
    """What a person decided last over the rules."""
    return promotions.observed(workspace)


@stage(
    group="evaluation",
    code_version="5",
    needs=("promotion", "models"),
    unit="models",
    outputs=(
        Output("promoted_model", ("model",)),
        Output("promotion_rules", ("candidate", "rule"), about="What each rule of promotion found of each candidate."),
        Output(
            "promoted_scores",
            ("sample_id", "prompt", "split", "metric"),
            about="What the promoted version reached sample by sample, kept for the next candidate.",
        ),
    ),
)
def promoted_model(
    scores: pl.DataFrame,
    comparisons: pl.DataFrame,
    slices: pl.DataFrame,
    sample_scores: pl.DataFrame,
    samples: pl.DataFrame,
    sample_facts: pl.DataFrame,
    base_answers: dict[str, pl.DataFrame],
    answers: dict[str, pl.DataFrame],
    endpoint_answers: dict[str, pl.DataFrame] | None,
    experiment_winner: dict[str, pl.DataFrame] | None,
    win_rates: pl.DataFrame | None,
    judge_agreement: pl.DataFrame | None,
    overruling: pl.DataFrame,
    promotion: PromotionSettings,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The model that is promoted, and what every rule found of every candidate; another takes its place only when all pass."""
    contestants = contestants_of(base_answers, answers, endpoint_answers, experiment_winner)
    versions = {name: version_of(rows) for name, rows in contestants.items() if rows.height}
    seconds = {name: rows.drop_nulls("output")["seconds"].mean() for name, rows in contestants.items()}
    known = {name: float(value) for name, value in seconds.items() if isinstance(value, float)}
    evidence = Evidence(scores, comparisons, slices, known, win_rates, judge_agreement)
    row = _before(run)
    before = None if row is None else (str(row["model"]), str(row["version"]))
    kept = _kept(run)
    if gone := predecessor(versions, before):
        told = samples.join(sample_facts, on="sample_id", how="left", maintain_order="left")
        evidence = with_predecessor(evidence, gone, kept, sample_scores, told, evaluation.bootstrap)
    last = [Overruling(*each) for each in overruling.select("model", "version", "reason", "stood").iter_rows()]
    decided, rules = decide(evidence, versions, before, promotion, last[-1] if last else None)
    table = pl.DataFrame([decided | _answering(contestants, versions, decided, row or {})], schema=PROMOTED)
    notes = {"promoted": f"{decided['model']} ({decided['decision']})", "failed rules": _failed(rules)}
    own = sample_scores.filter(model=decided["model"])
    of_it = own if versions.get(str(decided["model"])) == decided["version"] else kept
    others = {"promotion_rules": rules, "promoted_scores": of_it.drop("model", strict=False)}
    return Outcome(table, kept=1, others=others, notes=notes)


def _answering(
    contestants: Mapping[str, pl.DataFrame],
    versions: Mapping[str, str],
    decided: Mapping[str, str | None],
    before: Mapping[str, str | None],
) -> dict[str, str | None]:
    """What answers when the promoted model is asked, and what a person set it over: as it was written, where it stays."""
    model, version = str(decided["model"]), decided["version"]
    stays = (before.get("model"), before.get("version")) == (model, version)
    known = before if stays else {}
    over = {"over": known.get("over")} if stays and decided["decision"] == "overruled" else {}
    if versions.get(model) != version:
        return over | {name: known.get(name) for name in ("weights", "asked_as")}
    rows = contestants[model]
    asked_as = rows["cell" if "cell" in rows.columns else "prompt"][0]
    return over | {"weights": rows["model_version"][0], "asked_as": asked_as}


def _before(run: Run) -> dict[str, str | None] | None:
    """What was promoted."""
    store = run.workspace.store
    return None if store.head("promoted_model") is None else store.scan("promoted_model").collect().row(0, named=True)


def _kept(run: Run) -> pl.DataFrame:
    """What each sample gave for the model that is promoted, whatever has become of it since: as it was written with that
    decision, for a run may have been killed between the two tables of the next one."""
    store, head = run.workspace.store, run.workspace.store.head("promoted_model")
    made = [each for each in store.history("promoted_scores") if head and each.key == head.key]
    nothing = pl.DataFrame(schema=SAMPLE_SCORES).drop("model")
    return store.scan("promoted_scores", made[0].number).collect() if made else nothing


def _failed(rules: pl.DataFrame) -> str:
    failed = rules.filter(~pl.col("passed"))
    return "; ".join(f"{row['candidate']}: {row['said']}" for row in failed.to_dicts()) or "none"


STAGES = [overruling, promoted_model]
