"""Candidates for what people are shown: drafts of the current models, and what a judge says of them where that decides who is asked."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from annotation.routing import choose_samples, draft_pairs
from annotation.settings import RoutingSettings
from evaluation.endpoint import EndpointSettings
from evaluation.inference import GenerationSettings
from evaluation.judging import JUDGEMENTS, PAIRS, Instructions, JudgeSettings, question_text
from evaluation.preferences import verdicts_of
from evaluation.selection import open_questions
from evaluation.settings import EvaluationSettings
from pipelines.contestants import Contestant, answered, ask, base_contestant, finetuned, served
from pipelines.judging import ask_judge, judge_of
from pipelines.settings import Config
from pipelines.stages import Run, stage
from records import Outcome

LIBRARIES = ("torch", "transformers", "peft")


def asked_for(config: Config) -> set[str]:
    """The inputs that a routing policy asks for: thumbs make drafts anew only where they decide which."""
    policy = config.annotation.routing.policy if config.annotation else "random"
    more = {"feedback": "feedback", "uncertainty": "draft_judgements"}.get(policy)
    return {"best_prompt", "prompts", *([more] if more else [])}


@stage(
    group="annotation",
    code_version="4",
    needs=("annotation",),
    asks=asked_for,
    primary_key=("sample_id", "model", "draft"),
    unit="drafts",
    recorded=True,
    pool="gpu",
    uses=LIBRARIES,
)
def drafts(
    samples: pl.DataFrame,
    model: dict[str, pl.DataFrame],
    base_model: dict[str, pl.DataFrame],
    best_prompt: dict[str, pl.DataFrame] | None,
    prompts: pl.DataFrame | None,
    feedback: pl.DataFrame | None,
    routing: RoutingSettings,
    evaluation: EvaluationSettings,
    endpoints: tuple[EndpointSettings, ...],
    run: Run,
) -> Outcome:
    """Drafts for each open sample that may go to people, of the current models and of endpoints, with how they were sampled."""
    entry = run.workspace.config.models[-1]
    chosen = choose_samples(samples, routing, feedback)
    base = base_contestant(
        base_model[entry.base_name], (best_prompt or {}).get(entry.base_name), prompts, run.workspace
    )
    tuned = finetuned(model[entry.name], base_model[entry.base_name], run.workspace)
    others = [served(endpoint, prompts) for endpoint in endpoints if endpoint.competes]
    rows = [
        _drafted(run, each, open_questions(chosen, "draft", each.prompt), number, generation)
        for each in (base, tuned, *others)
        for number, generation in enumerate(samplings(routing, evaluation.generation))
    ]
    return answered(pl.concat(rows))


def samplings(routing: RoutingSettings, generation: GenerationSettings) -> list[GenerationSettings]:
    """How each draft of a model is made: one as evaluation has it, several by draws that differ in their seed."""
    if routing.candidates == 1:
        return [generation]
    seeds = range(generation.seed, generation.seed + routing.candidates)
    return [replace(generation, temperature=routing.temperature, seed=seed) for seed in seeds]


def _drafted(
    run: Run, contestant: Contestant, questions: pl.DataFrame, number: int, generation: GenerationSettings
) -> pl.DataFrame:
    return ask(run, contestant, questions, generation).with_columns(
        draft=pl.lit(number),
        temperature=pl.lit(generation.temperature),
        seed=pl.lit(generation.seed),
        max_new_tokens=pl.lit(generation.max_new_tokens),
    )


@stage(
    group="annotation",
    code_version="1",
    needs=("annotation", "judges"),
    on_demand=True,
    primary_key=("sample_id", "purpose", "prompt"),
    unit="judgements",
    recorded=True,
    pool="gpu",
    uses=LIBRARIES,
)
def draft_judgements(
    drafts: pl.DataFrame,
    samples: pl.DataFrame,
    judge_instructions: dict[str, Instructions],
    base_model: dict[str, pl.DataFrame],
    judges: tuple[JudgeSettings, ...],
    endpoints: tuple[EndpointSettings, ...],
    routing: RoutingSettings,
    run: Run,
) -> Outcome:
    """What the first judge of pairs says of two drafts of each sample, in both orders; people are asked first where it cannot tell."""
    able = [judge for judge in judges if judge_instructions[judge.name].kind == "pairwise"]
    if not able:
        return Outcome(pl.DataFrame(schema=JUDGEMENTS), notes={"judge": "none of the judges compares two answers"})
    judge, asked = able[0], samples.select("sample_id", question=question_text())
    nothing = pl.lit(None, dtype=pl.String)
    pairs = draft_pairs(drafts, routing.seed).join(asked, on="sample_id")
    pairs = pairs.with_columns(pair=pl.lit("drafts"), reference=nothing).select(PAIRS.keys())
    contestant = judge_of(judge, base_model, endpoints, run)
    table = ask_judge(run, contestant, pairs, judge_instructions[judge.name], judge)
    silent = int(table["verdict"].null_count())
    failed = {"the reply is no verdict": silent} if silent else {}
    return Outcome(table, kept=table.height - silent, failed=failed, notes={"judge": judge.name})


def margins_of(judgements: pl.DataFrame) -> dict[str, float]:
    """Of each sample how far the judge was from undecided: 1 where one draft won in both orders, 0 for a tie or a turned mind."""
    told = verdicts_of(judgements).drop_nulls("win")
    return {name: abs(2 * win - 1) for name, win in told.select("sample_id", "win").iter_rows()}


STAGES = [drafts, draft_judgements]
