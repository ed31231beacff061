"""How right a deduplication is, given every pair of documents that is truly similar.

Recall: the share of pairs at or over the threshold of which not both documents were kept. Precision: the share of removed
documents that are truly similar to a document that was kept, whichever that is, so that a tool is not judged by what it
says but by what it leaves; where it does name the one it kept, also by that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

EDGES = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Pairs:
    """Pairs of numbers of documents, one a row, with their true Jaccard similarity."""

    documents: npt.NDArray[np.int32]
    jaccard: npt.NDArray[np.float64]

    def at_least(self, jaccard: float) -> npt.NDArray[np.int32]:
        """The pairs at or over a similarity."""
        return self.documents[self.jaccard >= jaccard]


@dataclass(frozen=True)
class Answer:
    """What a tool removed, and which document it kept in the stead of each (-1 where it does not say)."""

    removed: npt.NDArray[np.int64]
    kept: npt.NDArray[np.int64]


class Share(NamedTuple):
    """How many of how many: a share alone, rounded, hides a few among many."""

    part: int
    whole: int

    @property
    def share(self) -> float:
        """Between 0 and 1; nan where there is nothing to share."""
        return self.part / self.whole if self.whole else float("nan")

    def __str__(self) -> str:
        return f"{self.share:.4f} ({self.part:,} of {self.whole:,})"


@dataclass(frozen=True)
class Judgement:
    """How many were removed, and what of these and of the pairs is right; `recall_by_bin` by the lower edge of each bin."""

    removed: int
    recall: Share
    recall_by_bin: dict[str, Share]
    precision_80: Share
    precision_70: Share
    named_80: Share


def judge(n_documents: int, truth: Pairs, answer: Answer) -> Judgement:
    """Judge an answer on a corpus of which `truth` holds every pair at or over the lowest of `EDGES`."""
    gone = np.zeros(n_documents, np.bool_)
    gone[answer.removed] = True
    caught: npt.NDArray[np.bool_] = np.any(gone[truth.documents], axis=1)
    bins = np.searchsorted(np.array(EDGES), truth.jaccard, side="right") - 1
    return Judgement(
        removed=int(gone.sum()),
        recall=_share(caught[truth.jaccard >= 0.8]),
        recall_by_bin={f"{edge:.2f}": _share(caught[bins == at]) for at, edge in enumerate(EDGES)},
        precision_80=_share(_near_a_kept_one(truth.at_least(0.8), gone)[gone]),
        precision_70=_share(_near_a_kept_one(truth.at_least(0.7), gone)[gone]),
        named_80=_share(_is_pair(truth.at_least(0.8), answer)[answer.kept >= 0]),
    )


def _near_a_kept_one(pairs: npt.NDArray[np.int32], gone: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    near = np.zeros(len(gone), np.bool_)
    for one, other in ((0, 1), (1, 0)):
        near[pairs[~gone[pairs[:, other]], one]] = True
    return near


def _is_pair(pairs: npt.NDArray[np.int32], answer: Answer) -> npt.NDArray[np.bool_]:
    def keys(one: npt.NDArray[np.int64], other: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        named: npt.NDArray[np.int64] = np.minimum(one, other) << 32 | np.maximum(one, other)
        return named

    wide = pairs.astype(np.int64)
    return np.isin(keys(answer.removed, answer.kept), keys(wide[:, 0], wide[:, 1]))


def _share(flags: npt.NDArray[np.bool_]) -> Share:
    return Share(int(flags.sum()), len(flags))
