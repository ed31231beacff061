"""A document is traced from its sample, taken back, and gone from everything made of it, to the last byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import polars as pl

from pipelines.staleness import STALE, report_stale_models
from pipelines.tracing import trace
from pipelines.trees import lines_of
from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built
from tests.end_to_end.workspaces import heads, headwater

WHY = ("--reason", "the licence was withdrawn", "--yes")


def passes(instance: dg.DagsterInstance) -> bool:
    """Whether the model's check passed, as the UI shows it."""
    key = dg.AssetCheckKey(dg.AssetKey("model_finetune"), STALE)
    (newest,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
    assert newest.event is not None and newest.event.dagster_event is not None
    return bool(newest.event.dagster_event.asset_check_evaluation_data.passed)


def test_a_document_is_taken_back_to_the_last_byte(built: Built, tmp_path: Path) -> None:
    house = built.copy(tmp_path)
    workspace = Workspace(house.root)
    store, before = workspace.store, heads(house.root)
    release = before["instructions"].notes["release"]
    is_taught = pl.col("reference").is_not_null() & (pl.col("split") == "train")
    sample = store.scan("samples").filter(is_taught & (pl.col("locator") == "package_04/module_1.py")).collect()
    sample_id, place = sample["sample_id"][0], f"{sample['source'][0]}:{sample['locator'][0]}"
    lineage = list(lines_of(trace(workspace, sample_id)))
    assert any(line.startswith("document ") and place in line for line in lineage)
    assert (
        any(line.startswith("model finetune") for line in lineage) and f"instructions {release}  1 in train" in lineage
    )

    done = headwater("forget", sample_id, *WHY, "-w", house.root)
    assert done.code == 0, done.out + done.err
    assert "models" in done.out and f"finetune {before['model_finetune'].version[:16]}" in done.out
    with dg.DagsterInstance.from_config(str(workspace.dagster_home)) as instance:
        assert passes(instance)
        assert report_stale_models(instance, workspace) == ["model_finetune"]
        assert not passes(instance)

        shutil.copy(house.code / "package_04" / "module_1.py", house.code / "package_07" / "again.py")
        purged = headwater("forget", "--purge", "-w", house.root)
        assert purged.code == 0, purged.out + purged.err
        assert passes(instance) and report_stale_models(instance, workspace) == []
    after = heads(house.root)
    assert after["instructions"].notes["release"] != release and after["documents"].books is not None
    assert after["documents"].books.dropped == {"taken back": 2} and after["documents"].removed == 1
    assert after["model_finetune"].version != before["model_finetune"].version
    assert not store.scan("samples").filter(pl.col("locator") == "package_04/module_1.py").collect().height

    assert "✓ none was found" in purged.out and f"removed release instructions {release}" in purged.out
    assert f"removed weights {before['model_finetune'].version[:16]}" in purged.out
    refused = store.scan("failures").filter(error="taken back").collect()
    assert set(refused["locator"]) == {"package_04/module_1.py", "package_07/again.py"}
    assert not [line for line in lines_of(trace(workspace, "finetune")) if release in line]
