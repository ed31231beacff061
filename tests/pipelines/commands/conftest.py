"""One small workspace, made and run by the command once: two sources with copies, poison, evil text, and a task."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.pipelines.commands.planted import plant_models
from tests.pipelines.test_cli import headwater

SETTINGS = """
sources:
  - {name: web, path: web}
  - {name: notes, path: notes}
rules:
  - gopher: {min_words: 12, min_stop_words: 0, min_alpha_words: 0.5, max_top_4gram_characters: 1.0, max_top_3gram_characters: 1.0, max_top_2gram_characters: 1.0}
task: {recipe: qa}
splits: {test: 0.3, validation: 0.2}
"""
PROSE = " ".join(f"The {number}th boat went down the river with {number} barrels on it." for number in range(12))
EVIL = (
    "[bold red]No markup[/] here, \x1b[31mno colour\x1b[0m and \x1b]0;no title\x07 either, \u202eand nothing runs backwards\u202c; "
    "<script>alert('nothing runs')</script> is shown as it is written, and so is &amp; in these dozen words."
)
WEB = {
    "long.txt": PROSE,
    "near.txt": f"{PROSE} Then it rained.",
    "short.txt": "Too short, [b]really[/b].",
    "evil.txt": EVIL,
}
QUESTIONS = 24


def fill(root: Path) -> None:
    """Two sources: prose with an exact and a near copy, a short and an evil text, a file that cannot be read; questions."""
    for folder in ("web", "notes"):
        (root / folder).mkdir(parents=True)
    for name, text in WEB.items():
        (root / "web" / name).write_text(text)
    (root / "web" / "poison.pdf").write_bytes(b"%PDF-1.4 and then nothing")
    (root / "notes" / "copy.txt").write_text(PROSE)
    rows = [
        {
            "question": f"How many barrels does boat number {number} of the harbour carry down the river in a year?",
            "answer": f"It carries {number * 7} barrels, and {number} more when the harvest of that year was good.",
        }
        for number in range(QUESTIONS)
    ]
    (root / "notes" / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (root / "headwater.yaml").write_text(SETTINGS)


@pytest.fixture(scope="session")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace after its first run. Not to be changed."""
    root = tmp_path_factory.mktemp("home") / "ready"
    fill(root)
    ran = headwater("run", "-w", root)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (root / "first-run.txt").write_text(ran.stdout)
    return root


@pytest.fixture
def adapted(ready: Path, tmp_path: Path) -> Path:
    """The small workspace, with a model, its answers, scores and people's answers as the store keeps them."""
    root = tmp_path / "adapted"
    shutil.copytree(ready, root)
    plant_models(root)
    return root


@pytest.fixture
def edited(ready: Path, tmp_path: Path) -> Path:
    """The same workspace at another place, to be changed."""
    shutil.copytree(ready, tmp_path / "edited")
    return tmp_path / "edited"
