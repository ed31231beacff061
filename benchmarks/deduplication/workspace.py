"""What one hundredth of new documents costs in a workspace, stage by stage: files are read, tables written, pictures drawn.

    python -m benchmarks.deduplication.workspace --size 400000

Beside each cost that of the same in a workspace of ten documents, for what is left is what the documents cost.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import polars as pl

from benchmarks.deduplication.contestants import EMPTY, RESULTS, ROOT, TOOLS
from benchmarks.deduplication.corpus import corpus
from benchmarks.peers import CACHE

TOOL = TOOLS / "workspace_run.py"
STAGES = ("documents", "signatures", "duplicates", "all")

TURNS = 5
WARMING = 2_000
"""So many documents that some of the last hundredth are near to others."""

Seconds = dict[str, float]
Turn = tuple[Seconds, Seconds, Seconds, Seconds]
"""By stage: what all but the last hundredth cost, what the last, and the same of ten documents."""


def stepped(size: int) -> tuple[Seconds, Seconds]:
    """CPU seconds by stage: of all documents but the last hundredth, and of these when they come."""
    texts = pl.read_parquet(corpus(size, 0, CACHE / "deduplication").path, columns=["text"])
    n_old = len(texts) - max(1, len(texts) // 100)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        place = Path(folder)
        (place / "raw").mkdir()
        (place / "headwater.yaml").write_text("sources:\n  - name: docs\n    path: raw\n")
        costs = []
        for name, part in (("old", texts.head(n_old)), ("new", texts.slice(n_old))):
            part.write_parquet(place / "raw" / f"{name}.parquet")
            report = place / f"{name}.json"
            subprocess.run([sys.executable, TOOL, place, report], check=True, env={"PYTHONPATH": str(ROOT)})
            costs.append(json.loads(report.read_text()))
        return costs[0], costs[1]


def table(size: int, turns: Sequence[Turn]) -> str:
    """A line for each stage."""
    lines = [
        f"{size:,} documents in a workspace: all but the last hundredth, then these, in CPU seconds. Medians of {TURNS} turns; of the "
        "last column the least and the most, too.",
        "",
        "| stage | all but the last hundredth | the last hundredth | beyond ten documents: whole | added | added : whole |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name in STAGES:
        costs = [tuple(seconds[name] for seconds in turn) for turn in turns]
        beyond = [(whole - least, added - least_added) for whole, added, least, least_added in costs]
        told = [median(column) for column in (*list(zip(*costs, strict=True))[:2], *zip(*beyond, strict=True))]
        shares = sorted(added / whole for whole, added in beyond)
        spread = f"{median(shares):.1%} ({shares[0]:.1%} to {shares[-1]:.1%})"
        lines.append(f"| {name} | {' | '.join(f'{cost:.2f}' for cost in told)} | {spread} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=400_000)
    size = parser.parse_args().size
    stepped(WARMING)  # compiles, once for ever
    found = table(size, [(*stepped(size), *stepped(EMPTY)) for _ in range(TURNS)])
    (RESULTS / "deduplication-workspace.md").write_text(found)
    print(found)


if __name__ == "__main__":
    main()
