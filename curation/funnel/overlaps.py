"""Which rules fail the same documents: what a rule drops that no other would, and what two drop together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import polars as pl

from curation.blocks import BLOCK_ROWS, parts_of

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame


class Overlaps(NamedTuple):
    """Documents by the rules that they fail: each rule's, those that it decided on, those that it alone fails, and pairs'.

    `together` has both orders of a pair.
    """

    fails: Mapping[str, int]
    decides: Mapping[str, int]
    alone: Mapping[str, int]
    together: Mapping[tuple[str, str], int]


def overlaps(verdicts: Frame) -> Overlaps:
    """Count `verdicts` (rule, rules). Each combination of rules that occurs is looked at once."""
    combinations, decides = Counter[str](), Counter[str]()
    for piece in parts_of(verdicts.lazy().select("rule", "rules"), BLOCK_ROWS):
        failing = piece.filter(pl.col("rules").list.len() > 0)["rules"].list.join("\n")
        combinations.update(dict(failing.value_counts().iter_rows()))
        decides.update(dict(piece["rule"].drop_nulls().value_counts().iter_rows()))
    fails: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for said, count in sorted(combinations.items()):
        names = said.split("\n")
        fails.update(dict.fromkeys(names, count))
        together.update({(one, other): count for one in names for other in names if one != other})
        if len(names) == 1:
            alone[names[0]] += count
    return Overlaps(fails, dict(sorted(decides.items())), alone, together)
