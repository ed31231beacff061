"""What the page shows, gathered: the funnel, the rules with their overlaps, the signals, the marks, copies and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from curation.blocks import BLOCK_ROWS, parts_of
from curation.funnel.copies import Copies, copies
from curation.funnel.examples import Example, examples, failed_examples
from curation.funnel.overlaps import Overlaps, overlaps
from curation.funnel.signals import Signal, signals
from curation.funnel.steps import funnel
from curation.rules import Rule
from curation.spans import spans_by_content

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

MARKS = pl.Schema({"table": pl.String, "kind": pl.String, "contents": pl.UInt32, "spans": pl.UInt32, "bytes": pl.Int64})
"""What evidence marks within texts, by table and kind."""


@dataclass(frozen=True)
class FunnelSettings:
    """How many examples the curation report has."""

    # Random documents for each rule, and texts with the most copies.
    examples: int = 10
    # Characters of each that are shown.
    characters: int = 500
    # Draws other examples.
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be shown."""
        if self.examples < 0 or self.characters < 0:
            raise ValueError("funnel: give no negative number of examples or characters")


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows."""

    table: pl.DataFrame
    """`curation.funnel.steps.FUNNEL`"""
    rules: tuple[Rule, ...]
    overlaps: Overlaps
    signals: Sequence[Signal]
    marks: pl.DataFrame
    """`MARKS`"""
    copies: Copies
    examples: Mapping[str, list[Example]]
    unread: Mapping[str, list[tuple[str, str]]]
    """For each error of reading, some places with what would mend them."""


def report(
    documents: Frame,
    failures: Frame,
    duplicates: Frame,
    verdicts: Frame,
    corpus: Frame,
    evidence: Mapping[str, Frame | None],
    rules: Sequence[Rule],
    source_order: Sequence[str],
    settings: FunnelSettings,
) -> Report:
    """The report on these tables; `evidence` has those of contents (content_digest) that there are, by name."""
    most, seed = settings.examples, settings.seed
    return Report(
        funnel(documents, failures, verdicts, corpus, evidence, rules, source_order),
        tuple(rules),
        overlaps(verdicts),
        signals(evidence, rules),
        _marks(evidence),
        copies(documents, duplicates, evidence.get("personal_data"), source_order, most, settings.characters),
        examples(documents, verdicts, duplicates, evidence, rules, most, settings.characters, seed) if most else {},
        failed_examples(failures, most, seed) if most else {},
    )


def _marks(evidence: Mapping[str, Frame | None]) -> pl.DataFrame:
    found = [MARKS.to_frame()]
    for name, table in evidence.items():
        if table is not None and "spans" in table.lazy().collect_schema():
            size = pl.col("end").cast(pl.Int64) - pl.col("start")
            counts = {"contents": pl.col("content_digest").n_unique(), "spans": pl.len(), "bytes": size.sum()}
            rows = parts_of(table.lazy().select("content_digest", "spans"), BLOCK_ROWS)
            parts = [spans_by_content(some).group_by("kind").agg(**counts).collect() for some in rows]
            counted = pl.concat(parts).group_by("kind").sum() if parts else MARKS.to_frame().drop("table")
            told = counted.with_columns(table=pl.lit(name)).select(MARKS.names())
            found.append(told.sort("spans", "kind", descending=[True, False]).cast(MARKS))
    return pl.concat(found)
