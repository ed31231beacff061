"""A run that a person ends with Ctrl-C: it says where it stood and how to go on, and blames no stage."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.forked_commands import environment
from tests.pipelines.test_cli import waiting

PROGRAM = """
import os, signal, time
from curation.deduplication import following

def follow(*_):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)

following.follow = follow
from pipelines.cli import main
main()
"""


def test_it_says_where_it_stood_and_how_to_go_on(ready: Path, tmp_path: Path) -> None:
    root = shutil.copytree(ready, tmp_path / "other", symlinks=True)
    (root / "web" / "more.txt").write_text(
        "The last boat of the year came up the river with a dozen barrels on it, and lay there."
    )
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "run"], cwd=root, env=environment(), capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 130, ended.stderr
    assert "Interrupted at duplicates. `headwater run` goes on from there" in " ".join(ended.stderr.split())
    assert "failed" not in ended.stderr and "Error" not in ended.stderr
    assert "documents" in ended.stdout, "what was done before"
    assert waiting(root)[0] == "duplicates", "it goes on from there"
