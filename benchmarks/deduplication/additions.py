"""What one hundredth of new documents costs Headwater, beside finding all duplicates at once.

Either is the difference of two runs, and the speed of a machine moves by more than that from minute to minute. So the four
take turns, the differences are taken within a turn, and the median of these is told, with where the median of more turns
would lie: between the two that stand as far from the middle as chance puts it in 19 of 20 cases.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.deduplication.corpus import Corpus
from benchmarks.deduplication.judge import Answer
from benchmarks.measuring import Cost, measure

ROOT = Path(__file__).parent.parent.parent
TOOL = Path(__file__).parent / "tools" / "headwater_update.py"
TURNS = 40


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

    def update(self) -> tuple[float, Answer]:
        """The CPU seconds in which the last hundredth comes, and what the tables hold then; all is put back."""
        before = set(self.place.iterdir())
        cost = self.step("update")
        self.step("answer")
        with np.load(self.place / "answer.npz") as held:
            answer = Answer(held["removed"], held["kept"])
        for file in set(self.place.iterdir()) - before:
            file.unlink()
        return cost.cpu, answer


class Turn(NamedTuple):
    """CPU seconds of four runs, one after the other: of an update and of all at once, on a few documents and on many."""

    few_added: float
    few: float
    many_added: float
    many: float


def additions(run: Callable[[Corpus], tuple[Cost, Answer]], few: Corpus, many: Corpus) -> list[str]:
    """Lines that say it; `run` finds all duplicates at once. Raises RuntimeError where the two differ in them."""
    turns: list[Turn] = []
    with tempfile.TemporaryDirectory(dir=many.path.parent) as folder:
        prepared = [Prepared(given, Path(folder, str(given.documents))) for given in (few, many)]
        built = [_build(own) for own in prepared]
        for _ in range(TURNS):
            took: list[float] = []
            for own in prepared:
                cost, found = own.update()
                all_at_once, expected = run(own.given)
                if not (np.array_equal(found.removed, expected.removed) and np.array_equal(found.kept, expected.kept)):
                    raise RuntimeError("the last hundredth, added, gives other duplicates than all documents at once")
                took += [cost, all_at_once.cpu]
            turns.append(Turn(*took))
    beyond = [turn.many_added - turn.few_added for turn in turns]
    whole = median(turn.many - turn.few for turn in turns)
    low, middle, high = _median_of(beyond)
    tables = built[1] - built[0]
    return [
        f"\nThe last hundredth of {many.documents:,} documents, added to the tables of the others on disk: "
        f"{median(turn.many_added for turn in turns):.2f} CPU s, {middle:.3f} beyond one document added to nine (the median of "
        f"{TURNS} turns; that of more would lie between {low:.3f} and {high:.3f}). That is {middle / tables:.1%} of the full run "
        f"that makes these tables, with their indexes and a copy of the texts ({tables:.2f}), and {middle / whole:.1%} "
        f"({low / whole:.1%} to {high / whole:.1%}) of finding all duplicates at once, which writes nothing ({whole:.2f})."
    ]


def _median_of(values: list[float]) -> tuple[float, float, float]:
    """The median, between the two values that enclose that of all such values in 19 of 20 cases (the sign test's interval)."""
    ranked, n = sorted(values), len(values)
    away = 1.96 * sqrt(n) / 2
    return ranked[max(0, floor(n / 2 - away) - 1)], median(ranked), ranked[min(n - 1, ceil(n / 2 + away))]


def _build(own: Prepared) -> float:
    own.place.mkdir()
    own.step("part")
    return own.step("build").cpu
