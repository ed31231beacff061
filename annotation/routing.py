"""Which samples cost a person's time, and what each person is shown.

Only open-ended samples without a reference are asked: a closed-ended one has a check, and needs nobody. Within the
budget samples are drawn at random, so that what people say of them holds for all of them; the draw orders samples by a
hash of seed and sample, so it is the same in any order of rows, and a new sample shifts few of the others. Which model
stands left is drawn per sample too: annotators favour a side, and over random sides that evens out.
"""

from __future__ import annotations

import json

import polars as pl

import records
from annotation.settings import RoutingSettings

TASK_SCHEMA = {
    "task_digest": pl.String,
    "sample_id": pl.String,
    "project": pl.String,
    "prompt_text": pl.String,
    "output_a": pl.String,
    "output_b": pl.String,
    "model_a": pl.String,
    "model_b": pl.String,
}
"""The columns of `annotation_tasks`; `task_digest` is the primary key and covers all the others."""


def choose_samples(samples: pl.DataFrame, settings: RoutingSettings) -> pl.DataFrame:
    """The samples worth drafting for people: `budget` and `spare` of the open ones without a reference, in the drawn order.

    `samples` needs sample_id, openness and reference; all columns are kept.
    """
    waiting = samples.filter((pl.col("openness") == "open") & pl.col("reference").is_null()).unique(
        "sample_id", keep="any"
    )
    return _in_drawn_order(waiting, settings.seed).head(max(0, settings.budget + settings.spare))


def preference_tasks(
    samples: pl.DataFrame,
    drafts_a: pl.DataFrame,
    drafts_b: pl.DataFrame,
    settings: RoutingSettings,
    project: str = "preference",
    models: tuple[str, str] = ("base", "finetune"),
) -> records.Outcome:
    """The tasks that ask which of two drafts is better (`TASK_SCHEMA`), one per chosen sample, `budget` at most.

    `samples` as `choose_samples` gives them (sample_id, messages); the drafts have sample_id and output, and come from
    `models`, in this order. In = kept + dropped + failed counts samples: dropped are those whose drafts are equal (white
    space aside) and those beyond the budget; failed those that lack a draft.
    """
    pairs = (
        _in_drawn_order(samples.select("sample_id", "messages"), settings.seed)
        .join(_outputs(drafts_a, "first"), on="sample_id", how="left", maintain_order="left")
        .join(_outputs(drafts_b, "second"), on="sample_id", how="left", maintain_order="left")
    )
    drafted = pairs.drop_nulls(["first", "second"])
    differing = drafted.filter(pl.col("first").str.strip_chars() != pl.col("second").str.strip_chars())
    rows = [
        _task(row, settings.seed, project, models)
        for row in differing.head(max(0, settings.budget)).iter_rows(named=True)
    ]
    dropped = {
        "the two drafts are the same": drafted.height - differing.height,
        "beyond the budget": differing.height - len(rows),
    }
    failed = {"a draft is missing": pairs.height - drafted.height}
    return records.Outcome(
        pl.DataFrame(rows, schema=TASK_SCHEMA),
        dropped={reason: count for reason, count in dropped.items() if count},
        failed={reason: count for reason, count in failed.items() if count},
    )


def prompt_text(messages: list[records.Message]) -> str:
    """A chat as a person reads it: the last question alone, or each turn under its speaker's name."""
    shown = [message for message in messages if message["role"] != "system"] or messages
    if len(shown) == 1:
        return shown[0]["content"]
    return "\n\n".join(f"{message['role'].capitalize()}:\n{message['content']}" for message in shown)


def _in_drawn_order(samples: pl.DataFrame, seed: int) -> pl.DataFrame:
    draws = [records.digest("routing", str(seed), sample) for sample in samples["sample_id"]]
    return samples.with_columns(pl.Series("_draw", draws, dtype=pl.String)).sort("_draw").drop("_draw")


def _outputs(drafts: pl.DataFrame, name: str) -> pl.DataFrame:
    return drafts.select("sample_id", pl.col("output").alias(name)).unique(
        "sample_id", keep="first", maintain_order=True
    )


def _task(row: dict[str, object], seed: int, project: str, models: tuple[str, str]) -> dict[str, str]:
    """One task; a bit of the sample's hash decides which model stands left."""
    sample, drafts = str(row["sample_id"]), [(models[0], str(row["first"])), (models[1], str(row["second"]))]
    if int(records.digest("position", str(seed), sample), 16) & 1:
        drafts.reverse()
    (model_a, output_a), (model_b, output_b) = drafts
    text = prompt_text(row["messages"])  # type: ignore[arg-type]
    shown = {"sample_id": sample, "project": project, "prompt_text": text, "output_a": output_a, "output_b": output_b}
    task = shown | {"model_a": model_a, "model_b": model_b}
    return {"task_digest": records.digest("task", json.dumps(task, sort_keys=True))} | task
