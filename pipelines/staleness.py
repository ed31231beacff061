"""A model that was trained on what is no training data any more is marked in the UI, until it is trained anew.

Two checks fail: for what was taken back, and for samples that have moved to the validation or test split since. Nobody
materialises a model to learn that it is stale, so they are reported without a run, when the tombstones change and when
the samples do. Each materialisation reports them too, and a model that was trained anew passes.
"""

from __future__ import annotations

import dagster as dg

from pipelines import forgetting
from pipelines.forgetting import stale_models
from pipelines.split_moves import SAMPLES, models_before_moves
from pipelines.workspace import Workspace

STALE, MOVED = "taken_back", "held_out_since"
CHECKS = {
    STALE: ("whether data that it was trained on was taken back", "nothing that it was trained on was taken back"),
    MOVED: ("whether it was trained on what is held out by now", "nothing that it was trained on is held out"),
}
"""The checks of a model: what each asks, and what it says when nothing is wrong."""
TOMBSTONES = forgetting.TABLE
"""The asset whose change calls for a look at what was taken back; that of `SAMPLES` does for what moved."""


def staleness_specs(table: str) -> list[dg.AssetCheckSpec]:
    """The checks of one model. They block nothing: what is below a stale model waits for the next one anyhow."""
    return [dg.AssetCheckSpec(name, asset=table, description=asked) for name, (asked, _) in CHECKS.items()]


def staleness_of(table: str, workspace: Workspace) -> list[dg.AssetCheckResult]:
    """How the checks of one model come out now."""
    found = {STALE: stale_models(workspace.store), MOVED: models_before_moves(workspace)}
    wrong = {name: found[name].get(table, "") for name in CHECKS}
    return [
        dg.AssetCheckResult(
            asset_key=table, check_name=name, passed=not said, metadata={"said": said or CHECKS[name][1]}
        )
        for name, said in wrong.items()
    ]


def report_stale_models(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Report the failing check of each model that was trained on what was taken back; their tables."""
    return _report(instance, STALE, stale_models(workspace.store))


def report_moves(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Report the failing check of each model that was trained on what is held out by now; their tables."""
    return _report(instance, MOVED, models_before_moves(workspace))


def _report(instance: dg.DagsterInstance, check: str, found: dict[str, str]) -> list[str]:
    for table, said in found.items():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(table),
                check_name=check,
                passed=False,
                metadata={"said": dg.MetadataValue.text(said)},
            )
        )
    return sorted(found)


__all__ = [
    "CHECKS",
    "MOVED",
    "SAMPLES",
    "STALE",
    "TOMBSTONES",
    "report_moves",
    "report_stale_models",
    "staleness_of",
    "staleness_specs",
]
