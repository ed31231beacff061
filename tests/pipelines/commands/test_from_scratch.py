"""Each command as a process that has to import what it needs: it says what those say that the tests fork."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipelines.test_cli import headwater

WORDS = {
    "status": (),
    "table": ("corpus",),
    "explain": ("web:near.txt",),
    "trace": ("web:long.txt",),
    "whatif": ("gopher.min_words=2",),
    "report": ("instructions",),
    "tag": ("instructions",),
    "diff": ("instructions",),
    "export": ("instructions", "-o", "out"),
    "promote": ("tuned", "--reason", "It is better."),
    "forget": ("web:long.txt", "--reason", "It was asked for."),
    "try": ("Why?",),
    "annotators": ("add", "anna@example.org"),
    "run": (),
}
"""`init` and a `run` that runs are tried so in test_cli.py, `up` in end_to_end/test_daemon_workspace.py."""


@pytest.mark.parametrize("command", WORDS)
def test_a_command_needs_nothing_that_another_has_imported(ready: Path, tmp_path: Path, command: str) -> None:
    said = []
    for scratch in (True, False):
        done = headwater(command, *WORDS[command], "-w", ready, folder=tmp_path, scratch=scratch)
        said.append((done.returncode, done.stdout, done.stderr))
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
    assert said[0] == said[1] and "Traceback" not in said[0][2]
