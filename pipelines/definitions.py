"""The code location: the graph of one workspace as Dagster definitions."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg

from assets import STAGES
from pipelines.automation import automation_sensor
from pipelines.dagster_assets import asset_of, observables, source_assets
from pipelines.graph import Graph, build_graph
from pipelines.housekeeping import housekeeping_sensor
from pipelines.observation import observation_sensor
from pipelines.schedules import build_schedules
from pipelines.workspace import VARIABLE, Workspace, find_workspace


def definitions_of(root: Path) -> dg.Definitions:
    """All of the workspace in a folder as Dagster sees it."""

    def load() -> tuple[Workspace, Graph]:
        workspace = Workspace(root)
        return workspace, build_graph(STAGES, workspace.config)

    workspace, graph = load()
    return dg.Definitions(
        assets=[*source_assets(graph, load), *(asset_of(node, load) for node in graph.stages())],
        schedules=build_schedules(workspace.config.schedules, list(graph.makers)),
        executor=dg.in_process_executor,
        sensors=[observation_sensor(observables(graph, workspace)), automation_sensor(), housekeeping_sensor()],
    )


def __getattr__(name: str) -> dg.Definitions:
    """`defs`, made when Dagster asks for it: of the workspace that HEADWATER_WORKSPACE names, else of the nearest one."""
    if name != "defs":
        raise AttributeError(name)
    named = os.environ.get(VARIABLE)
    return definitions_of(find_workspace(Path(named) if named else None).root)
