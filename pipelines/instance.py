"""Dagster's own settings for a workspace, and where it keeps what it knows of it.

Nothing is said of storage: the default is SQLite in Dagster's home, so that a workspace can be moved as a folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pipelines.whole_files import write_whole

LOCATION = "headwater"
"""What the UI calls the code location."""

INSTANCE: Mapping[str, Any] = {
    # Nothing is sent anywhere, and the UI asks for no e-mail address.
    "telemetry": {"enabled": False},
    "nux": {"enabled": False},
    # A pool (`gpu`) is a thing of which there is one; more are set in the UI, by pool. A run is a process of 0.3-1 GB.
    "concurrency": {"pools": {"default_limit": 1, "granularity": "op"}, "runs": {"max_concurrent_runs": 4}},
    # The default looks into the queue every five seconds, for each run of a chain.
    "run_queue": {"dequeue_interval_seconds": 1},
    # A run that does not start, or does not end when it is cancelled, must not keep its assets waiting for ever.
    "run_monitoring": {"enabled": True, "start_timeout_seconds": 180, "cancel_timeout_seconds": 60},
    # One slow look at a large source must not hold up the automation.
    "sensors": {"use_threads": True, "num_workers": 4},
    "schedules": {"use_threads": True, "num_workers": 2},
    # Two sensors tick some 26,000 times a day.
    "retention": {
        "sensor": {"purge_after_days": {"skipped": 1, "success": 30, "failure": 7}},
        "schedule": {"purge_after_days": {"skipped": 30, "success": 365, "failure": 365}},
    },
}


def dagster_home(workspace: Path) -> Path:
    """Where Dagster keeps its event log and runs, inside the workspace."""
    return workspace.resolve() / ".headwater" / "dagster"


def write_dagster_yaml(home: Path) -> Path:
    """Write Dagster's settings (`INSTANCE`) into `home`, which is made if it is missing. Returns the file.

    It is written at every start, so that a newer Headwater's settings count; one's own go into the UI or the
    environment.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / "dagster.yaml"
    text = "# Written by `headwater up`; changes are lost at the next start.\n" + yaml.safe_dump(
        dict(INSTANCE), sort_keys=False
    )
    replace_file(path, text)
    return path


def write_workspace_yaml(home: Path, module: str = "pipelines.definitions") -> Path:
    """Write the file that names the code location: `defs` of the module, found as an installed package."""
    target = {"module_name": module, "attribute": "defs", "location_name": LOCATION}
    path = home / "workspace.yaml"
    replace_file(path, yaml.safe_dump({"load_from": [{"python_module": target}]}, sort_keys=False))
    return path


def replace_file(path: Path, text: str) -> None:
    """Give the file this text, at once or not at all; a file that has it already is not touched."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)
