"""What a person sees while a run is on: also the first look at the sources, which is no stage."""

import io
from pathlib import Path

import pytest
from rich.console import Console

import pipelines.terminal
from assets import STAGES
from curation.compiling import Compiling
from pipelines.commits import Books
from pipelines.graph import build_graph
from pipelines.in_use import WAITS
from pipelines.inputs import observe
from pipelines.templates import init
from pipelines.terminal import TerminalWatcher, books_line
from pipelines.watching import LogWatcher, Pace, watched_by
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
def test_compiling_is_told_once_and_is_part_of_no_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
) -> None:
    now = [100.0]
    monkeypatch.setattr(pipelines.terminal.time, "monotonic", lambda: now[0])
    workspace = Workspace(init(tmp_path / "house", "corpus").parent)
    screen = io.StringIO()
    watcher = TerminalWatcher(Console(file=screen, force_terminal=is_terminal, width=120), workspace)
    watcher.started("quality")
    for part, ready in (("count", 3), ("_key", 4)):
        watcher.compiling("quality", Compiling(part, ready, 50))
    now[0] += 30
    watcher.compiling("quality", Compiling("", 5, 50, 30.0))
    for done in (1_000, 2_000):
        now[0] += 10
        watcher.advanced("quality", done, 5_000, "contents")
    watcher.ended("quality")
    said = screen.getvalue()
    assert "compiling `" in said and "once for this machine (" in said and "50.0 s" in said
    assert "(30 s of it to compile, once)" in said
    if not is_terminal:
        assert said.count("compiling `") == 1 and "(3 of 50 parts are there)" in said
        assert "2,000 of 5,000 contents, 100/s, 30 s left" in said


def test_a_log_tells_of_compiling_once_and_not_in_its_rates() -> None:
    now, lines = [0.0], list[str]()
    watcher = LogWatcher(lines.append, lambda: now[0])
    watcher.started("quality")
    watcher.compiling("quality", Compiling("count", 3, 50))
    watcher.compiling("quality", Compiling("_key", 3, 50))
    now[0] = 30.0
    watcher.compiling("quality", Compiling("", 5, 50, 30.0))
    for now[0], done in ((40.0, 1_000), (50.0, 2_000)):
        watcher.advanced("quality", done, 5_000, "contents")
    assert lines == [
        "quality: compiling `count`, once for this machine (3 of 50 parts are there)",
        "quality: 1,000 of 5,000 contents",
        "quality: 2,000 of 5,000 contents, 100/s, 30 s left",
    ]


def test_the_first_batch_is_part_of_no_rate_for_processes_that_compile_and_load_say_nothing() -> None:
    pace = Pace()
    assert pace.rate(60.0, 1_000) == 0.0, "a minute for the first thousand says nothing of the next"
    assert pace.rate(60.1, 2_000) == 0.0, "another process had its first one at the same time"
    assert pace.rate(62.0, 5_000) == 2_000.0
    pace.waited(2.0)
    assert pace.rate(66.0, 9_000) == 2_000.0
    assert pace.rate(70.0, 10) == 0.0, "another part of the stage"


def test_a_stage_that_waits_says_what_for(tmp_path: Path) -> None:
    screen, lines = io.StringIO(), list[str]()
    TerminalWatcher(Console(file=screen, width=120), Workspace(tmp_path)).waits("documents", WAITS)
    LogWatcher(lines.append).waits("documents", WAITS)
    assert screen.getvalue() == f"… documents {WAITS}\n" and lines == [f"documents {WAITS}"]


def test_a_stage_that_begins_again_has_not_failed(tmp_path: Path) -> None:
    workspace = Workspace(init(tmp_path / "house", "corpus").parent)
    screen, lines = io.StringIO(), list[str]()
    watcher = TerminalWatcher(Console(file=screen, width=120), workspace)
    watcher.started("documents")
    watcher.restarted("documents", "table documents was changed by another run")
    LogWatcher(lines.append).restarted("documents", "table documents was changed by another run")
    said = "documents begins again: table documents was changed by another run"
    assert f"↻ {said}" in screen.getvalue() and "✗" not in screen.getvalue()
    assert lines == ["documents: begins again: table documents was changed by another run"]


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
