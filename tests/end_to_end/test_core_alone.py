"""The core alone reads, deduplicates and filters: what the extras bring is blocked here, as if it were not installed."""

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest

from pipelines.extras import extras
from pipelines.workspace import Workspace
from tests.forked_commands import HEADWATER

BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def modules_of_extras() -> set[str]:
    """The top-level modules that the extras' distributions bring."""
    brings = importlib.metadata.packages_distributions()
    wanted = set(extras())
    return {module for module, names in brings.items() if wanted & {name.lower().replace("_", "-") for name in names}}


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """Variables under which no extra can be imported."""
    blocked = modules_of_extras()
    assert {"torch", "transformers", "httpx", "obstore"} <= blocked
    (tmp_path / "block").mkdir()
    (tmp_path / "block" / "sitecustomize.py").write_text(BLOCK.format(names=repr(sorted(blocked))))
    path = os.pathsep.join([str(tmp_path / "block"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "40"}


def headwater(variables: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HEADWATER, *map(str, words)], env=variables, capture_output=True, text=True, check=False)


def test_a_folder_becomes_a_corpus_and_what_needs_an_extra_says_which(tmp_path: Path, alone: dict[str, str]) -> None:
    root = tmp_path / "größere Häuser"
    made = headwater(alone, "init", root, "--template", "qa")
    assert made.returncode == 0, made.stderr
    for number in range(3):
        (root / "data" / f"{number}.txt").write_text(f"The river {number} runs to the sea of the north.")
    told = headwater(alone, "annotators", "add", "a@b.org", "-w", root)
    assert told.returncode == 1
    done = headwater(alone, "run", "corpus", "-w", root)
    assert done.returncode == 0, done.stderr + done.stdout
    assert Workspace(root).store.scan("corpus").collect().height == 3
    done = headwater(alone, "run", "training_data_finetune", "-w", root)
    assert done.returncode == 1
    assert "pip install 'headwater[training]'" in done.stderr, "what is to be copied stands on one line"
    settings = root / "headwater.yaml"
    settings.write_text(settings.read_text().replace("path: data", "path: s3://raw/docs", 1))
    done = headwater(alone, "run", "corpus", "-w", root)
    assert done.returncode == 1
    assert "pip install 'headwater[cloud]'" in done.stdout + done.stderr
