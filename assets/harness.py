"""Tasks of lm-evaluation-harness from local files, asked of all contestants."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from curation.inventory import SKIPPED_FOLDERS, Source, take_inventory
from evaluation.endpoint import EndpointSettings
from evaluation.harness.settings import HarnessSettings
from evaluation.settings import EvaluationSettings
from pipelines.digests import frame_version
from pipelines.harness import ask_tasks, contestants_asked
from pipelines.stages import Observation, Output, Run, observable, stage
from pipelines.workspace import Workspace
from records import Outcome


@observable(group="sources", each="harness", needs=("models",))
def harness_tasks(entry: HarnessSettings, workspace: Workspace) -> Observation:
    """The files of a folder of tasks, data and code among them, by their bytes."""
    path = workspace.root / Path(entry.path).expanduser()
    if not path.exists():
        raise FileNotFoundError(
            f"harness {entry.name!r}: there is no {path}; make it, or mend `path` of this entry in headwater.yaml"
        )
    skipped = (*SKIPPED_FOLDERS, workspace.state.name)
    source = Source(entry.name, str(path if path.is_dir() else path.parent), skip_folders=skipped)
    cache = workspace.state / "inventories" / f"harness-{entry.name}.parquet"
    version = frame_version(take_inventory(source, workspace.root, cache))
    return Observation(version, version)


@stage(
    group="evaluation",
    code_version="2",
    each="harness",
    unit="documents",
    recorded=True,
    pool="gpu",
    uses=("torch", "transformers", "peft", "lm-eval"),
    outputs=(
        Output("harness_answers", ("model", "asked")),
        Output(
            "harness_items",
            ("model", "task", "metric", "doc"),
            about="What each document of each task of the harness gave, for each model.",
        ),
        Output(
            "harness_scores",
            ("model", "task", "metric"),
            about="The scores of the tasks of the harness, with intervals.",
        ),
        Output(
            "harness_comparisons",
            ("metric", "split", "model_a", "model_b"),
            about="Paired differences between two models on the documents of each task.",
        ),
    ),
)
def harness_answers(
    entry: HarnessSettings,
    harness_tasks: str,
    base_model: dict[str, pl.DataFrame],
    model: dict[str, pl.DataFrame],
    endpoints: tuple[EndpointSettings, ...],
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """The contestants' answers to the tasks, what each document gave, and scores; what was answered before is not asked again."""
    contestants = contestants_asked(base_model, model, endpoints, entry, evaluation.generation, run)
    return ask_tasks(contestants, entry, harness_tasks, evaluation, run)


STAGES = [harness_tasks, harness_answers]
