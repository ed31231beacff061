"""A corpus of ten times the memory, from files to duplicates in a workspace: within a control group, and without a limit.

    python -m benchmarks.deduplication.beyond_memory --size 2400000 --memory 1024

In the group all processes and the page cache together get the memory (in MiB); the files are not in the page cache when
it starts. Both runs must give the same tables. It needs root, and some 10 GB of disk.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from benchmarks.control_groups import control_group
from benchmarks.deduplication.long_documents import write_long_documents
from benchmarks.measuring import measure
from benchmarks.peers import CACHE
from pipelines.store import Store

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "deduplication-beyond-memory.md"
STAGES = ("documents", "signatures", "duplicates")
TABLES = (*STAGES, "survivors", "pairs")
MIB = 1 << 20


class Stage(NamedTuple):
    """What a stage took: CPU and wall seconds, and bytes at the worst moment: of memory that is no page cache, and of
    temporary files."""

    cpu: float
    wall: float
    anonymous: int
    disk: int


class Run(NamedTuple):
    """A run through all stages, the versions of its tables, and their bytes on disk with what finds rows in them."""

    stages: dict[str, Stage]
    versions: dict[str, str]
    tables: int


def source(size: int) -> tuple[Path, int]:
    """A folder of files, made when it is not there, and the bytes of text in them."""
    folder = CACHE / "deduplication" / f"long-{size}-0"
    told = folder.with_suffix(".bytes")
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        told.write_text(str(write_long_documents(size, 0, CACHE / "deduplication", folder)))
    return folder, int(told.read_text())


def run(folder: Path, memory: int | None) -> Run:
    """All stages in a fresh workspace."""
    with tempfile.TemporaryDirectory(dir=CACHE) as place:
        here, temporary = Path(place), Path(place) / "temporary"
        temporary.mkdir()
        (here / "headwater.yaml").write_text(f"sources:\n  - name: docs\n    path: {folder}\n")
        taken = {}
        for stage in STAGES:
            forget_cached(folder)
            command: list[str | Path] = [Path(sys.executable).with_name("headwater"), "run", stage, "-w", here]
            with control_group(memory, temporary) as group:
                cost = measure(group.command(command), here / "log", {"TMPDIR": str(temporary)})
            taken[stage] = Stage(cost.cpu, cost.wall, group.anonymous, group.disk)
            print(stage, taken[stage], flush=True)
        store = Store(here / ".headwater" / "store")
        heads = {name: store.head(name) for name in TABLES}
        versions = {name: head.version for name, head in heads.items() if head is not None}
        return Run(taken, versions, sum(file.stat().st_size for file in store.root.rglob("*") if file.is_file()))


def forget_cached(folder: Path) -> None:
    """Let the files go from the page cache: what is there already would be charged to nobody."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def table(size: int, text: int, memory: int, limited: Run, free: Run) -> str:
    """A line for each stage."""
    lines = [
        f"{size:,} documents, {text / 1e9:.2f} GB of text, {text / (memory * MIB):.1f} times the {memory:,} MiB that all processes "
        "and the page cache had together; beside it the same without a limit. Both gave the same tables "
        f"({', '.join(TABLES)}), which take {limited.tables / 1e9:.1f} GB with what finds rows in them.",
        "",
        "| stage | CPU s | wall s | memory without page cache, MB | temporary files, MB | no limit: CPU s | wall s | memory, MB |",
        "| --- " * 8 + "|",
    ]
    for stage in STAGES:
        own, other = limited.stages[stage], free.stages[stage]
        told = f"{own.cpu:.0f} | {own.wall:.0f} | {own.anonymous / 1e6:,.0f} | {own.disk / 1e6:,.0f}"
        lines.append(f"| {stage} | {told} | {other.cpu:.0f} | {other.wall:.0f} | {other.anonymous / 1e6:,.0f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write. Raises RuntimeError where the limit changes an answer, or a run fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=2_400_000)
    parser.add_argument("--memory", type=int, default=1024, help="MiB")
    told = parser.parse_args()
    run(source(10)[0], None)  # compiles, once for ever
    folder, text = source(told.size)
    limited, free = run(folder, told.memory * MIB), run(folder, None)
    if limited.versions != free.versions:
        raise RuntimeError(f"the limit changes an answer: {limited.versions} and {free.versions}")
    found = table(told.size, text, told.memory, limited, free)
    RESULTS.write_text(found)
    print(found)


if __name__ == "__main__":
    main()
