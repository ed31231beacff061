"""What Dagster leaves lying while it is up for weeks, and nobody else clears away.

A run that was killed is called started for ever (see `lost_runs.py`). And each tick of the automation leaves a file with
three lines of log, 17,000 of them a day, which Dagster's retention of ticks does not touch.
"""

from __future__ import annotations

import time
from pathlib import Path

import dagster as dg

from pipelines.lost_runs import fail_lost_runs

KEEP_SECONDS = 3600
"""How long the log of a tick is of use: someone looks at it in the UI, or never."""


def housekeeping_sensor(name: str = "housekeeping", minimum_interval_seconds: int = 60) -> dg.SensorDefinition:
    """A sensor that marks lost runs as failed, so that nothing waits for them, and clears old logs of ticks."""

    def clear(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        lost = fail_lost_runs(context.instance)
        logs = Path(context.instance.root_directory) / "storage" / str(context.repository_name)
        cleared = clear_tick_logs(logs, time.time() - KEEP_SECONDS)
        return dg.SkipReason(f"Runs marked as failed: {', '.join(lost) or 'none'}. Logs of ticks cleared: {cleared}.")

    return dg.SensorDefinition(
        name,
        evaluation_fn=clear,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=minimum_interval_seconds,
        description="Marks runs whose process was killed as failed, and clears old logs of ticks.",
    )


def clear_tick_logs(folder: Path, before: float) -> int:
    """Delete the logs of ticks (`<sensor>/<tick>.err`) that are older than `before` (seconds since 1970); how many."""
    old = [path for path in folder.glob("*/*.err") if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
