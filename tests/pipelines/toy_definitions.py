"""A small house to try the automation on: sources that change, assets with a code version, some slow, some broken.

Its workspace is a folder: `raw/` and `threshold` are what it reads, `out/` is what it makes, `calls` has a line for each
asset that computed, and `control.json` says what is slow or broken now, and which code is in force:
`{"code": {asset: version}, "salt": {asset: text in the output}, "sleep": {asset: s}, "fail": [assets], "reject": [assets]}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg

from pipelines.automation import automation_sensor, out_of_date
from pipelines.observation import observation_sensor
from pipelines.schedules import build_schedules

GRAPH = {
    "documents": ("raw",),
    "corpus": ("documents",),
    "samples": ("corpus",),
    "verdicts": ("documents", "threshold"),
    "report": ("samples", "verdicts"),
}


def control(workspace: Path) -> dict[str, Any]:
    path = workspace / "control.json"
    return json.loads(path.read_text()) if path.exists() else {}


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def observables(workspace: Path) -> dict[str, Callable[[], str]]:
    def raw() -> str:
        return digest({path.name: path.read_text() for path in (workspace / "raw").iterdir()})

    return {"raw": raw, "threshold": lambda: digest((workspace / "threshold").read_text())}


def compute(workspace: Path, name: str) -> object:
    def made(other: str) -> Any:
        return json.loads((workspace / "out" / f"{other}.json").read_text())["value"]

    if name == "documents":
        return {path.name: path.read_text() for path in sorted((workspace / "raw").iterdir())}
    if name == "corpus":
        return sorted(set(made("documents").values()))
    if name == "samples":
        return [text.upper() for text in made("corpus")]
    if name == "verdicts":
        threshold = int((workspace / "threshold").read_text())
        return sorted({text for text in made("documents").values() if len(text) >= threshold})
    return [made("samples"), made("verdicts")]


def stage(workspace: Path, name: str, condition: dg.AutomationCondition) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        deps=list(GRAPH[name]),
        code_version=control(workspace).get("code", {}).get(name, "1"),
        automation_condition=condition,
        check_specs=[dg.AssetCheckSpec("sound", asset=name, blocking=True)],
    )
    def run() -> dg.MaterializeResult:
        now = control(workspace)
        with (workspace / "calls").open("a") as calls:
            calls.write(f"{name}\n")
        value = compute(workspace, name)
        time.sleep(now.get("sleep", {}).get(name, 0))
        if name in now.get("fail", []):
            raise RuntimeError(f"{name} is broken")
        result = {"value": value, "salt": now.get("salt", {}).get(name)}
        (workspace / "out").mkdir(exist_ok=True)
        (workspace / "out" / f"{name}.json").write_text(json.dumps(result))
        passed = dg.AssetCheckResult(passed=name not in now.get("reject", []))
        return dg.MaterializeResult(data_version=dg.DataVersion(digest(result)), check_results=[passed])

    return run


def source(name: str, version_of: Callable[[], str]) -> dg.SourceAsset:
    @dg.observable_source_asset(name=name)
    def look() -> dg.DataVersion:
        return dg.DataVersion(version_of())

    return look


@dg.asset(code_version="1")
def clock() -> dg.MaterializeResult:
    """Nothing but the schedule runs it."""
    return dg.MaterializeResult(data_version=dg.DataVersion("1"))


def assets(workspace: Path, condition: dg.AutomationCondition) -> list[dg.AssetsDefinition | dg.SourceAsset]:
    sources = [source(name, version_of) for name, version_of in observables(workspace).items()]
    return [*sources, *(stage(workspace, name, condition) for name in GRAPH)]


def build(workspace: Path) -> dg.Definitions:
    minutely = SimpleNamespace(name="minutely", cron="* * * * *", timezone="UTC", assets=("clock",))
    return dg.Definitions(
        assets=[*assets(workspace, out_of_date(pause_seconds=2)), clock],
        sensors=[automation_sensor(), observation_sensor(observables(workspace), minimum_interval_seconds=4)],
        schedules=build_schedules([minutely], ["clock"]),
        executor=dg.in_process_executor,
    )


defs = build(Path(os.environ.get("HEADWATER_WORKSPACE", ".")))
