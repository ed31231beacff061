"""What one hundredth of new documents costs Headwater, beside finding all duplicates at once.

Either is the difference of two runs, and the speed of a machine moves by more than that from minute to minute. So the four
take turns; the cheapest of each counts, and the medians are told beside.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from benchmarks.deduplication.corpus import Corpus
from benchmarks.deduplication.judge import Answer
from benchmarks.measuring import Cost, measure

ROOT = Path(__file__).parent.parent.parent
TOOL = Path(__file__).parent / "tools" / "headwater_update.py"
TURNS = 12


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


class Seconds(NamedTuple):
    """CPU seconds of runs that took turns: of updates and of all at once, on a few documents and on many."""

    few_added: list[float]
    few: list[float]
    many_added: list[float]
    many: list[float]

    def beyond(self, of: Callable[[list[float]], float]) -> tuple[float, float]:
        """What an update and all at once cost beyond a few documents."""
        return of(self.many_added) - of(self.few_added), of(self.many) - of(self.few)


def additions(run: Callable[[Corpus], tuple[Cost, Answer]], few: Corpus, many: Corpus) -> list[str]:
    """Lines that say it; `run` finds all duplicates at once. Raises RuntimeError where the two differ in them."""
    seconds = Seconds([], [], [], [])
    with tempfile.TemporaryDirectory(dir=many.path.parent) as folder:
        prepared = [Prepared(given, Path(folder, str(given.documents))) for given in (few, many)]
        built = [_build(own) for own in prepared]
        for _ in range(TURNS):
            for own, (added, whole) in zip(prepared, (seconds[:2], seconds[2:]), strict=True):
                cost, found = own.update()
                all_at_once, expected = run(own.given)
                if not (np.array_equal(found.removed, expected.removed) and np.array_equal(found.kept, expected.kept)):
                    raise RuntimeError("the last hundredth, added, gives other duplicates than all documents at once")
                added.append(cost)
                whole.append(all_at_once.cpu)
    (beyond, whole_beyond), (usual, usual_whole) = seconds.beyond(min), seconds.beyond(median)
    tables = built[1] - built[0]
    return [
        f"\nThe last hundredth of {many.documents:,} documents, added to the tables of the others on disk: "
        f"{min(seconds.many_added):.2f} CPU s, {beyond:.3f} beyond one document added to nine. That is {beyond / tables:.1%} "
        f"of the full run that makes these tables, with their indexes and a copy of the texts ({tables:.2f}), and "
        f"{beyond / whole_beyond:.1%} of finding all duplicates at once, which writes nothing ({whole_beyond:.2f}). By the "
        f"medians of the {TURNS} runs of each, which took turns, it is {usual:.3f} of {usual_whole:.2f}, "
        f"{usual / usual_whole:.1%}."
    ]


def _build(own: Prepared) -> float:
    own.place.mkdir()
    own.step("part")
    return own.step("build").cpu
