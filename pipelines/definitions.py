"""The code location: the graph of one workspace as Dagster definitions."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import dagster as dg

from assets import STAGES
from curation.inventory import Source
from curation.object_stores import is_remote
from pipelines.automation import automation_sensor
from pipelines.dagster_assets import asset_of, observables, source_assets
from pipelines.database_engines import share_engines
from pipelines.findings import facts_by
from pipelines.graph import Graph, build_graph
from pipelines.housekeeping import housekeeping_sensor
from pipelines.instance import dagster_home
from pipelines.observation import observation_sensor, observe
from pipelines.schedules import build_schedules
from pipelines.settings import Config
from pipelines.staleness import TOMBSTONES, report_stale_models
from pipelines.workspace import VARIABLE, Workspace, find_workspace

LABELS = "labels_on_server"
"""The source that changes with every label of a person."""

STORE_SECONDS = 300
"""How long the daemon waits between two looks at an object store."""


_drawn: dict[Path, tuple[Config, Graph]] = {}
"""Of each workspace the settings that were seen last, which are the same object while they are the same, and the graph by them."""


share_engines()


def current(root: Path) -> tuple[Workspace, Graph]:
    """The workspace in a folder and its graph, by the settings as they are now: each stage of a run asks."""
    workspace = Workspace(root)
    drawn = _drawn.get(root)
    if drawn is None or drawn[0] is not workspace.config:
        drawn = _drawn[root] = workspace.config, build_graph(STAGES, workspace.config)
    return workspace, drawn[1]


def definitions_of(root: Path) -> dg.Definitions:
    """All of the workspace in a folder as Dagster sees it."""
    load = partial(current, root)
    workspace, graph = load()
    return dg.Definitions(
        assets=[*source_assets(graph, load), *(asset_of(node, load) for node in graph.stages())],
        schedules=build_schedules(workspace.config.schedules, list(graph.makers)),
        executor=dg.in_process_executor,
        sensors=[*_observation(graph, workspace), automation_sensor(), housekeeping_sensor(workspace, load)],
    )


def _observation(graph: Graph, workspace: Workspace) -> list[dg.SensorDefinition]:
    """What looks at the head of the graph. A store is asked less often than a disk: each page of a listing costs money."""
    looks = observables(graph, workspace)
    far = {node.name for node in graph if isinstance(node.entry, Source) and is_remote(node.entry.path)} & looks.keys()

    def told(instance: dg.DagsterInstance, changed: list[str]) -> None:
        if TOMBSTONES in changed:
            report_stale_models(instance, workspace)

    at_hand = {name: look for name, look in looks.items() if name not in far}
    facts = facts_by(graph, workspace)
    near = observation_sensor(at_hand, told=told, bursty=[LABELS], facts_of=facts)
    if not far:
        return [near]
    remote = {name: looks[name] for name in far}
    return [near, observation_sensor(remote, "store_observation", STORE_SECONDS, facts_of=facts)]


def look_at_labels(workspace: Workspace) -> bool:
    """Looks at the labels outside the sensor's time, and records what was seen as the sensor does; whether it was new."""
    look = observables(build_graph(STAGES, workspace.config), workspace)[LABELS]
    with dg.DagsterInstance.from_config(str(dagster_home(workspace.root))) as instance:
        return bool(observe(instance, {LABELS: look}))


def __getattr__(name: str) -> dg.Definitions:
    """`defs`, made when Dagster asks for it: of the workspace that HEADWATER_WORKSPACE names, else of the nearest one."""
    if name != "defs":
        raise AttributeError(name)
    named = os.environ.get(VARIABLE)
    return definitions_of(find_workspace(Path(named) if named else None).root)
