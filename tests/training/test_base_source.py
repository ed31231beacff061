"""A base that is a folder is known by its bytes: changed in place, it is another model."""

import os
from pathlib import Path

from assets.models import base_source
from pipelines.settings import BaseEntry
from pipelines.templates import init
from pipelines.workspace import Workspace


def version(workspace: Workspace) -> str:
    return base_source(BaseEntry("mine", "./mine"), workspace).version


def test_changed_weights_are_another_base_and_a_touched_file_is_not(tmp_path: Path) -> None:
    init(tmp_path / "house", "qa")
    workspace = Workspace(tmp_path / "house")
    weights = workspace.root / "mine" / "model.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    first = version(workspace)
    os.utime(weights, (1, 1))
    (weights.parent / "notes.txt").write_text("nothing that makes a model")
    assert version(workspace) == first
    weights.write_bytes(b"WEIGHTS")
    assert version(workspace) != first


def test_a_base_of_the_hub_is_known_by_its_name(tmp_path: Path) -> None:
    init(tmp_path / "house", "qa")
    assert base_source(BaseEntry("small", "org/small@abc"), Workspace(tmp_path / "house")).version == "org/small@abc"
