"""Which tasks are asked, of whom, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from evaluation.endpoint import EndpointSettings
from evaluation.inference import GenerationSettings
from evaluation.loading import Precision
from evaluation.statistics import BootstrapSettings


@dataclass(frozen=True)
class HarnessSettings:
    """One entry of `harness`: tasks of lm-evaluation-harness in a local folder."""

    # what it is called: letters, digits and underscores
    name: str
    # a folder of task files (YAML) with their data beside them, or one task file; relative to the workspace
    path: str
    # which tasks or groups of the folder; all when empty
    tasks: tuple[str, ...] = ()
    # documents of each task that are asked, the first ones; 0 means all
    limit: int = 0
    # examples before each question; what the task says when null
    fewshot: int | None = None
    # draws the examples
    seed: int = 1234
    # put questions as the turns of a chat, by the model's template
    chat: bool = False
    # number formats of the weights, each a contestant; that of evaluation.generation when empty
    precisions: tuple[Precision, ...] = ()
    # run the code that task files name
    trust_code: bool = False

    def __post_init__(self) -> None:
        if self.limit < 0 or (self.fewshot is not None and self.fewshot < 0):
            raise ValueError("limit and fewshot: cannot be negative")


@dataclass(frozen=True)
class HarnessJob:
    """One contestant and the tasks that it is asked.

    `base` and `adapter` are model folders, or `endpoint` says who answers. `path` is the tasks' folder or file. `recipe`
    names the weights and the way of asking; answers are remembered under it: those of the Parquet file `known`, and those
    of the folder `parts`, into which each batch is written when it is done. `answers` and `items` are the Parquet files to
    write (`answers.ANSWERS`, `scores.ITEMS`).
    """

    base: str
    adapter: str | None
    path: str
    recipe: str
    known: str
    answers: str
    items: str
    parts: str
    tasks: HarnessSettings
    settings: GenerationSettings = field(default_factory=GenerationSettings)
    endpoint: EndpointSettings | None = None
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)
