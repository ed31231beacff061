"""Which samples are asked, and what: the same for every contestant, drawn by seed and never by place or order.

A likelihood costs a tenth of an answer, so perplexity is had on more samples than chrF, and the answered ones are among
the weighed ones.
"""

from __future__ import annotations

import polars as pl

from evaluation.checkers import METRIC_OF
from evaluation.options import options_of
from evaluation.prompts import Prompt, render
from evaluation.settings import EvaluationSettings
from records import MESSAGES, digest

QUESTIONS = {
    "sample_id": pl.String(),
    "purpose": pl.String(),
    "prompt": pl.String(),
    "messages": MESSAGES,
    "reference": pl.String(),
    "want": pl.String(),
    "options": pl.Int64(),
}
"""The schema of the questions that `inference.run` reads."""


def drawn(samples: pl.DataFrame, seed: int, limit: int) -> pl.DataFrame:
    """`limit` of the samples (all, if there are fewer), in an order drawn by seed and sample_id."""
    draws = pl.Series("_draw", [digest("draw", str(seed), name) for name in samples["sample_id"]], dtype=pl.String)
    return samples.with_columns(draws).sort("_draw").head(limit).drop("_draw")


def held_out_questions(samples: pl.DataFrame, settings: EvaluationSettings, prompt: Prompt | None) -> pl.DataFrame:
    """What a contestant is asked on the test split (`QUESTIONS`), under a prompt or none."""
    test = samples.filter((pl.col("split") == "test") & pl.col("reference").is_not_null())
    weighed = drawn(test.filter(pl.col("openness") == "open"), settings.seed, max(settings.weighed, settings.answered))
    both = pl.int_range(pl.len()) < settings.answered
    open_ones = weighed.with_columns(want=pl.when(both).then(pl.lit("both")).otherwise(pl.lit("likelihood")))
    closed = drawn(test.filter(pl.col("openness") == "closed"), settings.seed, settings.closed).with_columns(
        want=pl.lit("generate")
    )
    return questions(pl.concat([open_ones, closed]), "test", prompt, prompted(samples))


def served_questions(samples: pl.DataFrame, settings: EvaluationSettings, prompt: Prompt | None) -> pl.DataFrame:
    """What a model behind an endpoint is asked on the test split: to answer what the others answer, for it weighs nothing."""
    return unweighed(held_out_questions(samples, settings, prompt))


def unweighed(asked: pl.DataFrame) -> pl.DataFrame:
    """The questions that want an answer, without what an endpoint cannot give: likelihoods."""
    answers = asked.filter(pl.col("want") != "likelihood")
    return answers.with_columns(want=pl.lit("generate"), options=pl.lit(0, dtype=pl.Int64))


def trial_questions(samples: pl.DataFrame, settings: EvaluationSettings, prompts: list[Prompt]) -> pl.DataFrame:
    """What each prompt is tried on: the same validation samples for all, of those that a prompt is put around."""
    around = prompted(samples)
    validation = samples.filter(
        (pl.col("split") == "validation") & pl.col("reference").is_not_null() & (pl.col("openness") == around)
    )
    chosen = drawn(validation, settings.seed, settings.prompt_samples).with_columns(want=pl.lit("generate"))
    return pl.concat([questions(chosen, "validation", prompt, around) for prompt in prompts])


def open_questions(samples: pl.DataFrame, purpose: str, prompt: Prompt | None) -> pl.DataFrame:
    """An answer is asked of every sample."""
    return questions(samples.with_columns(want=pl.lit("generate")), purpose, prompt)


def prompted(samples: pl.DataFrame) -> str:
    """Which samples a prompt is put around: the open ones, or the closed ones of a task that has no open ones to score.

    Where both are there, the closed ones are a slice beside the task, and each asks for itself.
    """
    scored = samples.filter(pl.col("reference").is_not_null())
    return "closed" if scored.filter(pl.col("openness") == "open").is_empty() and scored.height else "open"


def trial_metric(samples: pl.DataFrame) -> str:
    """By what prompts compete: chrF, or where a prompt is put around closed samples, what most of their checkers give."""
    if prompted(samples) == "open":
        return "chrf"
    named = samples.filter(pl.col("reference").is_not_null() & pl.col("checker").is_in(list(METRIC_OF)))
    checkers = named["checker"].value_counts()
    if checkers.is_empty():
        raise ValueError(f"prompts cannot compete: no closed sample names a checker; there are {', '.join(METRIC_OF)}")
    most: str = checkers.sort(["count", "checker"], descending=[True, False])["checker"][0]
    return METRIC_OF[most]


def questions(samples: pl.DataFrame, purpose: str, prompt: Prompt | None, around: str = "open") -> pl.DataFrame:
    """Samples (with `want`) as questions, those of the openness `around` under a prompt."""
    name = "none" if prompt is None else prompt.name
    rows = []
    columns = ("sample_id", "messages", "reference", "want", "openness", "checker")
    for sample in samples.select(columns).iter_rows(named=True):
        own = prompt if sample["openness"] == around else None
        messages = render(own, sample["messages"])
        options = options_of(messages) if sample["checker"] == "choice" else 0
        rows.append((sample["sample_id"], purpose, name, messages, sample["reference"], sample["want"], options))
    return pl.DataFrame(rows, schema=QUESTIONS, orient="row")
