"""Which samples come first: the policies by which a budget of people's time is spent.

Each gives an order and a reason per sample, and breaks ties by the drawn order, so that nothing depends on the order of
rows. Disagreement and uncertainty follow query by committee and entropy sampling (Settles 2009, sections 3.1 and 3.2);
diversity is the greedy k-centre (Gonzalez 1985), which the core-set view of active learning takes too (Sener and
Savarese 2018): each pick is the sample farthest from all picks before it, so every pick is the centre of a cluster, and
what is nearly a copy of a pick is never one.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import numpy.typing as npt
import polars as pl

from annotation.routing.shown import draw, prompt_text

NEAR = 0.95
"""The cosine at which two prompts are near copies."""

DIMENSIONS = 256
LOOKED_AT = 20_000
"""How many samples diversity compares at most, in the drawn order."""


@dataclass(frozen=True)
class Evidence:
    """What policies look at beside the samples: drafts by sample, a judge's margins (0: it cannot tell), and thumbs."""

    drafts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    margins: Mapping[str, float] = field(default_factory=dict)
    feedback: pl.DataFrame | None = None


Order = list[tuple[str, str]]
"""Samples with the reason of each, the first in rank first."""


def in_order(
    policy: str, samples: pl.DataFrame, seed: int, evidence: Evidence, chosen: pl.DataFrame | None = None
) -> Order:
    """The samples (sample_id, slice, messages) in the order of a policy. `chosen` are asked in any case: diversity keeps
    away from them. Near copies are left out of the order by diversity, and by no other policy."""
    drawn = samples.sort(pl.Series([draw(seed, name) for name in samples["sample_id"]], dtype=pl.String))
    if policy == "diversity":
        return _diverse(drawn, chosen)
    if policy == "coverage":
        return _covering(drawn)
    scored = {"disagreement": _disagreement, "uncertainty": _uncertainty, "feedback": _feedback}
    if policy not in scored:
        return [(name, "drawn at random") for name in drawn["sample_id"]]
    found = scored[policy](drawn, evidence)
    by_score = sorted(range(drawn.height), key=lambda place: -found[place][0])
    return [(drawn["sample_id"][place], found[place][1]) for place in by_score]


def _disagreement(samples: pl.DataFrame, evidence: Evidence) -> list[tuple[float, str]]:
    """One minus the share of words that two drafts have in common, on average over all pairs of drafts."""
    found = []
    for name in samples["sample_id"]:
        sets = [set(_words(text)) for text in evidence.drafts.get(name, ())]
        pairs = [1 - len(a & b) / max(1, len(a | b)) for a, b in combinations(sets, 2)]
        share = sum(pairs) / max(1, len(pairs))
        found.append((share, f"its drafts differ in {share:.0%} of their words"))
    return found


def _uncertainty(samples: pl.DataFrame, evidence: Evidence) -> list[tuple[float, str]]:
    """The judge's doubt where one has judged, else the entropy of the drafts as a share of what it could be at most."""
    found = []
    for name in samples["sample_id"]:
        if name in evidence.margins:
            margin = abs(evidence.margins[name])
            found.append((1 - margin, f"a judge's margin between its drafts is {margin:.2f}"))
        else:
            entropy, most = _entropy([" ".join(_words(text)) for text in evidence.drafts.get(name, ())])
            found.append(
                (entropy / most if most else 0.0, f"the entropy of its drafts is {entropy:.2f} of {most:.2f} bits")
            )
    return found


def _entropy(texts: Sequence[str]) -> tuple[float, float]:
    counts = Counter(texts).values()
    shares = [count / len(texts) for count in counts]
    return -sum(share * math.log2(share) for share in shares) + 0.0, math.log2(len(texts)) if texts else 0.0


def _feedback(samples: pl.DataFrame, evidence: Evidence) -> list[tuple[float, str]]:
    """Thumbs down first; of equally many, the larger share of all thumbs."""
    thumbs: dict[str, tuple[int, int]] = {}
    if evidence.feedback is not None:
        thumbs = {question: (down, up) for question, down, up in evidence.feedback.iter_rows()}
    found = []
    for name, messages in zip(samples["sample_id"], samples["messages"].to_list(), strict=True):
        down, up = thumbs.get(name) or thumbs.get(messages[-1]["content"].strip()) or (0, 0)
        said = f"{down} thumbs down, {up} up" if down + up else "nobody has said what they think of it"
        found.append((down + down / (down + up + 1), said))
    return found


def _covering(samples: pl.DataFrame) -> Order:
    """The slices in turn, the smallest first, each in the drawn order."""
    numbered = samples.with_columns(
        _turn=pl.int_range(pl.len()).over("slice"), _size=pl.len().over("slice"), _drawn=pl.int_range(pl.len())
    ).sort("_turn", "_size", "slice", "_drawn")
    rows = numbered.select("sample_id", "slice", "_turn", "_size").iter_rows()
    return [(name, f"number {turn + 1} of the {size} that wait in the slice {part}") for name, part, turn, size in rows]


def _diverse(samples: pl.DataFrame, chosen: pl.DataFrame | None) -> Order:
    looked_at = samples.head(LOOKED_AT)
    vectors = _vectors(looked_at)
    likeness = np.full(len(vectors), -1.0)
    if chosen is not None and chosen.height:
        likeness = (vectors @ _vectors(chosen).T).max(axis=1)
    found: Order = []
    for _ in range(len(vectors)):
        place = int(np.argmin(likeness))
        if likeness[place] >= NEAR:
            break
        far = (
            "it is the first"
            if likeness[place] < 0
            else f"its cosine to all before it is at most {likeness[place]:.2f}"
        )
        found.append((looked_at["sample_id"][place], far))
        likeness = np.maximum(likeness, vectors @ vectors[place])
        likeness[place] = 2.0
    return found


def _vectors(samples: pl.DataFrame) -> npt.NDArray[np.float64]:
    """(samples, `DIMENSIONS`) the words of each prompt, hashed into signed buckets, of length one."""
    found = np.zeros((samples.height, DIMENSIONS))
    for row, messages in zip(found, samples["messages"].to_list(), strict=True):
        for word, count in Counter(_words(prompt_text(messages))).items():
            code = zlib.crc32(word.encode())
            row[code % DIMENSIONS] += (1 if code & 0x80000000 else -1) * math.sqrt(count)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    unit: npt.NDArray[np.float64] = (found / np.where(lengths == 0, 1, lengths)).round(12)
    return unit


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
