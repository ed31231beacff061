"""A small graph of models: bases, adapters made from them, and answers. What a model learns is a seed, and nothing is trained."""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from assets.models import MODELS
from curation.tasks.settings import TaskSettings
from pipelines.settings import BaseEntry, ModelSettings
from pipelines.stages import Run, stage
from records import Outcome, digest
from tests.pipelines.toy_stages import House
from training.finetune import FinetuneSettings


@stage(group="models", code_version="1", each="weights", needs=("task",), primary_key="name")
def base_model(entry: BaseEntry, run: Run) -> Outcome:
    """A folder of weights."""
    folder = run.workspace.store.root / "bases" / entry.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_text(entry.base)
    place = str(folder.relative_to(run.workspace.store.root))
    row = {"name": entry.base, "digest": digest(entry.base), "path": place}
    return Outcome(pl.DataFrame([row]), notes={"folder": place})


@stage(
    group="models",
    code_version="1",
    each="models",
    joins={"base_model": "base_name"},
    primary_key="model",
    recorded=True,
)
def model(entry: ModelSettings, base_model: pl.DataFrame, run: Run) -> Outcome:
    """An adapter: what it is made from, written down."""
    out = run.folder() / "adapter"
    out.mkdir(exist_ok=True)
    (out / "adapter_model.safetensors").write_text(weights(run.key[:16]))
    (out / "recipe.json").write_text(json.dumps({"base": {"name": entry.base}, "dataset_version": "r1"}))
    job = run.workspace.state / "jobs" / f"{run.node}-{run.key[:16]}" / "1"
    job.mkdir(parents=True, exist_ok=True)
    (job / "job.json").write_text("{}")
    row = {"model": entry.name, "version": run.key[:16], "base": entry.base, "dataset_version": "r1", "phase": "sft"}
    row |= {"settings": "{}", "folder": str(out.relative_to(run.workspace.artifacts))}
    notes = {"folder": str(out.relative_to(run.workspace.store.root))}
    return Outcome(pl.DataFrame([row], schema=MODELS), notes=notes)


@stage(group="evaluation", code_version="1", each="models", primary_key="sample_id", recorded=True)
def answers(entry: ModelSettings, model: pl.DataFrame) -> pl.DataFrame:
    """What a model answered."""
    return pl.DataFrame({"sample_id": ["s"], "model": [entry.name], "model_version": model["version"]})


STAGES = [base_model, model, answers]


def weights(version: str) -> str:
    """What stands in the adapter of a version."""
    return f"the weights of {version}"


@dataclass(frozen=True)
class Declared:
    """A model as `headwater.yaml` declares it: on which base, with which seed."""

    base: str = "./small"
    seed: int = 0


class ModelHouse(House):
    """A workspace of such models: declare them, and run it."""

    def declare(self, models: dict[str, Declared]) -> None:
        """Let the settings ask for these models, and no others."""
        entries = [
            ModelSettings(name, each.base, settings=FinetuneSettings(seed=each.seed)) for name, each in models.items()
        ]
        self.settings = {"task": TaskSettings(recipe="qa"), "models": tuple(entries)}
