"""A program in a process of its own: its exit code and its files tell how it ended, and its words go to its log alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forked_commands import environment

PROGRAM = """
import os, signal
from dataclasses import dataclass

@dataclass
class Job:
    ends: str

def run(job, progress):
    print("begun")
    if job.ends == "is interrupted":
        signal.signal(signal.SIGINT, signal.default_int_handler)  # who runs the tests in the background has it ignored
        os.kill(os.getpid(), signal.SIGINT)
    if job.ends == "fails":
        raise ValueError("no such model")
    return {"done": True}
"""


@pytest.mark.parametrize(("ends", "code"), [("well", 0), ("fails", 1), ("is interrupted", 130)])
def test_how_it_ended_is_told_and_nothing_is_printed(ends: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "a_program.py").write_text(PROGRAM)
    (tmp_path / "job.json").write_text(json.dumps({"module": "a_program", "job": "Job", "settings": {"ends": ends}}))
    command = [sys.executable, "-m", "pipelines.worker", str(tmp_path)]
    variables = environment() | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert ended.returncode == code
    assert ended.stdout + ended.stderr == ""
    assert (tmp_path / "log.txt").read_text().startswith("begun")
    assert (tmp_path / "result.json").exists() == (ends == "well")
    told = json.loads((tmp_path / "error.json").read_text())["error"] if ends == "fails" else None
    assert told == ("ValueError: no such model" if ends == "fails" else None)
