"""What a person sees while a run is on: also the first look at the sources, which is no stage."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import pipelines.terminal
from assets import STAGES
from pipelines.commits import Books
from pipelines.graph import build_graph
from pipelines.inputs import observe
from pipelines.templates import init
from pipelines.terminal import TerminalWatcher, books_line
from pipelines.watching import watched_by
from pipelines.workspace import Workspace

FILES = 1_200


def test_one_is_told_as_one() -> None:
    assert books_line(Books("files", 1, 1)) == "1 file in, 1 kept"
    assert books_line(Books("files", 2, 1, {"empty": 1})) == "2 files in, 1 kept, 1 dropped"


def test_a_stage_that_failed_has_no_tick(tmp_path: Path) -> None:
    workspace = Workspace(init(tmp_path / "house", "corpus").parent)
    screen = io.StringIO()
    watcher = TerminalWatcher(Console(file=screen, width=120), workspace)
    watcher.started("documents")
    watcher.ended("documents", failed=True)
    assert "✗ documents" in screen.getvalue() and "✓" not in screen.getvalue()


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_first_look_at_a_source_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    monkeypatch.setattr(pipelines.terminal, "LINE_SECONDS", 0.0)
    workspace = Workspace(init(tmp_path / "house", "corpus").parent)
    data = workspace.root / workspace.config.sources[0].path
    data.mkdir(exist_ok=True)
    for number in range(FILES):
        (data / f"{number}.txt").write_text(f"text {number}")
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=is_terminal, width=120)
    graph = build_graph(STAGES, workspace.config)
    node = next(each for each in graph if each.stage.name == "source")
    watcher = TerminalWatcher(console, workspace)
    with watched_by(watcher):
        observe(node, workspace)
        watcher.started("documents")
    watcher.ended("documents")
    assert f"{node.name}" in screen.getvalue()
    if not is_terminal:
        assert f"1,000 of {FILES:,} files" in screen.getvalue()
