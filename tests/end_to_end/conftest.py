"""One build of a small workspace for all tests; a test that changes it works on a copy."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.end_to_end.code_base import write_code_base
from tests.end_to_end.workspaces import Said, edit, headwater, make_small
from tests.evaluation.lively_model import make_lively_model
from tests.forked_commands import HEADWATER


@dataclass(frozen=True)
class Built:
    """A workspace beside its code base, and what the first run said that made all."""

    root: Path
    code: Path
    first: Said

    def copy(self, folder: Path) -> "Built":
        """The same workspace elsewhere, with a code base of its own."""
        for each in (self.root, self.code):
            shutil.copytree(each, folder / each.name)
        return Built(folder / self.root.name, folder / self.code.name, self.first)


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base model of random weights whose answers differ."""
    made = make_lively_model(tmp_path_factory.mktemp("model"))
    return made.rename(made.with_name("tiny_base"))


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Built:
    """A code base, and a workspace made for it by `headwater init --code` and `headwater run`. Not to be changed.

    It is run from scratch as far as the first program that generates, and from there by what is forked.
    """
    folder = tmp_path_factory.mktemp("built")
    code = write_code_base(folder / "code")
    root = folder / "workspace"
    assert headwater("init", root, "--code", code).code == 0
    make_small(root, tiny_base)
    edit(root, lambda text: text.replace(f"path: {code}", "path: ../code").replace("group_depth: 99", "group_depth: 1"))
    begun = headwater("run", "best_prompt_tiny_base", "-w", root, command=(str(HEADWATER),))
    assert begun.code == 0, begun.out + begun.err
    first = headwater("run", "-w", root)
    assert first.code == 0, first.out + first.err
    return Built(root, code, first)
