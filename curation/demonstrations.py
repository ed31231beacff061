"""What people wrote, as answers to train on: the prompt, and the text that somebody wrote, or mended a draft to.

Demonstrations cannot go into `instructions` as they come: people are asked about drafts of a model that was trained on
these, so the graph would be a circle. They are a release of their own; one that a person names (`demonstrations:` in
headwater.yaml) gives its texts as references to the samples that have none, and a release never changes.
"""

from __future__ import annotations

import polars as pl

from curation.release_kinds import FRAMES
from records import Outcome


def demonstrations(samples: pl.DataFrame, labels: pl.DataFrame) -> Outcome:
    """One row (`FRAMES["demonstrations"]`) per sample that somebody wrote an answer to, on the side of the split where the sample is.

    `labels` has one row per task: sample_id, task_digest, kind, value (the text; null where nobody could answer), output_a and
    model_a (the draft, null where there was none). Of several tasks of a sample the first by task_digest counts, which is a
    draw. Books, in tasks of the kind `demonstration`, by the first rule that applies: sample is gone, nobody could answer,
    another text of its sample is taken.
    """
    asked = labels.filter(kind="demonstration").sort("sample_id", "task_digest")
    known = samples.select("sample_id", "messages", "slice", "split")
    tasks = asked.join(known, on="sample_id", how="left", maintain_order="left").with_columns(dropped=_reason())
    written = tasks.filter(pl.col("dropped").is_null())
    kept = written.unique("sample_id", keep="first", maintain_order=True)
    counts = dict(tasks["dropped"].drop_nulls().value_counts(name="count").sort("dropped").iter_rows())
    counts["another text of its sample is taken"] = written.height - kept.height
    is_draft = pl.col("value").str.strip_chars() == pl.col("output_a").str.strip_chars()
    rows = kept.with_columns(reference="value", draft_model="model_a", edited=is_draft.fill_null(value=False).not_())
    return Outcome(
        rows.select(FRAMES["demonstrations"]), dropped={reason: count for reason, count in counts.items() if count}
    )


def _reason() -> pl.Expr:
    """Why a task gives no text; null where it does."""
    gone, silent = pl.lit("sample is gone"), pl.lit("nobody could answer")
    return pl.when(pl.col("messages").is_null()).then(gone).when(pl.col("value").is_null()).then(silent)


def with_references(samples: pl.DataFrame, written: pl.DataFrame) -> pl.DataFrame:
    """The samples, with a text of `written` (sample_id, reference) as the reference of those open ones that have none."""
    texts = written.select("sample_id", _written="reference")
    told = samples.join(texts, on="sample_id", how="left", maintain_order="left")
    is_open = pl.col("openness") == "open"
    reference = pl.coalesce("reference", pl.when(is_open).then("_written"))
    return told.with_columns(reference=reference).select(samples.columns)
