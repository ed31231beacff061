"""What each contestant costs: an answer, a million tokens, its training, people's time; and from how many answers on it pays.

Everything is an amount of something measured times a price from the settings: seconds of the answers and of the training
by the price of a machine's hour, minutes of people by the price of theirs, tokens of an endpoint by its price per million.
The price of an answer is that of the batches in which answers were made.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

COSTS = {
    "model": pl.String(),
    "answers": pl.Int64(),
    "seconds": pl.Float64(),
    "seconds_95": pl.Float64(),
    "tokens": pl.Float64(),
    "per_answer": pl.Float64(),
    "per_million_tokens": pl.Float64(),
    "training_seconds": pl.Float64(),
    "training": pl.Float64(),
    "annotation_minutes": pl.Float64(),
    "annotation": pl.Float64(),
    "break_even": pl.Int64(),
    "against": pl.String(),
}
"""The schema of costs. `seconds` of an answer are the mean and the 95th percentile, `tokens` those read and written for one.
`break_even` is the number of answers from which on what was spent before is earned by what an answer costs less than one of
`against`; null where it never is."""


@dataclass(frozen=True)
class PriceSettings:
    """What things cost, in any one currency."""

    # an hour of the machine that answers and trains
    machine_hour: float = 1.0
    # an hour of a person who labels
    person_hour: float = 30.0
    # what a finetune must bring to be worth it, in hundredths of the metric's range
    worthwhile: float = 5.0
    # a million tokens of an endpoint, read or written, by the endpoint's name
    million_tokens: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Spent:
    """What was spent on a model before it answered: seconds of training, minutes of people."""

    training_seconds: float = 0.0
    annotation_minutes: float = 0.0


def minutes_of(learned: pl.DataFrame, samples: pl.DataFrame, written: pl.DataFrame, answers: pl.DataFrame) -> float:
    """The minutes that people spent on the texts that a model learned from, everybody's who had such a task.

    `learned` (sample_id) was trained on; of the texts that people wrote (`written`: sample_id, reference) those count that stand
    in `samples` (sample_id, reference) as references; `answers` are annotations (sample_id, kind, lead_time in seconds).
    """
    theirs = samples.join(written, on=("sample_id", "reference"), how="semi").join(learned, on="sample_id", how="semi")
    spent = answers.filter(kind="demonstration").join(theirs, on="sample_id", how="semi")
    return float(spent["lead_time"].fill_null(0).sum()) / 60


def costs(
    contestants: Mapping[str, pl.DataFrame], spent: Mapping[str, Spent], prices: PriceSettings, against: str
) -> pl.DataFrame:
    """A row per contestant (COSTS), in their order; the break-even is against the contestant of that name."""
    rows = [_cost(name, outputs, spent.get(name, Spent()), prices) for name, outputs in contestants.items()]
    rival = next((row["per_answer"] for row in rows if row["model"] == against), None)
    return pl.DataFrame([row | _break_even(row, rival, against) for row in rows], schema=COSTS)


def _cost(name: str, outputs: pl.DataFrame, spent: Spent, prices: PriceSettings) -> dict[str, object]:
    answers = outputs.filter(pl.col("output").is_not_null() & (pl.col("purpose") == "test"))
    seconds = _number(answers["seconds"].mean())
    tokens = _number(answers.select((pl.col("prompt_tokens") + pl.col("output_tokens")).mean()).item())
    million = prices.million_tokens.get(name)
    if million is not None:
        per_answer = None if tokens is None else tokens * million / 1e6
    else:
        per_answer = None if seconds is None else seconds * prices.machine_hour / 3600
    return {
        "model": name,
        "answers": answers.height,
        "seconds": seconds,
        "seconds_95": _number(answers["seconds"].quantile(0.95)),
        "tokens": tokens,
        "per_answer": per_answer,
        "per_million_tokens": per_answer / tokens * 1e6 if per_answer is not None and tokens else None,
        "training_seconds": spent.training_seconds,
        "training": spent.training_seconds * prices.machine_hour / 3600,
        "annotation_minutes": spent.annotation_minutes,
        "annotation": spent.annotation_minutes * prices.person_hour / 60,
    }


def _break_even(row: Mapping[str, object], rival: object, against: str) -> dict[str, object]:
    own, before = row["per_answer"], float(row["training"]) + float(row["annotation"])  # type: ignore[arg-type]
    if row["model"] == against or not isinstance(own, float) or not isinstance(rival, float) or own >= rival:
        return {"break_even": None, "against": against}
    return {"break_even": math.ceil(round(before / (rival - own), 6)), "against": against}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None
