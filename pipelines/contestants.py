"""Asking contestants: questions into a file, a process that answers, answers back into a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from evaluation.inference import AnswerJob, GenerationSettings
from evaluation.prompts import Prompt
from pipelines.stages import Run
from pipelines.workspace import Workspace
from records import Outcome


@dataclass(frozen=True, slots=True)
class Contestant:
    """A model as it is asked: a base folder, an adapter or none, and the prompt around each sample."""

    name: str
    version: str
    base: str
    adapter: str | None
    prompt: Prompt | None

    @property
    def prompt_name(self) -> str:
        """The prompt's name; "none" when samples are asked as they are."""
        return "none" if self.prompt is None else self.prompt.name


def weights_of(base_model: pl.DataFrame, workspace: Workspace) -> str:
    """The folder of a base's weights: within the store, or where headwater.yaml says that it lies."""
    return str(workspace.store.root / base_model["path"].item())


def base_contestant(
    base_model: pl.DataFrame, best_prompt: pl.DataFrame | None, prompts: pl.DataFrame | None, workspace: Workspace
) -> Contestant:
    """The base with the prompt that won on validation."""
    row = base_model.row(0, named=True)
    prompt = None
    if best_prompt is not None and prompts is not None:
        winner = best_prompt.filter("chosen")["prompt"].item()
        prompt = next(each for each in prompts_of(prompts) if each.name == winner)
    return Contestant("base", row["digest"][:16], weights_of(base_model, workspace), None, prompt)


def finetuned(model: pl.DataFrame, base_model: pl.DataFrame, workspace: Workspace) -> Contestant:
    """A finetuned model, asked as it was trained: the sample alone."""
    row = model.row(0, named=True)
    adapter = str(workspace.artifacts / row["folder"])
    return Contestant(row["model"], row["version"], weights_of(base_model, workspace), adapter, None)


def prompts_of(table: pl.DataFrame) -> list[Prompt]:
    """The prompts of a table of prompts."""
    return [Prompt(row["prompt"], tuple(row["messages"]), row["digest"]) for row in table.iter_rows(named=True)]


def ask(run: Run, contestant: Contestant, questions: pl.DataFrame, settings: GenerationSettings) -> pl.DataFrame:
    """The contestant's answers, one row per question, with its name and version."""
    folder = run.folder()
    asked, answered = folder / f"{contestant.name}-questions.parquet", folder / f"{contestant.name}-answers.parquet"
    questions.write_parquet(asked)
    run.launch(
        "evaluation.inference", AnswerJob(contestant.base, contestant.adapter, str(asked), str(answered), settings)
    )
    answers = pl.read_parquet(answered)
    _forget(asked, answered)
    return answers.with_columns(model=pl.lit(contestant.name), model_version=pl.lit(contestant.version))


def answered(rows: pl.DataFrame) -> Outcome:
    """Answers with their books: an answer that could not be had counts as failed, by its error."""
    failed = rows.drop_nulls("error").group_by("error").len()
    return Outcome(rows, kept=rows["error"].null_count(), failed=dict(failed.iter_rows()))


def _forget(*files: Path) -> None:
    for file in files:
        file.unlink()
