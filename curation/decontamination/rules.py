"""When a content holds too much of an evaluation item: Tülu 3's half of an item, or GPT-3's run of 13 words.

Half of an item is the default: a run of 13 words also stands in quotations, licences and sayings, and GPT-3's authors
found that by it most of what they took for contaminated was not (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from curation.decontamination.settings import DecontaminationSettings, HeldOutSettings
from curation.rules import Rule


@dataclass(frozen=True)
class ContaminationRules:
    """The thresholds."""

    # More than this share of an evaluation item's words.
    max_share: float = 0.5
    # A longer run of words than this that is the same as in an item; null: no limit.
    max_run: int | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules on the table `contamination`."""
        share = Rule("contamination.max_share", "contamination", "share", ">", self.max_share)
        if self.max_run is None:
            return (share,)
        return (share, Rule("contamination.max_run", "contamination", "longest_run", ">", self.max_run))


def contaminated(settings: DecontaminationSettings | HeldOutSettings) -> pl.Expr:
    """Whether a row with `share` and `longest_run` is over the limits."""
    over = pl.col("share") > settings.max_share
    return over if settings.max_run is None else over | (pl.col("longest_run") > settings.max_run)


def cuts(evidence: pl.LazyFrame, settings: DecontaminationSettings) -> pl.LazyFrame:
    """The evidence with the spans of contents that are over the limits; those of others are none.

    What could not be measured keeps its null.
    """
    kept = pl.col("spans").list.head(pl.when(contaminated(settings)).then(pl.col("spans").list.len()).otherwise(0))
    return evidence.with_columns(spans=kept)
