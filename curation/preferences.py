"""What people prefer, as pairs to tune on: the prompt, the answer they chose, and the one they rejected.

Only a preference makes a pair. Ties, and tasks on which the annotators are split, teach nothing to DPO (Rafailov et al.,
2023, whose loss knows a winner and a loser), so they stay in the books and not in the release.
"""

from __future__ import annotations

import polars as pl

from curation.releases import PREFERENCES
from records import Outcome

ANSWERED = ("submitted", "withdrawn")
"""Statuses of answers that count: one whose task is no longer asked is still what a person prefers."""


def preferences(samples: pl.DataFrame, annotations: pl.DataFrame) -> Outcome:
    """One row (columns `PREFERENCES`) per task on which more annotators prefer one output than the other.

    `annotations` has sample_id, task_digest, annotator, ordinal, kind, value (`a` and `b` are preferences, all others
    none), status, output_a, output_b, model_a, model_b. Of an annotator's answers to one task the last one counts.
    Books, in tasks of the kind `preference`, by the first rule that applies: no answer that counts, sample is gone,
    no preference, annotators disagree, equal outputs.
    """
    asked = annotations.filter(kind="preference")
    counted = asked.filter(pl.col("status").is_in(ANSWERED) & pl.col("value").is_not_null())
    last = counted.sort("ordinal").unique(["task_digest", "annotator"], keep="last")
    shown = [pl.col(name).first() for name in ("output_a", "output_b", "model_a", "model_b")]
    votes = [(pl.col("value") == value).sum().alias(value) for value in ("a", "b")]
    tasks = (
        asked.select("task_digest", "sample_id")
        .unique("task_digest")
        .join(last.group_by("task_digest").agg(*shown, *votes), on="task_digest", how="left")
        .join(samples.select("sample_id", "messages", "slice", "split"), on="sample_id", how="left")
        .with_columns(dropped=_reason())
    )
    kept = _pairs(tasks.filter(pl.col("dropped").is_null()))
    counts = tasks["dropped"].drop_nulls().value_counts(name="count").sort("count", "dropped", descending=[True, False])
    return Outcome(kept, dropped=dict(counts.iter_rows()))


def _reason() -> pl.Expr:
    """Why a task makes no pair; null where it does."""
    return (
        pl.when(pl.col("a").is_null())
        .then(pl.lit("no answer that counts"))
        .when(pl.col("messages").is_null())
        .then(pl.lit("sample is gone"))
        .when((pl.col("a") == 0) & (pl.col("b") == 0))
        .then(pl.lit("no preference"))
        .when(pl.col("a") == pl.col("b"))
        .then(pl.lit("annotators disagree"))
        .when(pl.col("output_a") == pl.col("output_b"))
        .then(pl.lit("equal outputs"))
    )


def _pairs(tasks: pl.DataFrame) -> pl.DataFrame:
    """The tasks as pairs, the preferred output as `chosen`."""
    is_first = pl.col("a") > pl.col("b")
    return (
        tasks.select(
            "sample_id",
            prompt="messages",
            chosen=_turn(pl.when(is_first).then("output_a").otherwise("output_b")),
            rejected=_turn(pl.when(is_first).then("output_b").otherwise("output_a")),
            slice="slice",
            task_digest="task_digest",
            chosen_model=pl.when(is_first).then("model_a").otherwise("model_b"),
            rejected_model=pl.when(is_first).then("model_b").otherwise("model_a"),
            split="split",
        )
        .select(PREFERENCES)
        .sort("sample_id", "task_digest")
    )


def _turn(output: pl.Expr) -> pl.Expr:
    return pl.concat_list(pl.struct(role=pl.lit("assistant"), content=output))
