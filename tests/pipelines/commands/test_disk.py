"""`headwater status --disk`, and how a run clears away what nobody needs: as a person sees it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from assets import STAGES
from pipelines.cleaning import MARKS, RETENTION_SECONDS, clear
from pipelines.graph import build_graph
from pipelines.in_use import in_use
from pipelines.workspace import Workspace
from tests.pipelines.commands.planted import VERSION, commit, plant_models
from tests.pipelines.test_cli import assert_clear, headwater


def ago(workspace: Workspace, seconds: float) -> None:
    """Let all that a look found have waited as much longer, and all that lies here be as much older; and the last look too."""
    path = workspace.store.root / MARKS
    said = json.loads(path.read_text())
    waited = {place: each + seconds for place, each in said["waited"].items()}
    path.write_text(json.dumps({"looked": said["looked"] - seconds, "waited": waited}))
    for each in workspace.state.rglob("*"):
        if each.exists() and "label-studio" not in each.parts:
            os.utime(each, (time.time() - seconds, each.lstat().st_mtime - seconds))


def plant(root: Path) -> Workspace:
    """Models that the settings do not ask for: one is promoted, an older one of it is nobody's."""
    workspace = Workspace(root)
    plant_models(root)
    commit(workspace, "promoted_model", [{"model": "tuned", "version": VERSION, "weights": VERSION}], ("model",))
    commit(workspace, "quality_of_yore", [{"content_digest": "x"}], ("content_digest",))
    for version in (VERSION, "0" * 16):
        adapter = workspace.artifacts / "model_tuned" / version / "adapter"
        adapter.mkdir(parents=True)
        (adapter / "recipe.json").write_text(json.dumps({"base": {"name": "./tiny"}, "dataset_version": "r"}))
        (adapter / "adapter_model.safetensors").write_bytes(bytes(3_000_000))
    return workspace


def test_a_person_sees_what_is_held_by_whom_and_what_goes_when_and_a_run_removes_that(edited: Path) -> None:
    workspace = plant(edited)
    before = sorted(path for path in workspace.state.rglob("*") if path.is_file())
    begun = time.time()
    shown = headwater("status", "--disk", "-w", edited)
    assert shown.returncode == 0, shown.stderr
    by_place, held, needless = (
        " ".join(part.split())
        for part in shown.stdout.replace("Weights, and", "§").replace("What nobody", "§").split("§")
    )
    assert "store/artifacts │ 6.0 MB │ 3.0 MB" in by_place and "store/releases" in by_place
    assert f"artifacts/model_tuned/{VERSION} │ 3.0 MB" in held and "promoted_model" in held
    assert "tables/base_model_tiny" in held and "tables/annotations" in held and "people said what is in it" in held
    assert "tables/quality_of_yore" in needless and f"artifacts/model_tuned/{'0' * 16}" in needless
    assert "tables/answers_tuned" in needless and "corpus" not in needless + held
    days = [time.strftime("%Y-%m-%d", time.gmtime(each + RETENTION_SECONDS)) for each in (begun, time.time())]
    due = sum(needless.count(f"from {day}") for day in dict.fromkeys(days))  # two, where midnight came between
    assert due == needless.count("UTC on") > 2
    assert sorted(path for path in workspace.state.rglob("*") if path.is_file()) == before, "it only reads"

    graph = build_graph(STAGES, workspace.config)
    assert clear(workspace, graph, time.time()) == []
    ago(workspace, RETENTION_SECONDS)
    assert "at the next look" in headwater("status", "--disk", "-w", edited).stdout
    (workspace.reports / "curation.html").unlink()
    ran = headwater("run", "-w", edited)
    assert ran.returncode == 0 and "✓ funnel" in ran.stdout, ran.stdout + ran.stderr
    assert " things that nothing named for a week, 3.0 MB: store/tables/" in ran.stdout
    gone = (f"artifacts/model_tuned/{'0' * 16}", "tables/quality_of_yore", "tables/answers_tuned")
    assert not any((workspace.store.root / place).exists() for place in gone)
    kept = (
        f"artifacts/model_tuned/{VERSION}/adapter/adapter_model.safetensors",
        "tables/model_tuned",
        "tables/annotations",
    )
    assert all((workspace.store.root / place).exists() for place in kept)
    assert headwater("trace", "tuned", "-w", edited).returncode == 0
    assert "nobody needs" not in headwater("status", "--disk", "-w", edited).stdout.partition("What takes room")[0]
    left = workspace.state / "tmp12345678"
    left.mkdir()
    ago(workspace, RETENTION_SECONDS)
    assert "Nothing to do" in headwater("run", "-w", edited).stdout
    assert left.name in (workspace.store.root / MARKS).read_text(), "a run looks also when there is nothing to do"
    (workspace.store.root / MARKS).write_text("{")
    ran = headwater("run", "-w", edited)
    assert ran.returncode == 0 and "Nothing to do" in ran.stdout, "what was made stands: the run is good"
    assert "was not all removed" in ran.stderr and f"{MARKS} cannot be read" in " ".join(ran.stderr.split())


def test_what_a_command_reads_is_not_cleared_away_under_it(edited: Path) -> None:
    workspace = plant(edited)
    graph = build_graph(STAGES, workspace.config)
    clear(workspace, graph, time.time())
    ago(workspace, RETENTION_SECONDS)
    with in_use(workspace.store.root):
        assert headwater("table", "quality_of_yore", "-w", edited).returncode == 0, "readers do not wait for each other"
        assert clear(workspace, graph, time.time()) == []
    assert clear(workspace, graph, time.time())
    assert_clear(headwater("table", "quality_of_yore", "-w", edited), "there is no table 'quality_of_yore'")
