"""What people prefer, as pairs to tune on: the prompt, the answer they chose, and the one they rejected.

Only a preference makes a pair. Ties, and tasks on which people disagree and nobody has decided, teach nothing to DPO
(Rafailov et al., 2023, whose loss knows a winner and a loser), so they stay in the books and not in the release.
"""

from __future__ import annotations

import polars as pl

from curation.releases import PREFERENCES
from records import Outcome


def preferences(samples: pl.DataFrame, labels: pl.DataFrame) -> Outcome:
    """One row (columns `PREFERENCES`) per task whose label prefers one output.

    `labels` has one row per task: sample_id, task_digest, kind, value (`a` and `b` are preferences, all others none), how
    (`disputed` waits for a decision), output_a, output_b, model_a, model_b. Books, in tasks of the kind `preference`, by
    the first rule that applies: sample is gone, waits for adjudication, no preference, equal outputs.
    """
    asked = labels.filter(kind="preference")
    known = samples.select("sample_id", "messages", "slice", "split")
    tasks = asked.join(known, on="sample_id", how="left").with_columns(dropped=_reason())
    kept = _pairs(tasks.filter(pl.col("dropped").is_null()))
    counts = tasks["dropped"].drop_nulls().value_counts(name="count").sort("count", "dropped", descending=[True, False])
    return Outcome(kept, dropped=dict(counts.iter_rows()))


def _reason() -> pl.Expr:
    """Why a task makes no pair; null where it does."""
    return (
        pl.when(pl.col("messages").is_null())
        .then(pl.lit("sample is gone"))
        .when(pl.col("how") == "disputed")
        .then(pl.lit("waits for adjudication"))
        .when(pl.col("value").is_null() | ~pl.col("value").is_in(["a", "b"]))
        .then(pl.lit("no preference"))
        .when(pl.col("output_a") == pl.col("output_b"))
        .then(pl.lit("equal outputs"))
    )


def _pairs(tasks: pl.DataFrame) -> pl.DataFrame:
    """The tasks as pairs, the preferred output as `chosen`."""
    is_first = pl.col("value") == "a"
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
