"""A model that was trained on what was taken back is marked in the UI: a failing check, until it is trained anew.

Nobody materialises a model to learn that it is stale, so the check is reported without a run when the tombstones change.
Each materialisation reports it too, and a model that was trained anew passes.
"""

from __future__ import annotations

import dagster as dg

from pipelines import forgetting
from pipelines.forgetting import stale_models
from pipelines.workspace import Workspace

STALE = "taken_back"
FRESH = "nothing that it was trained on was taken back"
TOMBSTONES = forgetting.TABLE
"""The asset whose change calls for a look."""


def staleness_spec(table: str) -> dg.AssetCheckSpec:
    """The check of one model. It blocks nothing: what is below a stale model waits for the next one anyhow."""
    return dg.AssetCheckSpec(STALE, asset=table, description="whether data that it was trained on was taken back")


def report_stale_models(instance: dg.DagsterInstance, workspace: Workspace) -> list[str]:
    """Report the failing check of each stale model; their tables."""
    found = stale_models(workspace.store)
    for table, said in found.items():
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(table),
                check_name=STALE,
                passed=False,
                metadata={"said": dg.MetadataValue.text(said)},
            )
        )
    return sorted(found)
