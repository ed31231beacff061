"""Asking a judge: every pair in both orders, again where the reply was no verdict, and nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from evaluation.endpoint import EndpointSettings
from evaluation.inference import GenerationSettings
from evaluation.judging import (
    HOTTER,
    JUDGEMENTS,
    Instructions,
    JudgeSettings,
    again,
    equal_answers,
    judged,
    questions_of,
)
from evaluation.selection import QUESTIONS
from pipelines.contestants import Contestant, ask, served, weights_of
from pipelines.settings import slug
from pipelines.stages import Run


def judge_of(
    judge: JudgeSettings, base_model: Mapping[str, pl.DataFrame], endpoints: tuple[EndpointSettings, ...], run: Run
) -> Contestant:
    """Who answers for a judge: a base as it is, or an endpoint."""
    if judge.endpoint:
        endpoint = next(each for each in endpoints if each.name == judge.endpoint)
        return replace(served(replace(endpoint, prompt=""), None), name=judge.name)
    base = base_model[slug(judge.base)]
    row = base.row(0, named=True)
    return Contestant(judge.name, row["digest"][:16], weights_of(base, run.workspace), None, None, row["digest"])


def ask_judge(
    run: Run, contestant: Contestant, pairs: pl.DataFrame, instructions: Instructions, judge: JudgeSettings
) -> pl.DataFrame:
    """The judgements (JUDGEMENTS), a row for each try; what has no verdict after the last try stands as it was replied."""
    questions = questions_of(pairs, instructions)
    rows = [equal_answers(pairs) if instructions.kind == "pairwise" else pl.DataFrame(schema=JUDGEMENTS)]
    waiting = questions
    for attempt in range(1, judge.tries + 1):
        if waiting.is_empty():
            break
        answers = ask(run, contestant, waiting.select(QUESTIONS.keys()), _settings(judge.generation, attempt))
        found = judged(waiting, answers, instructions)
        rows.append(found)
        waiting = again(questions, found, attempt + 1)
    return pl.concat(rows).sort("sample_id", "purpose", "prompt")


def _settings(settings: GenerationSettings, attempt: int) -> GenerationSettings:
    """Further tries draw, each by a seed of its own."""
    if attempt == 1:
        return settings
    return replace(settings, temperature=max(HOTTER, settings.temperature), seed=settings.seed + attempt - 1)
