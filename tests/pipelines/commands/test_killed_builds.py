"""Runs that are killed at any moment, and two at once: what was released can be read all the time, and the next run completes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets import STAGES
from curation.releases import verify_release
from pipelines.engine import run_node
from pipelines.graph import build_graph
from pipelines.releases import releases_of
from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import heads, versions
from tests.forked_commands import HEADWATER, environment
from tests.pipelines.commands.test_purge import assert_whole
from tests.pipelines.test_cli import headwater


def change(root: Path) -> None:
    """Documents come, go and change, so that every table and release has another version."""
    rows = (root / "notes" / "qa.jsonl").read_text().splitlines()
    new = {
        "question": "Who mended the bridge after the flood of that year, and with whose stones?",
        "answer": "The miller.",
    }
    (root / "notes" / "qa.jsonl").write_text("\n".join([*rows[3:], json.dumps(new)]) + "\n")
    (root / "web" / "later.txt").write_text(
        " ".join(f"The {number}th cart came over the hill with hay." for number in range(30))
    )
    (root / "headwater.yaml").write_text((root / "headwater.yaml").read_text() + "\npretraining: on\n")


CHILD = """
import sys
from pathlib import Path
from tests.pipelines.commands.test_killed_builds import build

print("ready", flush=True)
sys.stdin.readline()
build(Path(sys.argv[1]))
"""


def build(root: Path) -> None:
    """Bring every stage up to date in this process."""
    workspace = Workspace(root)
    graph, seen = build_graph(STAGES, workspace.config), {}
    for node in graph.stages():
        run_node(node, graph, workspace, seen)


@pytest.fixture(scope="module")
def expected(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], float]:
    """The versions of all tables after the change, by a build that nobody disturbed, and the seconds that it takes."""
    root = changed(ready, tmp_path_factory.mktemp("undisturbed"))
    begun = time.monotonic()
    build(root)
    return versions(heads(root)), time.monotonic() - begun


def changed(ready: Path, folder: Path) -> Path:
    root = folder / "w"
    shutil.copytree(ready, root)
    change(root)
    return root


def started(root: Path) -> subprocess.Popen[str]:
    """A build in a process of its own, which has imported what it needs and begins now."""
    words = [sys.executable, "-c", CHILD, str(root)]
    child = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdin is not None and child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    child.stdin.write("\n")
    child.stdin.flush()
    return child


def assert_readable(root: Path) -> None:
    """Every table is whole, and every release that is there is what it is named after."""
    workspace = Workspace(root)
    assert_whole(workspace)
    for release in releases_of(workspace):
        verify_release(release.folder)
    head = workspace.store.head("instructions")
    assert head is not None and (workspace.state / "store" / head.notes["folder"] / "manifest.json").is_file()


def assert_completed(root: Path, expected: dict[str, str]) -> None:
    assert versions(heads(root)) == expected
    assert_readable(root)
    log = (Workspace(root).releases / "instructions" / "CHANGELOG.md").read_text()
    assert log.count("\n## ") + log.startswith("## ") == 2, "each release stands in the changelog once"
    left = list(Workspace(root).releases.rglob("*.partial"))
    assert not left, f"nothing is half there: {left}"


def command(root: Path) -> subprocess.Popen[bytes]:
    words = [str(HEADWATER), "run", "-w", str(root)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(words, cwd="/", env=environment(), stdout=quiet, stderr=quiet, start_new_session=True)


def run_again(root: Path) -> None:
    done = headwater("run", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr


class Way(NamedTuple):
    """How a change is built, and built again; it may be killed from `first` seconds on, up to `share` of a build's."""

    start: Callable[[Path], subprocess.Popen[Any]]
    again: Callable[[Path], object]
    first: float
    share: float


WAYS = {"build": Way(started, build, 0, 1), "command": Way(command, run_again, 1, 3)}
MOMENTS = [("build", seed) for seed in range(50)] + [("command", seed) for seed in range(3)]
"""Which way and by which seed; all but the first take long."""
LONG = [MOMENTS[0], *(pytest.param(*moment, marks=pytest.mark.long) for moment in MOMENTS[1:])]


@pytest.mark.parametrize(("way", "seed"), LONG)
def test_one_that_is_killed_leaves_what_was_and_the_next_completes(
    ready: Path, expected: tuple[dict[str, str], float], tmp_path: Path, way: str, seed: int
) -> None:
    root, how = changed(ready, tmp_path), WAYS[way]
    with how.start(root) as process:
        time.sleep(random.Random(seed).uniform(how.first, how.share * expected[1]))
        os.killpg(process.pid, signal.SIGKILL)
    assert_readable(root)
    how.again(root)
    assert_completed(root, expected[0])


@pytest.mark.parametrize("way", ["build", pytest.param("command", marks=pytest.mark.long)])
def test_two_at_once_make_what_one_makes(
    ready: Path, expected: tuple[dict[str, str], float], tmp_path: Path, way: str
) -> None:
    root, how = changed(ready, tmp_path), WAYS[way]
    with how.start(root) as one, how.start(root) as other:
        one.wait()
        other.wait()
    assert_readable(root)
    how.again(root)
    assert_completed(root, expected[0])
