"""Groups of tasks: which tasks they hold, and one score for all of them.

As in the harness, a group's score is over its tasks, those of groups within it too: the mean over all documents, or with
`weight_by_size: false` the mean of the tasks' means. Its documents are those of its tasks, so its intervals and tests are those
of tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from evaluation.harness.errors import TaskError

APART = 10**9
"""Between the documents of two tasks of a group, which are counted from 0 in each."""

Configs = Mapping[Path, Mapping[str, Any]]


@dataclass(frozen=True)
class Group:
    """A group with a score: its tasks, and its metrics, each with whether documents count alike (else tasks do)."""

    name: str
    tasks: Sequence[str]
    metrics: Mapping[str, bool]


def groups_of(configs: Configs) -> Iterator[Group]:
    """The groups among task files that say how their score is made (`aggregate_metric_list`).

    Raises:
        TaskError: a member is not there, or a score is no mean.
    """
    for file, config in configs.items():
        listed = config.get("aggregate_metric_list")
        if "group" in config and listed:
            name, metrics = str(config["group"]), {}
            for entry in [listed] if isinstance(listed, dict) else listed:
                if entry.get("aggregation", "mean") != "mean":
                    raise TaskError(f"{file}: aggregation: {entry['aggregation']}: the score of a group is a mean")
                metrics[str(entry["metric"])] = bool(entry.get("weight_by_size", True))
            yield Group(name, expanded([name], configs), metrics)


def expanded(names: Iterable[str], configs: Configs) -> tuple[str, ...]:
    """Names of tasks, where some may be of groups: these stand for their tasks, in groups within groups too.

    Raises:
        TaskError: a group holds itself, or what is not there.
    """
    return tuple(dict.fromkeys(task for name in names for task in _leaves(name, configs, _members(configs), ())))


def _leaves(name: str, configs: Configs, members: Mapping[str, Sequence[Any]], above: tuple[str, ...]) -> Iterator[str]:
    if name not in members:
        yield name
    for each in members.get(name, ()):
        if each in above or each == name:
            raise TaskError(f"{_file(name, configs)}: the group {each!r} holds itself")
        if not isinstance(each, str) or (each not in members and each not in _tasks(configs)):
            said = f"the group {name!r} names {each!r}, which is no task, tag or group in this folder"
            raise TaskError(f"{_file(name, configs)}: {said}")
        yield from _leaves(each, configs, members, (*above, name))


def _tasks(configs: Configs) -> set[str]:
    return {str(config["task"]) for config in configs.values() if "group" not in config and "task" in config}


def _file(group: str, configs: Configs) -> Path | None:
    return next((file for file, config in configs.items() if config.get("group") == group), None)


def with_groups(items: pl.DataFrame, groups: Iterable[Group]) -> pl.DataFrame:
    """Items (`scores.ITEMS`) of tasks, and beside them those of groups, by the metrics that all their tasks have as means."""
    return pl.concat([items, *(part for group in groups for part in _of_group(items, group))])


def _of_group(items: pl.DataFrame, group: Group) -> Iterator[pl.DataFrame]:
    known = items.filter(pl.col("task").is_in(list(group.tasks)), pl.col("aggregation") == "mean").drop_nulls("value")
    places = {task: place * APART for place, task in enumerate(sorted(group.tasks))}
    for (named,), part in known.group_by("metric", maintain_order=True):
        metric = str(named).partition(" (")[0]
        if metric in group.metrics and part["task"].n_unique() == len(places):
            weight = pl.lit(1.0) if group.metrics[metric] else 1.0 / pl.len().over("task")
            doc = pl.col("doc") + pl.col("task").replace_strict(places, return_dtype=pl.Int64)
            yield part.with_columns(doc=doc, weight=weight).with_columns(task=pl.lit(group.name)).select(items.columns)


def _members(configs: Configs) -> dict[str, Sequence[Any]]:
    """What groups and tags hold, by their names."""
    found: dict[str, list[Any]] = {}
    for config in configs.values():
        task, tags = config.get("task"), config.get("tag") or ()
        if "group" in config:
            found[str(config["group"])] = list(task) if isinstance(task, list) else [task]
        elif isinstance(task, str):
            for tag in [tags] if isinstance(tags, str) else tags:
                found.setdefault(str(tag), []).append(task)
    return dict(found)
