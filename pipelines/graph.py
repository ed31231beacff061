"""The lineage graph of one workspace: which stages exist under its settings, and what each depends on.

Names are resolved here, once: a parameter becomes a table, several tables (one per entry of a list), a part of the
settings, or something observed. What a workspace does not ask for (no task, no models) is absent from its graph, and so
is everything that needs it.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import polars as pl

from pipelines.settings import Config
from pipelines.stages import Output, Parameter, Release, Run, Stage, Tracked, parameters
from pipelines.workspace import Workspace
from records import Progress

SETTINGS = "settings_"
ELEMENTS = {"measure": "contents", "fold": "added"}
"""The parameter of a measure and of a fold through which the elements of its `of` come."""


class GraphError(ValueError):
    """A stage asks for something that nothing provides."""


@dataclass(frozen=True, slots=True)
class Input:
    """What one parameter of a stage is given."""

    parameter: str
    role: str
    """`table`, `tables`, `release`, `observed`, `observeds`, `settings`, `entry`, `run`, `progress`, `workspace` or `absent`."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Entry to the name of the node, table or section (one entry, "", for a single one)."""
    lazy: bool = False
    tracked: bool = False
    """A fold is told what came to the table and what went."""

    @property
    def name(self) -> str:
        """The one name of an input that is not several."""
        return next(iter(self.names.values()))


@dataclass(frozen=True, slots=True)
class Node:
    """A stage as it stands in one workspace: for one entry, if it is made per entry."""

    name: str
    stage: Stage
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    entry: Any = None
    entry_name: str = ""

    def dependencies(self) -> list[str]:
        """The tables and observables that this node reads, and the settings sections, by name."""
        found: list[str] = []
        for given in self.inputs:
            if given.role in {"table", "tables", "release", "observed", "observeds"}:
                found += given.names.values()
            elif given.role in {"settings", "entry"}:
                found += [SETTINGS + name for name in given.names.values()]
        return list(dict.fromkeys(found))


@dataclass(frozen=True)
class Graph:
    """All nodes of a workspace, in an order in which each comes after what it reads."""

    nodes: Mapping[str, Node]
    makers: Mapping[str, Node]
    """Table to the node that makes it."""
    sections: tuple[str, ...]

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def stages(self) -> list[Node]:
        """The nodes that compute, in order."""
        return [node for node in self if node.stage.kind != "observable"]

    def node_of(self, name: str) -> Node:
        """The node of that name, or the node that makes the table of that name."""
        found = self.nodes.get(name) or self.makers.get(name)
        if found is None:
            known = ", ".join(sorted({*self.nodes, *self.makers}))
            raise GraphError(f"there is no asset {name!r} in this workspace; there are: {known}")
        return found

    def upstream(self, names: Iterable[str]) -> list[Node]:
        """Those nodes and all that they depend on, in order."""
        wanted: set[str] = set()
        open_ = [self.node_of(name).name for name in names]
        while open_:
            name = open_.pop()
            if name not in wanted:
                wanted.add(name)
                open_ += [self.makers[table].name for table in self.nodes[name].dependencies() if table in self.makers]
        return [node for node in self if node.name in wanted]


def build_graph(stages: Sequence[Stage], config: Config) -> Graph:
    """The graph of `stages` under the settings of one workspace."""
    by_output = {output.name: stage for stage in stages for output in stage.outputs or (Output(stage.name, ()),)}
    present = _present(stages, by_output, config)
    nodes = [node for stage in stages if stage.name in present for node in _nodes(stage, by_output, present, config)]
    makers = {output.name: node for node in nodes for output in node.outputs}
    makers |= {node.name: node for node in nodes if node.stage.kind == "observable"}
    sorter = TopologicalSorter(
        {node.name: [makers[name].name for name in node.dependencies() if name in makers] for node in nodes}
    )
    try:
        order = {name: place for place, name in enumerate(sorter.static_order())}
    except CycleError as error:
        raise GraphError(f"these assets wait for each other: {' → '.join(error.args[1])}") from error
    ordered = sorted(nodes, key=lambda node: order[node.name])
    sections = dict.fromkeys(
        name.removeprefix(SETTINGS) for node in ordered for name in node.dependencies() if name.startswith(SETTINGS)
    )
    return Graph({node.name: node for node in ordered}, makers, tuple(sections))


def _entries(stage: Stage, config: Config) -> list[tuple[str, Any]]:
    return [(entry.name, entry) for entry in getattr(config, stage.each)] if stage.each else [("", None)]


def _is_present(stage: Stage, by_output: Mapping[str, Stage], present: set[str], config: Config) -> bool:
    if not all(getattr(config, part) for part in stage.needs) or not _entries(stage, config):
        return False
    if stage.of and by_output[stage.of].name not in present:
        return False
    for parameter in parameters(stage.function):
        maker = None if config.section_of(parameter.annotation) else by_output.get(parameter.name)
        if maker is not None and maker.name not in present and not parameter.optional:
            return False
    readers = [other for name, other in by_output.items() if other.name in present and other is not stage]
    return not stage.on_demand or any(_asks(reader, name, config) for reader in readers for name in _made_by(stage))


def _made_by(stage: Stage) -> list[str]:
    return [output.name for output in stage.outputs]


def _asks(stage: Stage, name: str, config: Config) -> bool:
    """Whether a stage wants that table under these settings."""
    wanted = {parameter.name: parameter.optional for parameter in parameters(stage.function)} | {stage.of: False}
    return name in wanted and (not wanted[name] or stage.asks is None or name in stage.asks(config))


def _present(stages: Sequence[Stage], by_output: Mapping[str, Stage], config: Config) -> set[str]:
    present = {stage.name for stage in stages}
    while True:
        left = {
            stage.name for stage in stages if stage.name in present and _is_present(stage, by_output, present, config)
        }
        if left == present:
            return present
        present = left


def _nodes(stage: Stage, by_output: Mapping[str, Stage], present: set[str], config: Config) -> Iterator[Node]:
    for entry_name, entry in _entries(stage, config):
        suffix = f"_{entry_name}" if entry_name else ""
        outputs = tuple(replace(output, name=output.name + suffix) for output in stage.outputs)
        inputs = tuple(
            _resolve(parameter, stage, entry, by_output, present, config) for parameter in parameters(stage.function)
        )
        yield Node(stage.name + suffix, stage, inputs, outputs, entry, entry_name)


def _resolve(
    parameter: Parameter, stage: Stage, entry: Any, by_output: Mapping[str, Stage], present: set[str], config: Config
) -> Input:
    name, kind = parameter.name, parameter.annotation
    if kind is Run:
        return Input(name, "run")
    if kind is Progress:
        return Input(name, "progress")
    if kind is Workspace:
        return Input(name, "workspace")
    is_entry = bool(stage.each) and isinstance(kind, type) and isinstance(entry, kind)
    if is_entry:
        return Input(name, "entry", {"": f"{stage.each}_{entry.name}"})
    if name == ELEMENTS.get(stage.kind):
        kind = dict[str, pl.LazyFrame] if by_output[stage.of].each else pl.LazyFrame
        found = _resolve_table(Parameter(stage.of, kind, False), stage, entry, by_output[stage.of], present, config)
        return replace(found, parameter=name)
    if stage.kind == "fold" and name in {"state", "removed", "found"}:
        return Input(name, "absent")
    section = config.section_of(kind)
    if section is not None:
        return Input(name, "settings", {"": section})
    if name in by_output and not _asks(stage, name, config):
        return Input(name, "absent")
    if name in by_output:
        return _resolve_table(parameter, stage, entry, by_output[name], present, config)
    raise GraphError(
        f"stage {stage.name}: nothing provides its parameter {name!r} ({kind}): name a table, or annotate a part of headwater.yaml"
    )


def _resolve_table(
    parameter: Parameter, stage: Stage, entry: Any, maker: Stage, present: set[str], config: Config
) -> Input:
    name, kind = parameter.name, parameter.annotation
    if maker.name not in present:
        return Input(name, "absent")
    observed = maker.kind == "observable"
    lazy = kind is pl.LazyFrame
    if kind is Tracked:
        return Input(name, "table", {"": name}, lazy=True, tracked=True)
    if not maker.each:
        return Input(name, "observed" if observed else "release" if kind is Release else "table", {"": name}, lazy)
    if typing.get_origin(kind) is dict:
        lazy = typing.get_args(kind)[1] is pl.LazyFrame
        names = {entry_name: f"{name}_{entry_name}" for entry_name, _ in _entries(maker, config)}
        return Input(name, "observeds" if observed else "tables", names, lazy)
    other = getattr(entry, stage.joins[name]) if name in stage.joins else entry.name
    return Input(
        name, "observed" if observed else "release" if kind is Release else "table", {"": f"{name}_{other}"}, lazy
    )
