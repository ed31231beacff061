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
    workspace: Workspace | None = None,
    load: Load | None = None,
    name: str = "housekeeping",
    minimum_interval_seconds: int = 60,
) -> dg.SensorDefinition:
    """A sensor that marks lost runs as failed, so that nothing waits for them, and clears old logs of ticks; and what nobody
    needs of `workspace`, which `load` reads anew."""

    def clear(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lost = fail_lost_runs(context.instance)
        logs = Path(context.instance.root_directory) / "storage" / str(context.repository_name)
        cleared = clear_tick_logs(logs, time.time() - KEEP_SECONDS)
        removed = _told(context.instance, workspace, load) if workspace and load else "nothing"
        return dg.SkipReason(
            f"Runs marked as failed: {', '.join(lost) or 'none'}. Logs of ticks cleared: {cleared}. "
            f"Removed, for nothing names it: {removed}."
        )

    return dg.SensorDefinition(
        name,
        evaluation_fn=clear,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=minimum_interval_seconds,
        description="Marks runs whose process was killed as failed, and clears away old logs of ticks and what nobody needs.",
    )


def _told(instance: dg.DagsterInstance, workspace: Workspace, load: Load) -> str:
    """What was removed. Settings that cannot be read do not hinder the rest of the housekeeping: they are told."""
    try:
        return ", ".join(each.place for each in clear_idle(instance, workspace, load)) or "nothing"
    except (OSError, ValueError) as error:
        return f"not all, for {error}"


def clear_idle(instance: dg.DagsterInstance, workspace: Workspace, load: Load) -> list[Cleared]:
    """Clear away what nobody needs of a workspace, if it is time and no run is on; what was removed.

    `load` reads the workspace anew, only then: by the settings as they are now, and no older ones, it is told what is needed.
    """
    now = time.time()
    return clear(*load(), now) if is_time(workspace, now) and is_idle(instance) else []


def clear_tick_logs(folder: Path, before: float) -> int:
    """Delete the logs of ticks (`<sensor>/<tick>.err`) that are older than `before` (seconds since 1970); how many."""
    old = [path for path in folder.glob("*/*.err") if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
