"""Finetune or not, for real: the small model on a task that no prompt solves, and on one for which a prompt is enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import edit, headwater


def verdict_of(root: Path) -> str:
    """Run the workspace as a person does; what the report says."""
    ran = headwater("run", "-w", root, seconds=3600)
    assert ran.code == 0, ran.out + ran.err
    head = Workspace(root).store.head("evaluation_report")
    assert head is not None
    page = Path(headwater("report", "-w", root).out.strip()).read_text("utf-8")
    assert str(head.notes["verdict"]).split(",")[0] in page
    return str(head.notes["verdict"])


@pytest.mark.long
def test_a_house_format_is_learned_and_not_prompted(tmp_path: Path) -> None:
    root = tmp_path / "house"
    assert headwater("init", root, "--template", "finetune-pays").code == 0
    edit(root, lambda text: re.sub(r"  - \{name: (labels_|share_).*\n", "", text))
    said = verdict_of(root)
    assert said.startswith("Finetune: finetune has ") and "which is sure" in said
    scores = {row["model"]: row for row in Workspace(root).store.scan("scores").collect().to_dicts()}
    assert scores["base"]["high"] < 0.2 < 0.5 < scores["finetune"]["low"]


@pytest.mark.long
def test_a_prompt_is_enough_to_name_a_year(tmp_path: Path) -> None:
    root = tmp_path / "years"
    assert headwater("init", root, "--template", "prompt-is-enough").code == 0
    said = verdict_of(root)
    assert said.startswith("The prompt is enough: ")
    scores = {row["model"]: row for row in Workspace(root).store.scan("scores").collect().to_dicts()}
    assert scores["base"]["low"] > 0.9
