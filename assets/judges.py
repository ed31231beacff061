"""What judges and people prefer: judgements in both orders, ratings and win rates of them, and who may be believed."""

from __future__ import annotations

import polars as pl

from evaluation.endpoint import EndpointSettings
from evaluation.judging import (
    Instructions,
    JudgeSettings,
    load_instructions,
    pairs_of,
    people_pairs,
    people_rated,
    unanswered,
)
from evaluation.preferences import (
    AGREEMENT,
    PEOPLE,
    agreement,
    people_verdicts,
    rating_agreement,
    ratings,
    rubric_scores,
    verdicts_of,
)
from evaluation.preferences import win_rates as preferred
from evaluation.settings import EvaluationSettings
from pipelines.contestants import contestants_of
from pipelines.judging import ask_judge, judge_of
from pipelines.stages import Observation, Output, Run, observable, stage
from pipelines.workspace import Workspace
from plots import intervals
from records import Outcome, Picture


@observable(group="sources", each="judges", needs=("judges",))
def judge_instructions(entry: JudgeSettings, workspace: Workspace) -> Observation:
    """What a judge is told, by the digest of what it says."""
    found = load_instructions(workspace.root / entry.instructions)
    return Observation(found.digest, found)


@stage(
    group="evaluation",
    code_version="4",
    each="judges",
    needs=("judges",),
    primary_key=("sample_id", "purpose", "prompt"),
    unit="judgements",
    recorded=True,
    pool="gpu",
    uses=("torch", "transformers"),
)
def judgements(
    entry: JudgeSettings,
    judge_instructions: Instructions,
    base_answers: dict[str, pl.DataFrame],
    answers: dict[str, pl.DataFrame],
    endpoint_answers: dict[str, pl.DataFrame] | None,
    experiment_winner: dict[str, pl.DataFrame] | None,
    samples: pl.DataFrame,
    base_model: dict[str, pl.DataFrame],
    endpoints: tuple[EndpointSettings, ...],
    adjudicated_labels: pl.DataFrame | None,
    run: Run,
) -> Outcome:
    """What a judge said of the contestants' answers, and of those that people compared; every try with its raw reply."""
    contestants = contestants_of(base_answers, answers, endpoint_answers, experiment_winner)
    pairs = pairs_of(contestants, samples, entry, judge_instructions.kind)
    if adjudicated_labels is not None:
        of_people = people_pairs if judge_instructions.kind == "pairwise" else people_rated
        pairs = pl.concat([pairs, of_people(adjudicated_labels)])
    table = ask_judge(run, judge_of(entry, base_model, endpoints, run), pairs, judge_instructions, entry)
    silent = table["verdict"].is_null() & table["rating"].is_null()
    errors = dict(table.drop_nulls("error")["error"].value_counts().sort("error").rows())
    garbage = int(silent.sum()) - sum(errors.values())
    failed = errors | ({"the reply is no verdict": garbage} if garbage else {})
    notes = {"left out": unanswered(contestants, samples) or "nobody"}
    return Outcome(table, kept=table.height - int(silent.sum()), failed=failed, notes=notes)


@stage(
    group="evaluation",
    code_version="2",
    needs=("judges",),
    unit="judges",
    outputs=(
        Output("win_rates", ("judge", "model_a", "model_b")),
        Output("ratings", ("judge", "model"), about="Bradley-Terry ratings of the models by each judge, with ties."),
        Output("rubric_scores", ("judge", "model"), about="The mean level that each rating judge gave to each model."),
        Output(
            "judge_agreement",
            ("judge", "sliced_by", "slice"),
            about="How far each judge agrees with people, over all and by slice.",
        ),
    ),
)
def win_rates(
    judgements: dict[str, pl.DataFrame],
    adjudicated_labels: pl.DataFrame | None,
    samples: pl.DataFrame,
    judges: tuple[JudgeSettings, ...],
    evaluation: EvaluationSettings,
) -> Outcome:
    """Who is preferred by whom, at equal length too; the ratings that follow; and how far each judge agrees with people."""
    said = {name: verdicts_of(table) for name, table in judgements.items()}
    agreed = [pl.DataFrame(schema=AGREEMENT)]
    compared = {name: table.filter(pl.col("pair").str.contains("/")) for name, table in said.items() if table.height}
    if adjudicated_labels is not None and adjudicated_labels.height:
        agreed += [
            agreement(judge, said[judge.name], adjudicated_labels, samples)
            if said[judge.name].height
            else rating_agreement(judge, judgements[judge.name], adjudicated_labels, samples)
            for judge in judges
        ]
        compared[PEOPLE] = people_verdicts(adjudicated_labels)
    rated, refused = ratings(compared, evaluation.bootstrap)
    others = {
        "ratings": rated,
        "rubric_scores": rubric_scores(judgements, evaluation.bootstrap),
        "judge_agreement": pl.concat(agreed),
    }
    notes = {f"not rated by {judge}": reason for judge, reason in refused.items()}
    shown = rated.select(model=pl.col("model"), prompt=pl.lit(None, dtype=pl.String), metric="judge", value="rating", low="low", high="high", n=pl.col("wins") + pl.col("ties") + pl.col("losses"))  # fmt: skip
    return Outcome(
        preferred(compared, evaluation.bootstrap),
        kept=len(judgements),
        others=others,
        notes=notes,
        pictures=[Picture("ratings", intervals(shown))],
    )


STAGES = [judge_instructions, judgements, win_rates]
