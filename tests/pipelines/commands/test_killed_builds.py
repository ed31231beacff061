"""Runs that are killed at any moment, and two at once: what was released can be read all the time, and the next run completes."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from curation.releases import verify_release
from pipelines.releases import releases_of
from pipelines.workspace import Workspace
from tests.end_to_end.workspaces import HEADWATER, environment, heads, versions
from tests.pipelines.commands.test_purge import assert_whole
from tests.pipelines.test_cli import headwater

SECONDS = 12.0
"""A run of this workspace takes about so long."""


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


@pytest.fixture(scope="module")
def expected(ready: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The versions of all tables after the change, by a run that nobody disturbed."""
    root = tmp_path_factory.mktemp("undisturbed") / "w"
    shutil.copytree(ready, root)
    change(root)
    assert headwater("run", "-w", root).returncode == 0
    return versions(heads(root))


def started(root: Path) -> subprocess.Popen[bytes]:
    words = [str(HEADWATER), "run", "-w", str(root)]
    return subprocess.Popen(
        words, cwd="/", env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def assert_readable(root: Path) -> None:
    """Every table is whole, and every release that is there is what it is named after."""
    workspace = Workspace(root)
    assert_whole(workspace)
    for release in releases_of(workspace):
        verify_release(release.folder)
    head = workspace.store.head("instructions")
    assert head is not None and (workspace.state / "store" / head.notes["folder"] / "manifest.json").is_file()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(50))
def test_a_run_that_is_killed_leaves_what_was_and_the_next_completes(
    ready: Path, expected: dict[str, str], tmp_path: Path, seed: int
) -> None:
    root = tmp_path / "w"
    shutil.copytree(ready, root)
    change(root)
    process = started(root)
    time.sleep(random.Random(seed).uniform(1, SECONDS))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert_readable(root)
    done = headwater("run", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert versions(heads(root)) == expected
    assert_readable(root)
    log = (Workspace(root).releases / "instructions" / "CHANGELOG.md").read_text()
    assert log.count("\n## ") + log.startswith("## ") == 2, "each release stands in the changelog once"


@pytest.mark.long
def test_two_runs_at_once_make_what_one_makes(ready: Path, expected: dict[str, str], tmp_path: Path) -> None:
    root = tmp_path / "w"
    shutil.copytree(ready, root)
    change(root)
    both = [started(root), started(root)]
    for process in both:
        process.wait(timeout=500)
    assert_readable(root)
    done = headwater("run", "-w", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert versions(heads(root)) == expected
