"""What the sections share: the lines that are printed and written, and a tool's cost on so many documents."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import polars as pl

from benchmarks.curation.corpus import documents
from benchmarks.measuring import Cost, measure
from benchmarks.peers import Peer, environment

ROOT = Path(__file__).parent.parent.parent
TOOLS = Path(__file__).parent / "tools"
EMPTY = 10
"""Documents of a run that costs hardly more than its imports."""
TIMES = 3


class Report:
    """The lines, printed as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, *lines: str) -> None:
        """More lines."""
        self.lines += lines
        print(*lines, sep="\n", flush=True)

    def table(self, *columns: str) -> None:
        """The head of a table."""
        self.say("", f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|")

    def row(self, *cells: object) -> None:
        """A row of it."""
        self.say(f"| {' | '.join(map(str, cells))} |")


def share_of(flags: pl.Series) -> float:
    """The share of a column of booleans that is true."""
    return int(flags.sum()) / len(flags)


def run(tool: str, peer: Peer | None, place: Path, given: Path, *words: str | Path) -> Cost:
    """Run a tool on a file; its answer is `answer.parquet` in the folder, and what it prints in `TOOL.log`."""
    python = environment(peer) if peer else sys.executable
    around = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}
    command = [python, TOOLS / f"{tool}_run.py", given, place / "answer.parquet", *words]
    return measure(command, place / f"{tool}.log", around, place)


def least(tool: str, peer: Peer | None, place: Path, given: Path, *words: str | Path) -> float:
    """CPU seconds of a tool on a file: the least of `TIMES` runs, for what else runs on a machine only adds to them."""
    return min(run(tool, peer, place, given, *words).cpu for _ in range(TIMES))


@cache
def start_up(tool: str, peer: Peer | None, place: Path, few: Path, *words: str | Path) -> float:
    """CPU seconds of a tool on next to nothing, measured once for all that asks."""
    return least(tool, peer, place, few, *words)


def beyond(tool: str, peer: Peer | None, place: Path, many: int, downloads: Path, *words: str | Path) -> float:
    """CPU seconds on so many documents, beyond those on ten."""
    empty = start_up(tool, peer, place, documents(EMPTY, downloads), *words)
    return max(least(tool, peer, place, documents(many, downloads), *words) - empty, 0.01)
