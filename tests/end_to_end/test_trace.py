"""Samples, models, scores and documents of a built workspace have a lineage that ends at bytes.

That every sample has one is tried in `tests/pipelines/commands/test_trace.py`, on a smaller workspace.
"""

from __future__ import annotations

from pipelines.tracing import trace
from pipelines.trees import lines_of
from pipelines.workspace import Workspace
from tests.end_to_end.conftest import Built


def test_everything_that_was_built_resolves(built: Built) -> None:
    workspace = Workspace(built.root)
    samples = workspace.store.scan("samples").select("sample_id", "locator").collect()
    assert samples.height
    for name, locator in samples.sort("sample_id").gather_every(6).iter_rows():
        said = list(lines_of(trace(workspace, name)))
        assert any(line.startswith("bytes ") for line in said) and any(locator in line for line in said), name
    for row in workspace.store.scan("scores").collect().iter_rows(named=True):
        said = list(lines_of(trace(workspace, f"{row['model']}/{row['metric']}/{row['split']}/{row['prompt']}")))
        assert any(line.startswith("measured on instructions ") for line in said)
    said = list(lines_of(trace(workspace, "finetune")))
    assert any(line.startswith("source ") for line in said) and any(line.startswith("base ") for line in said)
