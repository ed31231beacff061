"""What Dagster leaves lying while it is up for weeks, and nobody else clears away.

A run that was killed is called started for ever (see `lost_runs.py`). And each tick of the automation leaves a file with
three lines of log, 17,000 of them a day, which Dagster's retention of ticks does not touch. What nobody needs of the
workspace's own files goes here too (see `cleaning.py`), for a workspace that is up may never see `headwater run`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from pipelines.cleaning import Cleared, clear, is_time
from pipelines.graph import Graph
from pipelines.lost_runs import fail_lost_runs, is_idle
from pipelines.workspace import Workspace

Load = Callable[[], tuple[Workspace, Graph]]
KEEP_SECONDS = 3600
"""How long the log of a tick is of use: someone looks at it in the UI, or never."""


def housekeeping_sensor(
    load: Load | None = None,
    name: str = "housekeeping",
    minimum_interval_seconds: int = 60,
) -> dg.SensorDefinition:
    """A sensor that marks lost runs as failed, so that nothing waits for them, and clears old logs of ticks; and what nobody
    needs of the workspace that `load` reads anew."""

    def clear(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lost = fail_lost_runs(context.instance)
        logs = Path(context.instance.root_directory) / "storage" / str(context.repository_name)
        cleared = clear_tick_logs(logs, time.time() - KEEP_SECONDS)
        removed = clear_idle(context.instance, load) if load else []
        return dg.SkipReason(
            f"Runs marked as failed: {', '.join(lost) or 'none'}. Logs of ticks cleared: {cleared}. "
            f"Removed, for nothing names it: {', '.join(each.place for each in removed) or 'nothing'}."
        )

    return dg.SensorDefinition(
        name,
        evaluation_fn=clear,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=minimum_interval_seconds,
        description="Marks runs whose process was killed as failed, and clears away old logs of ticks and what nobody needs.",
    )


def clear_idle(instance: dg.DagsterInstance, load: Load) -> list[Cleared]:
    """Clear away what nobody needs of a workspace, if it is time and no run is on; what was removed.

    `load` reads the workspace anew: by the settings as they are now, and no older ones, it is told what is needed.
    """
    now = time.time()
    workspace, graph = load()
    return clear(workspace, graph, now) if is_time(workspace, now) and is_idle(instance) else []


def clear_tick_logs(folder: Path, before: float) -> int:
    """Delete the logs of ticks (`<sensor>/<tick>.err`) that are older than `before` (seconds since 1970); how many."""
    old = [path for path in folder.glob("*/*.err") if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
