"""`headwater run`: what is out of date is found in the store; only that is given to Dagster.

The plan needs no Dagster, so a workspace where nothing changed is known to be fresh in a second. What is planned runs in
this process, on the workspace's own Dagster instance: the UI shows these runs beside those of schedules and sensors.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pipelines.cleaning import Cleared, is_time
from pipelines.engine import reasons
from pipelines.extras import with_mend
from pipelines.graph import Graph, Node
from pipelines.inputs import one_look
from pipelines.stages import Observation
from pipelines.workspace import VARIABLE, Workspace


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do: each node with why; nodes below one that runs wait for what becomes of it."""

    wanted: tuple[Node, ...]
    why: dict[str, list[str]]

    @property
    def nodes(self) -> list[Node]:
        """The nodes that would run, in order."""
        return [node for node in self.wanted if node.name in self.why]


@dataclass(frozen=True, slots=True)
class Failure:
    """A stage that failed, and what it said."""

    node: str
    error: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a run; `interrupted` is the stage at which a person ended it."""

    plan: Plan
    failures: list[Failure] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    interrupted: str = ""


def plan(workspace: Workspace, graph: Graph, names: Sequence[str] = (), force: bool = False) -> Plan:
    """What is out of date among the named assets and all they depend on (among all assets, when none is named).

    Raises GraphError for a name that is no asset.
    """
    wanted = [node for node in (graph.upstream(names) if names else graph) if node.stage.kind != "observable"]
    forced = {graph.node_of(name).name for name in names} if names else {node.name for node in wanted}
    seen: dict[str, Observation] = {}
    why: dict[str, list[str]] = {}
    for node in wanted:
        above = [graph.makers[name].name for name in node.dependencies() if name in graph.makers]
        running = [name for name in above if name in why]
        found = (
            ["forced"] if force and node.name in forced else [] if running else reasons(node, graph, workspace, seen)
        )
        if running:
            found.append(f"below {running[0]}" + (f" and {len(running) - 1} more" if len(running) > 1 else ""))
        if found:
            why[node.name] = found
    return Plan(tuple(wanted), why)


def run(workspace: Workspace, graph: Graph, names: Sequence[str] = (), force: bool = False) -> Report:
    """Materialise what the plan names, in this process, and say what failed."""
    with one_look():
        return _run(workspace, graph, names, force)


def _run(workspace: Workspace, graph: Graph, names: Sequence[str], force: bool) -> Report:
    found = plan(workspace, graph, names, force)
    if not found.nodes:
        return Report(found)
    os.environ[VARIABLE] = str(workspace.root)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _materialise(workspace, graph, found, force)


def _materialise(workspace: Workspace, graph: Graph, found: Plan, force: bool) -> Report:
    import dagster as dg

    from pipelines.asset_pages import UNEQUAL
    from pipelines.dagster_assets import FORCE_TAG, observables
    from pipelines.database_engines import kept_open
    from pipelines.definitions import definitions_of
    from pipelines.findings import facts_by
    from pipelines.instance import write_dagster_yaml
    from pipelines.lost_runs import fail_lost_runs, run_tags
    from pipelines.observation import observe
    from pipelines.staleness import TOMBSTONES, report_stale_models

    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    home = workspace.dagster_home
    write_dagster_yaml(home)
    os.environ["DAGSTER_HOME"] = str(home)
    with kept_open(), dg.DagsterInstance.from_config(str(home)) as instance, run_tags(home) as tags:
        fail_lost_runs(instance)
        if TOMBSTONES in observe(instance, observables(graph, workspace), facts_by(graph, workspace)):
            report_stale_models(instance, workspace)
        job = definitions_of(workspace.root).resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance,
            asset_selection=[dg.AssetKey(output.name) for node in found.nodes for output in node.outputs],
            raise_on_error=False,
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            tags={**tags, **({FORCE_TAG: "true"} if force else {})},
        )
        failed = [event for event in result.all_events if event.is_step_failure]
        interrupted = next((event.step_key or "" for event in failed if _is_interrupted(event)), "")
        failures = [Failure(event.step_key or "", _error(event)) for event in failed if not _is_interrupted(event)]
        made = [event for event in result.all_events if event.is_step_materialization]
        unequal = [
            _table(event) for event in made if UNEQUAL in event.step_materialization_data.materialization.metadata
        ]
    return Report(found, failures, unequal, interrupted)


def clear_away(workspace: Workspace) -> list[Cleared]:
    """Remove what nobody needs of a workspace after a run, if it is time and no other run is on; what was removed.

    Where it is not time nothing is imported for it: a run that has nothing to do is over in a second.
    """
    if not is_time(workspace, time.time()):
        return []
    import dagster as dg

    from pipelines.definitions import current
    from pipelines.housekeeping import clear_idle

    with dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
        return clear_idle(instance, workspace, partial(current, workspace.root))


def _table(event: Any) -> str:
    name: str = event.asset_key.to_user_string()
    return name


def _is_interrupted(event: Any) -> bool:
    """Whether a stage ended by Ctrl-C, or by what a machine sends to all that runs before it stops."""
    error = event.step_failure_data.error
    while error is not None and error.cls_name != "DagsterExecutionInterruptedError":
        error = error.cause
    return error is not None


def _error(event: object) -> str:
    """What the stage itself raised: the first error that is not Dagster's own frame around it."""
    error = event.step_failure_data.error  # type: ignore[attr-defined]
    while error is not None and error.cause is not None and error.cls_name.startswith("Dagster"):
        error = error.cause
    return with_mend(error.message.strip()) if error is not None else "unknown error"


__all__ = ["Failure", "Plan", "Report", "clear_away", "plan", "run"]
