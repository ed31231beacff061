"""Which rules fail the same documents: what a rule drops that no other would, and what two drop together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import polars as pl

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
    failing = verdicts.lazy().filter(pl.col("rules").list.len() > 0)
    combinations = failing.group_by(pl.col("rules").list.join("\n").alias("rules")).len().sort("rules").collect()
    fails: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    together: Counter[tuple[str, str]] = Counter()
    for said, count in combinations.iter_rows():
        names = said.split("\n")
        fails.update(dict.fromkeys(names, count))
        together.update({(one, other): count for one in names for other in names if one != other})
        if len(names) == 1:
            alone[names[0]] += count
    decided = verdicts.lazy().filter(pl.col("rule").is_not_null()).group_by("rule").len().sort("rule").collect()
    return Overlaps(fails, dict(decided.iter_rows()), alone, together)
