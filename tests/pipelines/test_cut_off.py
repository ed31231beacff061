"""A stage whose process was killed is named by the next command."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

import pipelines.cut_off
from pipelines.cli import app
from pipelines.cut_off import CutOff, cut_off, noted, said_of
from pipelines.locks import lock

KILLED = """
import os, signal, sys
from pathlib import Path
from pipelines.cut_off import noted
with noted(Path(sys.argv[1]), "documents"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def kill_one(folder: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(folder)]).returncode == -9


def test_a_note_outlives_a_killed_process_and_no_other(tmp_path: Path) -> None:
    with noted(tmp_path, "corpus"):
        assert cut_off(tmp_path) == []
    kill_one(tmp_path)
    with pytest.raises(ValueError, match="it fails"), noted(tmp_path, "corpus"):
        raise ValueError("it fails")
    assert [note.stage for note in cut_off(tmp_path)] == ["documents"]
    assert [note.stage for note in cut_off(tmp_path, forget=True)] == ["documents"]
    assert cut_off(tmp_path) == []


@pytest.mark.parametrize("is_over", [False, True], ids=["while it looks", "after it has looked"])
def test_a_note_that_is_looked_into_before_it_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_over: bool
) -> None:
    """`headwater status` comes between the two: it has the lock of the new file still, or has removed it, for it is empty."""
    held: list[int] = []

    def late(descriptor: int, operation: int) -> None:
        monkeypatch.undo()
        (path,) = tmp_path.iterdir()
        looking = lock(path)
        assert looking is not None
        held.append(looking)
        if is_over:
            os.close(held.pop())
            assert cut_off(tmp_path) == []
        fcntl.flock(descriptor, operation)

    monkeypatch.setattr("fcntl.flock", late)
    with noted(tmp_path, "corpus"):
        for looking in held:
            os.close(looking)
        assert cut_off(tmp_path) == []
        (path,) = tmp_path.iterdir()
        assert "corpus" in path.read_text()
    assert not list(tmp_path.iterdir())


def test_what_the_system_killed_since_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kill_one(tmp_path)
    (note,) = cut_off(tmp_path)
    for more, told in ((0, "If memory ended, there was too little with"), (1, "killed 1 process for want of memory")):
        monkeypatch.setattr(pipelines.cut_off, "kills_of_the_machine", lambda more=more: note.kills + more)
        assert told in said_of(note)
    assert "If memory ended" in said_of(replace(note, boot="another"))
    assert "reading.workers: 1" in said_of(note)
    assert "reading.workers" not in said_of(CutOff("signatures", 10**9, 0, ""))


def test_status_and_run_tell_of_it_and_run_once(tmp_path: Path) -> None:
    runner = CliRunner()
    assert runner.invoke(app, ["init", str(tmp_path / "here")]).exit_code == 0
    kill_one(tmp_path / "here" / ".headwater" / "running")
    for command, told in (("status", True), ("status", True), ("run", True), ("status", False)):
        words = [command, "source_order"] if command == "run" else [command]
        ended = runner.invoke(app, [*words, "-w", str(tmp_path / "here")])
        assert ended.exit_code == 0, ended.output
        assert ("documents was cut off in the last run" in ended.output) is told
