"""Asking contestants tasks of lm-evaluation-harness: a process for each, which is given what it has answered before."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.endpoint import EndpointSettings
from evaluation.harness.answers import ANSWERS
from evaluation.harness.groups import Group, with_groups
from evaluation.harness.scores import ITEMS, compare_tasks, scores_of
from evaluation.harness.settings import HarnessJob, HarnessSettings
from evaluation.inference import GenerationSettings
from evaluation.settings import EvaluationSettings
from pipelines.contestants import Contestant, base_contestant, finetuned, served
from pipelines.settings import canonical
from pipelines.stages import Run
from records import Outcome, digest


@dataclass
class _Found:
    """What the contestants gave, one after the other."""

    answers: list[pl.DataFrame] = field(default_factory=list)
    items: dict[str, pl.DataFrame] = field(default_factory=dict)
    groups: dict[str, list[Group]] = field(default_factory=dict)
    scores: list[pl.DataFrame] = field(default_factory=list)
    kept: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    def with_groups(self) -> dict[str, pl.DataFrame]:
        """The items of each contestant, those of groups among them."""
        return {name: with_groups(table, self.groups[name]) for name, table in self.items.items()}


def contestants_asked(
    base_model: Mapping[str, pl.DataFrame],
    model: Mapping[str, pl.DataFrame],
    endpoints: tuple[EndpointSettings, ...],
    tasks: HarnessSettings,
    how: GenerationSettings,
    run: Run,
) -> Iterator[tuple[Contestant, GenerationSettings]]:
    """All that are asked: bases and finetunes in each number format, and the endpoints that compete."""
    config = run.workspace.config
    entries, bases = {entry.name: entry for entry in config.models}, [entry.name for entry in config.bases]
    own = [
        replace(
            base_contestant(base_model[name], None, None, run.workspace), name=f"base {name}" if bases[1:] else "base"
        )
        for name in bases
    ]
    own += [finetuned(table, base_model[entries[name].base_name], run.workspace) for name, table in model.items()]
    for contestant in own:
        for precision in tasks.precisions or (how.precision,):
            suffix = "" if precision == how.precision else f" {precision}"
            yield replace(contestant, name=contestant.name + suffix), replace(how, precision=precision)
    for endpoint in endpoints:
        if endpoint.competes:
            yield served(replace(endpoint, prompt=""), None), how


def ask_tasks(
    contestants: Iterator[tuple[Contestant, GenerationSettings]],
    tasks: HarnessSettings,
    version: str,
    evaluation: EvaluationSettings,
    run: Run,
) -> Outcome:
    """Answers, items, scores and comparisons of all contestants on the tasks; `version` names the tasks' files."""
    found = _Found()
    for contestant, how in contestants:
        _ask(found, contestant, how, tasks, version, evaluation, run)
    others = {
        "harness_items": pl.concat(
            [
                pl.DataFrame(schema={**ITEMS, "model": pl.String()}),
                *(table.with_columns(model=pl.lit(name)) for name, table in found.items.items()),
            ]
        ),
        "harness_scores": pl.concat(found.scores),
        "harness_comparisons": compare_tasks(found.with_groups(), evaluation.bootstrap),
    }
    return Outcome(
        pl.concat([pl.DataFrame(schema={**ANSWERS, "model": pl.String()}), *found.answers]),
        found.kept,
        {},
        found.failed,
        others,
        found.notes,
    )


def _ask(
    found: _Found,
    contestant: Contestant,
    how: GenerationSettings,
    tasks: HarnessSettings,
    version: str,
    evaluation: EvaluationSettings,
    run: Run,
) -> None:
    folder, name = run.folder(), contestant.name
    known, answers, items = (folder / f"{part}.parquet" for part in ("known", "answers", "items"))
    _known(run).write_parquet(known)
    recipe = digest("harness", contestant.recipe, json.dumps(canonical(how), sort_keys=True))
    path = str(run.workspace.root / Path(tasks.path).expanduser())
    job = HarnessJob(
        base=contestant.base,
        adapter=contestant.adapter,
        path=path,
        recipe=recipe,
        known=str(known),
        answers=str(answers),
        items=str(items),
        parts=str(run.parts),
        tasks=tasks,
        settings=how,
        endpoint=contestant.endpoint,
        bootstrap=evaluation.bootstrap,
    )
    said = run.launch("evaluation.harness.program", job)
    found.answers.append(pl.read_parquet(answers).with_columns(model=pl.lit(name)))
    found.items[name] = pl.read_parquet(items)
    found.groups[name] = [Group(**group) for group in said["groups"]]
    about = {"model": name, "model_version": contestant.version, "dataset_version": version}
    found.scores.append(scores_of(found.with_groups()[name], said["wholes"], about, evaluation.bootstrap))
    for file in (known, answers, items):
        file.unlink()
    _count(found, name, said)


def _count(found: _Found, name: str, said: Mapping[str, Any]) -> None:
    """Enter what a contestant's run said of itself."""
    failed = sum(said["failed"].values())
    found.kept += said["documents"] - failed
    for reason, count in said["failed"].items():
        found.failed[reason] = found.failed.get(reason, 0) + count
    found.notes[f"requests of {name}"] = f"{said['requests']:,}, of which {said['asked']:,} were asked now"
    if said["cut"]:
        found.notes[f"contexts of {name} that lost their beginning"] = said["cut"]
    if said["unasked"]:
        found.notes[f"tasks that {name} was not asked"] = (
            f"{', '.join(said['unasked'])}: an endpoint gives no likelihoods"
        )


def _known(run: Run) -> pl.DataFrame:
    """The answers that the stage's own table holds."""
    if run.workspace.store.head(run.node) is None:
        return pl.DataFrame(schema=ANSWERS)
    known: pl.DataFrame = run.workspace.store.scan(run.node).select(ANSWERS.keys()).collect()
    return known.unique("asked", keep="first", maintain_order=True)
