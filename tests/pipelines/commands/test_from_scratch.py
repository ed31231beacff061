"""Each command as a process that has to import what it needs: it says what those say that the tests fork, and what only reads imports little."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from tests.forked_commands import environment, from_scratch
from tests.pipelines.test_cli import headwater

READING = {
    "status": (),
    "table": ("corpus",),
    "table --versions": ("corpus",),
    "explain": ("web:near.txt",),
    "trace": ("web:long.txt",),
    "report": ("curation",),
    "tag": ("instructions",),
    "run": (),
}
"""Also `run` reads only, where nothing is out of date."""
OTHERS = {
    "whatif": ("gopher.min_words=2",),
    "diff": ("instructions",),
    "export": ("instructions", "-o", "out"),
    "promote": ("tuned", "--reason", "It is better."),
    "forget": ("web:long.txt", "--reason", "It was asked for."),
    "try": ("Why?",),
    "annotators": ("add", "anna@example.org"),
}
"""`init` and a `run` that runs are tried so in test_cli.py, `up` in end_to_end/test_people.py."""
PROGRAM = """
import atexit, sys
from pathlib import Path
from pipelines.cli import main

imported = Path(sys.argv.pop(1))
atexit.register(lambda: imported.write_text(" ".join({name.partition(".")[0] for name in sys.modules})))
main()
"""
HEAVY = {"dagster", "torch", "transformers", "datasets", "sklearn", "numba", "label_studio_sdk"}


@pytest.mark.parametrize("command", [*READING, *OTHERS])
def test_a_command_needs_nothing_that_another_has_imported(ready: Path, tmp_path: Path, command: str) -> None:
    words = [*command.split(), *{**READING, **OTHERS}[command], "-w", str(ready)]
    names = tmp_path / "imported"
    program = [sys.executable, "-c", PROGRAM, str(names), *words]
    alone = from_scratch(program, tmp_path, environment())
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
    forked = headwater(*words, folder=tmp_path)
    said = [(done.returncode, done.stdout, done.stderr) for done in (alone, forked)]
    assert said[0] == said[1] and "Traceback" not in alone.stderr
    imported = set(names.read_text().split())
    assert {"polars", "pipelines"} <= imported
    if command in READING:
        assert imported & HEAVY == set()
