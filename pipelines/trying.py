"""`headwater try`: the base with its best prompt and each finetuned model, on one input."""

from __future__ import annotations

import polars as pl

from evaluation.prompts import prompts_table
from evaluation.trying import Contestant as Asked
from evaluation.trying import try_prompt
from pipelines.contestants import Contestant, base_contestant, finetuned
from pipelines.workspace import Workspace
from records import Progress, silent


def answers_of(workspace: Workspace, text: str, progress: Progress = silent) -> list[tuple[str, str, str]]:
    """Model, prompt and answer of each contestant. Raises LookupError when there is no model yet."""
    if workspace.store.head("models") is None:
        raise LookupError("there is no model yet; `headwater run` makes what headwater.yaml declares under `models`")
    contestants = list(_contestants(workspace))
    asked = [Asked(each.name, each.base, each.adapter, each.prompt) for each in contestants]
    answers = try_prompt(text, asked, workspace.config.evaluation.generation, progress)
    return [(each.name, each.prompt_name, answer) for each, (_, answer) in zip(contestants, answers, strict=True)]


def _contestants(workspace: Workspace) -> list[Contestant]:
    config = workspace.config
    prompts = prompts_table([workspace.root / path for path in config.prompts])
    bases = {entry.name: _table(workspace, f"base_model_{entry.name}") for entry in config.bases}
    tried = {name: _table(workspace, f"best_prompt_{name}") if config.prompts else None for name in bases}
    found = [base_contestant(base, tried[name], prompts, workspace) for name, base in bases.items()]
    return found + [
        finetuned(_table(workspace, f"model_{entry.name}"), bases[entry.base_name], workspace)
        for entry in config.models
    ]


def _table(workspace: Workspace, name: str) -> pl.DataFrame:
    return workspace.store.scan(name).collect()
