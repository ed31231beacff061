"""The look at training data as a stage: its page lies in the workspace, its checks stop the model, and none of its text is shown."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.models import training_data
from pipelines.settings import ModelSettings
from pipelines.stages import Release, Run
from pipelines.workspace import Workspace
from records import Outcome, silent
from tests.test_pages import Seen
from tests.tiny_model import make_tiny_tokenizer
from tests.training.conftest import PAIRS, release, table
from training.finetune import FinetuneSettings


@pytest.mark.parametrize(("answer", "wrong"), [("Return the sum.", 0), ("", 1)])
def test_rows_that_would_train_on_nothing_stop_the_model(tmp_path: Path, answer: str, wrong: int) -> None:
    (tmp_path / "headwater.yaml").write_text("sources: [{name: web, path: web}]\n")
    workspace = Workspace(tmp_path)
    base = workspace.store.root / "bases" / "tiny"
    base.mkdir(parents=True)
    make_tiny_tokenizer(base)
    (base / "config.json").write_text('{"model_type": "llama"}')
    (base / "generation_config.json").write_text('{"eos_token_id": 2}')
    rows = table([*PAIRS[:5], ("What is the sum of all of these?", answer)])
    entry = ModelSettings("tuned", "./tiny", settings=FinetuneSettings(max_length=128))

    def launch(module: str, job: Any) -> dict[str, Any]:
        """In this process: one of its own takes ten seconds, and `tests/pipelines/test_worker.py` tries that."""
        found: dict[str, Any] = import_module(module).run(job, silent)
        return found

    run = Run(workspace, "training_data_tuned", "k" * 32, silent, launch)
    given = pl.DataFrame([{"name": "tiny", "path": "bases/tiny"}])
    found: Outcome = training_data(entry, given, Release("v", release(tmp_path / "release", rows)), run)
    assert bool(found.checks["labels"]) == bool(wrong) and found.failed == ({"every label masked": 1} if wrong else {})
    assert not found.checks["template"] and not found.checks["lengths"] and found.table.height == 6
    page = Seen((workspace.state / str(found.notes["report"])).read_text()).words
    assert "def add" in page and "def add" not in str(found.notes)
    assert found.pictures and not [path for path in workspace.state.iterdir() if path.name.startswith("tmp")]
