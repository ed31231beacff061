"""Which model is promoted: by stated rules, or by a person who says why."""

from __future__ import annotations

import polars as pl

from evaluation.promotion import PROMOTED, Evidence, PromotionSettings, decide, predecessor, with_predecessor
from evaluation.scores import SAMPLE_SCORES
from evaluation.settings import EvaluationSettings
from pipelines import promotions
from pipelines.contestants import contestants_of
from pipelines.stages import Observation, Output, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome


@observable(group="sources", needs=("promotion",))
def overruling(workspace: Workspace) -> Observation:
    """What a person decided last over the rules."""
    return promotions.observed(workspace)


@stage(
    group="evaluation",
    code_version="4",
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
    win_rates: pl.DataFrame | None,
    judge_agreement: pl.DataFrame | None,
    overruling: pl.DataFrame,
    promotion: PromotionSettings,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The model that is promoted, and what every rule found of every candidate; another takes its place only when all pass."""
    contestants = contestants_of(base_answers, answers, endpoint_answers)
    versions = {name: str(rows["model_version"][0]) for name, rows in contestants.items() if rows.height}
    seconds = {name: rows.drop_nulls("output")["seconds"].mean() for name, rows in contestants.items()}
    known = {name: float(value) for name, value in seconds.items() if isinstance(value, float)}
    evidence = Evidence(scores, comparisons, slices, known, win_rates, judge_agreement)
    before = _before(run)
    kept = _kept(run)
    if gone := predecessor(versions, before):
        told = samples.join(sample_facts, on="sample_id", how="left", maintain_order="left")
        evidence = with_predecessor(evidence, gone, kept, sample_scores, told, evaluation.bootstrap)
    decided, rules = decide(evidence, versions, before, promotion)
    last = overruling.to_dicts()
    if last and versions.get(last[0]["model"]) == last[0]["version"]:
        over = before[0] if before and before[0] != last[0]["model"] else None
        decided = {
            "model": last[0]["model"],
            "version": last[0]["version"],
            "over": over,
            "decision": "overruled",
            "reason": last[0]["reason"],
        }
    table = pl.DataFrame([decided], schema=PROMOTED)
    notes = {"promoted": f"{decided['model']} ({decided['decision']})", "failed rules": _failed(rules)}
    own = sample_scores.filter(model=decided["model"])
    of_it = own if versions.get(str(decided["model"])) == decided["version"] else kept
    others = {"promotion_rules": rules, "promoted_scores": of_it.drop("model", strict=False)}
    return Outcome(table, kept=1, others=others, notes=notes)


def _before(run: Run) -> tuple[str, str] | None:
    """The model and version that are promoted."""
    store = run.workspace.store
    if store.head("promoted_model") is None:
        return None
    row = store.scan("promoted_model").collect().row(0, named=True)
    return row["model"], row["version"]


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
