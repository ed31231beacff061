"""`headwater try`: the base with its best prompt and each finetuned model, on one input."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from evaluation.prompts import Prompt, prompts_table
from evaluation.trying import Contestant, try_prompt
from pipelines.contestants import prompts_of
from pipelines.workspace import Workspace


def answers_of(workspace: Workspace, text: str) -> list[tuple[str, str, str]]:
    """Model, prompt and answer of each contestant. Raises LookupError when there is no model yet."""
    store, config = workspace.store, workspace.config
    if store.head("models") is None:
        raise LookupError("there is no model yet; `headwater run` makes what headwater.yaml declares under `models`")
    asked: list[tuple[str, Contestant]] = []
    bases: dict[str, str] = {}
    for entry in config.bases:
        bases[entry.name] = store.scan(f"base_model_{entry.name}").collect().row(0, named=True)["path"]
        prompt = _best_prompt(workspace, entry.name)
        asked.append((f"base {entry.base}", Contestant("base", bases[entry.name], None, prompt)))
    for model in config.models:
        row = store.scan(f"model_{model.name}").collect().row(0, named=True)
        adapter = str(workspace.artifacts / row["folder"])
        asked.append((f"{model.name} {row['version'][:8]}", Contestant(model.name, bases[model.base_name], adapter, None)))
    answers = try_prompt(text, [contestant for _, contestant in asked], config.evaluation.generation)
    return [(name, each.prompt.name if each.prompt else "none", answer) for (name, each), (_, answer) in zip(asked, answers, strict=True)]


def _best_prompt(workspace: Workspace, base: str) -> Prompt | None:
    if not workspace.config.prompts or workspace.store.head(f"best_prompt_{base}") is None:
        return None
    winner = workspace.store.scan(f"best_prompt_{base}").filter(pl.col("chosen")).collect()["prompt"].item()
    table = prompts_table([Path(workspace.root / path) for path in workspace.config.prompts])
    return next((prompt for prompt in prompts_of(table) if prompt.name == winner), None)
