"""What one hundredth of new documents costs Headwater, beside finding all duplicates at once.

    python -m benchmarks.deduplication.additions

Either is the difference of two runs, and the speed of a machine moves by more than that from minute to minute. So runs take
turns, differences are of neighbours, each turn has its median, and the median of these is told, with where that of more turns
would lie: between the two that stand as far from the middle as chance puts it in 19 of 20 cases.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.deduplication.contestants import EMPTY, OURS, RESULTS, ROOT, TOOLS, run
from benchmarks.deduplication.corpus import Corpus, corpus
from benchmarks.deduplication.judge import Answer
from benchmarks.measuring import Cost, measure
from benchmarks.peers import CACHE

TOOL = TOOLS / "headwater_update.py"
SIZE = 400_000
TURNS, UPDATES, BUILDS = 24, 5, 5
"""A run of all at once, and updates for each, which are short; and runs that make the tables."""


class Prepared(NamedTuple):
    """A corpus, and the folder with the tables of all but its last hundredth."""

    given: Corpus
    place: Path

    def step(self, name: str) -> Cost:
        """What a step of the tool costs."""
        around = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
        return measure(
            [sys.executable, TOOL, name, self.given.path, self.place], self.place / "log", around, self.place
        )

    def build(self) -> float:
        """The CPU seconds in which the tables of the others are made, from nothing."""
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.step("part")
        return self.step("build").cpu

    def update(self) -> float:
        """The CPU seconds in which the last hundredth comes, to the tables without it."""
        for file in self._came():
            file.unlink()
        return self.step("update").cpu

    def answer(self) -> Answer:
        """The duplicates after an update."""
        self.step("answer")
        with np.load(self.place / "answer.npz") as held:
            return Answer(held["removed"], held["kept"])

    def _came(self) -> list[Path]:
        return [file for pattern in ("*-1.*", "*-removed.*", "texts-1") for file in self.place.glob(pattern)]


class Turn(NamedTuple):
    """CPU seconds beyond those of the same on a few documents: of each of some updates, and of finding all at once; and of one
    update with all that a process costs."""

    beyond: list[float]
    whole: float
    update: float


def additions(few: Corpus, many: Corpus) -> str:
    """What one hundredth costs. Raises RuntimeError where added documents give other duplicates than all documents at once."""
    with tempfile.TemporaryDirectory(dir=many.path.parent) as folder:
        prepared = [Prepared(given, Path(folder, str(given.documents))) for given in (few, many)]
        for own in prepared:
            run(OURS, own.given)
            own.build()
            own.update()  # compiles, once for ever
        builds = [[own.build() for own in prepared] for _ in range(BUILDS)]
        turns = [_turn(*prepared) for _ in range(TURNS)]
    low, middle, high = _median_of([median(turn.beyond) for turn in turns])
    whole, tables = median(turn.whole for turn in turns), median(built - least for least, built in builds)
    return (
        f"The last hundredth of {many.documents:,} documents, added to the tables of the others on disk, takes "
        f"{median(turn.update for turn in turns):.2f} CPU s, and {middle:.3f} beyond one document added to nine: the median of "
        f"{TURNS} turns of {UPDATES} pairs of runs; that of more would lie between {low:.3f} and {high:.3f}.\n\nThat is "
        f"{middle / tables:.1%} ({low / tables:.1%} to {high / tables:.1%}) of the full run that makes these tables, with their indexes "
        f"and a copy of the texts ({tables:.2f} CPU s beyond ten documents, the median of {BUILDS} pairs), and "
        f"{middle / whole:.1%} ({low / whole:.1%} to {high / whole:.1%}) of finding all duplicates at once, which writes nothing "
        f"({whole:.2f}, the median of {TURNS} pairs).\n"
    )


def _turn(few: Prepared, many: Prepared) -> Turn:
    pairs = [(few.update(), many.update()) for _ in range(UPDATES)]
    costs = []
    for own in (few, many):
        cost, expected = run(OURS, own.given)
        found = own.answer()
        if not (np.array_equal(found.removed, expected.removed) and np.array_equal(found.kept, expected.kept)):
            raise RuntimeError("the last hundredth, added, gives other duplicates than all documents at once")
        costs.append(cost.cpu)
    return Turn([added - least for least, added in pairs], costs[1] - costs[0], pairs[-1][1])


def _median_of(values: list[float]) -> tuple[float, float, float]:
    """The median, between the two values that enclose that of all such values in 19 of 20 cases (the sign test's interval)."""
    ranked, n = sorted(values), len(values)
    away = 1.96 * sqrt(n) / 2
    return ranked[max(0, floor(n / 2 - away) - 1)], median(ranked), ranked[min(n - 1, ceil(n / 2 + away))]


def main() -> None:
    """Measure, print and write."""
    few, many = (corpus(size, 0, CACHE / "deduplication") for size in (EMPTY, SIZE))
    told = additions(few, many)
    print(told)
    (RESULTS / "deduplication-additions.md").write_text(told)


if __name__ == "__main__":
    main()
