"""Scores of contestants on the same samples, paired tests between them, and what people preferred.

A contestant is a model as it is asked: a base under a prompt, or a finetune. Each score is over the samples that the
contestant answered; each comparison is paired, over those that both did, which is what makes small differences visible
(Miller 2024, section 4). Prompts compete on validation; the test split is scored once, with the winner.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from types import MappingProxyType
from typing import Literal

import polars as pl

from evaluation.comparisons import DIGITS, by_metric, clusters, compare, compare_slices, estimated, fields
from evaluation.metrics import METRICS, Vectors, faulty_references, sample_metrics
from evaluation.statistics import BootstrapSettings, Estimate, mean_interval
from evaluation.unit_tests import Runner
from proportions import wilson
from records import Outcome

SCORES = {
    "model": pl.String(),
    "model_version": pl.String(),
    "prompt": pl.String(),
    "dataset_version": pl.String(),
    "split": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "overlapping": pl.Int64(),
    "contaminated": pl.Int64(),
    "in_corpus": pl.Int64(),
}
"""The schema of scores. `low` and `high` are null where n is 1. Of the n samples, `overlapping` counts those of which some
part was found in what the model was finetuned on, `contaminated` those of which too much was; null where that is not
known, as of a base. `in_corpus` counts those of which too much stands in documents that no held-out sample is from: what a
model trained on such text may have seen."""

SAMPLE_SCORES = {
    "sample_id": pl.String(),
    "model": pl.String(),
    "prompt": pl.String(),
    "split": pl.String(),
    "metric": pl.String(),
    "value": pl.Float64(),
    "weight": pl.Float64(),
    "error": pl.String(),
}
"""The schema of sample scores, of which the scores are made. `error` says why there is no value: the sample's reference is
none for its checker (`metric` is then the checker's name), or the check of this answer failed."""

CHOICES = {
    "prompt": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "chosen": pl.Boolean(),
}
"""The schema of `choose_prompt`."""

WINS = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5}
"""What an answer gives to the model that stood as a."""

LEVELS = {
    "model": pl.String(),
    "criterion": pl.String(),
    "task_digest": pl.String(),
    "sample_id": pl.String(),
    "level": pl.Float64(),
}

ANSWERED = ("submitted", "withdrawn")
"""Statuses of answers that count: one whose task is no longer asked is still what a person prefers."""


def score_contestants(
    contestants: Mapping[str, pl.DataFrame],
    samples: pl.DataFrame,
    dataset_version: str,
    settings: BootstrapSettings,
    split: Literal["test", "validation"] = "test",
    seen: Mapping[str, pl.DataFrame] = MappingProxyType({}),
    vectors: Vectors | None = None,
    run_tests: Runner | None = None,
    in_corpus: pl.DataFrame | None = None,
) -> Outcome:
    """Scores (SCORES) of contestants by name; under `others` what each sample gave (SAMPLE_SCORES), comparisons of every two
    (COMPARISONS), and those per slice (SLICES).

    A contestant's rows are `inference.OUTPUTS` with `model_version`; those whose purpose is `split` count. In the order
    given a comparison's `model_a` stands before its `model_b`. `seen` has, by contestant, the samples that were found in
    what it was finetuned on (sample_id, contaminated), `in_corpus` those that stand in other documents (sample_id). The books
    count samples of `samples`: kept are scored for every contestant, failed have an error or no row from one of them, or a
    reference that their checker cannot use; dropped nobody was asked. `vectors` are embeddings of answers and references,
    for `similarity`; `run_tests` runs answers against unit tests.
    """
    rows = {name: outputs.filter(pl.col("purpose") == split) for name, outputs in contestants.items()}
    faulty = faulty_references(samples, run_tests is not None)
    values = {name: sample_metrics(outputs, samples, vectors, run_tests) for name, outputs in rows.items()}
    found = {name: by_metric(each, samples) for name, each in values.items()}
    scores = [
        score
        for name, outputs in rows.items()
        for score in _scores(name, outputs, found[name], dataset_version, split, settings, seen.get(name), in_corpus)
    ]
    others = {
        "sample_scores": _sample_scores(rows, values, faulty, split),
        "comparisons": compare(found, split, settings),
        "slices": compare_slices(found, samples, split, settings),
    }
    kept, dropped, failed = _books({name: _marked(rows[name], values[name]) for name in rows}, samples, faulty)
    return Outcome(_table(scores, SCORES), kept, dropped, failed, others)


def choose_prompt(
    outputs: pl.DataFrame,
    samples: pl.DataFrame,
    settings: BootstrapSettings,
    metric: str = "chrf",
    run_tests: Runner | None = None,
) -> Outcome:
    """The prompts (CHOICES) by their score on the samples that were answered under all of them; the best is `chosen`.

    `outputs` are one model's answers under several prompts. Ties go to the first name. The books count prompts; a note
    counts the answers that could not be compared.

    Raises:
        ValueError: no sample was answered under every prompt.
    """
    if metric not in METRICS:
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}")
    values = (
        sample_metrics(outputs, samples, run_tests=run_tests).filter(pl.col("metric") == metric).drop_nulls("value")
    )
    values = values.join(samples.select("sample_id", "group"), on="sample_id").sort("sample_id")
    prompts = sorted(outputs["prompt"].unique())
    complete = values.group_by("sample_id").len().filter(pl.col("len") == len(prompts))
    if complete.is_empty():
        raise ValueError(f"no sample has {metric} under all of the prompts {', '.join(prompts)}: nothing to choose by")
    shared = values.join(complete, on="sample_id", how="semi")
    rows = [
        {"prompt": prompt} | fields(_estimate(shared.filter(prompt=prompt), metric, settings)) for prompt in prompts
    ]
    sign = -1 if METRICS[metric].higher_is_better else 1
    best = min(rows, key=lambda row: (sign * row["value"], row["prompt"]))
    table = _table([row | {"chosen": row is best} for row in rows], CHOICES)
    return Outcome(table, notes={"metric": metric, "answers not compared": outputs.height - shared.height})


def scored(annotations: pl.DataFrame, kind: str) -> pl.DataFrame:
    """The answers of a kind (`preference` or `rating`) that stand in scores: of each annotator, the last one to each task that
    says something of models whose names are known. `annotations` are those of `human_win_rate`."""
    says = pl.col("value").is_in(list(WINS)) if kind == "preference" else pl.col("value").str.starts_with("{")
    given = annotations.filter(pl.col("status").is_in(ANSWERED), pl.col("kind") == kind, says)
    shown = given.drop_nulls(["model_a", "model_b"] if kind == "preference" else ["model_a"])
    return shown.sort("ordinal").unique(["task_digest", "annotator"], keep="last", maintain_order=True)


def human_win_rate(
    annotations: pl.DataFrame,
    dataset_version: str | None = None,
    confidence: float = 0.95,
    in_corpus: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """How often people prefer each model over its rivals, as rows of SCORES (split "people", metric "human_win_rate").

    `annotations` has sample_id, task_digest, annotator, ordinal, kind, value, status, model_a, model_b. Of an annotator's
    answers to a task the last counts; `tie` and `both_bad` are half a win for each, `cannot_answer` says nothing. Several
    people's answers to one task are one opinion (their mean), so n counts tasks, and Wilson's interval is over those.
    `in_corpus` is as in `score_contestants`.
    """
    last = scored(annotations, "preference")
    won = last.with_columns(a=pl.col("value").replace_strict(WINS, return_dtype=pl.Float64))
    sides = [
        won.select("task_digest", "sample_id", model="model_a", win="a"),
        won.select("task_digest", "sample_id", model="model_b", win=1 - pl.col("a")),
    ]
    tasks = pl.concat(sides).group_by("model", "task_digest", "sample_id").agg(pl.col("win").mean())
    about = {"dataset_version": dataset_version, "split": "people", "metric": "human_win_rate"}
    rows = [
        about
        | {"model": model, "in_corpus": _among(own, in_corpus)}
        | _wilson_fields(float(own.select("win").mean().item()), own.height, confidence)
        for (model,), own in tasks.sort("task_digest").group_by("model", maintain_order=True)
    ]
    return _table(sorted(rows, key=itemgetter("model")), SCORES)


def human_ratings(
    annotations: pl.DataFrame,
    settings: BootstrapSettings,
    dataset_version: str | None = None,
    in_corpus: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The mean level that people gave each model by each criterion, as rows of SCORES (split "people", metric "human_rating NAME").

    `annotations` are those of `human_win_rate`; of a rating `value` has levels by criterion as JSON. Answers count as they do
    there: each person's last to a task, and the mean of several people as one.
    """
    last = scored(annotations, "rating")
    rows = [
        (model, criterion, task, sample, float(level))
        for model, task, sample, value in last.select("model_a", "task_digest", "sample_id", "value").iter_rows()
        for criterion, level in json.loads(value).items()
    ]
    levels = pl.DataFrame(rows, schema=LEVELS, orient="row")
    tasks = levels.group_by("model", "criterion", "task_digest", "sample_id").agg(pl.col("level").mean())
    about = {"dataset_version": dataset_version, "split": "people"}
    return _table(
        [
            about
            | {"model": model, "metric": f"human_rating {criterion}", "in_corpus": _among(own, in_corpus)}
            | fields(mean_interval(own["level"].to_numpy(), settings=settings))
            for (model, criterion), own in tasks.sort("model", "criterion", "task_digest").group_by(
                "model", "criterion", maintain_order=True
            )
        ],
        SCORES,
    )


def _wilson_fields(share: float, n: int, confidence: float) -> dict[str, object]:
    return fields(Estimate(share, *wilson(share, n, confidence), n))


def _scores(
    name: str,
    outputs: pl.DataFrame,
    found: Mapping[str, pl.DataFrame],
    dataset_version: str,
    split: str,
    settings: BootstrapSettings,
    seen: pl.DataFrame | None,
    in_corpus: pl.DataFrame | None,
) -> Iterator[dict[str, object]]:
    if found:
        about = {
            "model": name,
            "model_version": _only(outputs, "model_version", name),
            "prompt": _only(outputs, "prompt", name) or "none",
            "dataset_version": dataset_version,
            "split": split,
        }
        for metric, values in found.items():
            known = _seen(values, seen) | {"in_corpus": _among(values, in_corpus)}
            yield about | {"metric": metric} | fields(_estimate(values, metric, settings)) | known


def _seen(values: pl.DataFrame, seen: pl.DataFrame | None) -> dict[str, int | None]:
    """How many of the scored samples were found in what the model was finetuned on, and of how many too much."""
    if seen is None:
        return {"overlapping": None, "contaminated": None}
    found = seen.join(values.select("sample_id"), on="sample_id", how="semi")
    return {"overlapping": found.height, "contaminated": int(found["contaminated"].sum())}


def _among(asked: pl.DataFrame, found: pl.DataFrame | None) -> int | None:
    """How many rows of `asked` are of a sample that was found; null where nobody looked."""
    return None if found is None else asked.join(found, on="sample_id", how="semi").height


def _only(outputs: pl.DataFrame, column: str, name: str) -> str | None:
    """The one value that a contestant's rows have in a column."""
    values = outputs[column].unique().to_list()
    if len(values) != 1:
        raise ValueError(f"contestant {name!r} has answers of several {column}s; give each a name of its own")
    return None if values[0] is None else str(values[0])


def _estimate(values: pl.DataFrame, metric: str, settings: BootstrapSettings) -> Estimate:
    """The score and its bootstrap interval; Wilson's where all samples agree, for then a bootstrap would claim certainty."""
    numbers, weights, drawn_together = (
        values["value"].to_numpy(),
        values["weight"].to_numpy(),
        clusters(values, settings),
    )
    found = mean_interval(numbers, weights, drawn_together, METRICS[metric].transform, settings)
    return estimated(numbers, found, metric, settings.confidence)


def _sample_scores(
    rows: Mapping[str, pl.DataFrame], values: Mapping[str, pl.DataFrame], faulty: pl.DataFrame, split: str
) -> pl.DataFrame:
    """What each sample gave for each contestant, and of those with a faulty reference why they gave nothing."""
    parts = [pl.DataFrame(schema=SAMPLE_SCORES)]
    for name, outputs in rows.items():
        about = {"model": pl.lit(name), "split": pl.lit(split)}
        fine = values[name].with_columns(**about)
        wrong = outputs.join(faulty.rename({"error": "fault"}), on="sample_id", how="inner").with_columns(
            **about,
            metric=pl.col("checker"),
            value=pl.lit(None, dtype=pl.Float64),
            weight=pl.lit(None, dtype=pl.Float64),
        )
        parts += [
            fine.select(SAMPLE_SCORES.keys()),
            wrong.drop("error").rename({"fault": "error"}).select(SAMPLE_SCORES.keys()),
        ]
    return pl.concat(parts).with_columns(pl.col("prompt").fill_null("none"), pl.col("value").round(DIGITS))


def _marked(outputs: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """A contestant's answers, those whose check failed with the error of that."""
    faults = values.drop_nulls("error").select("sample_id", fault="error").unique("sample_id")
    return outputs.join(faults, on="sample_id", how="left").with_columns(error=pl.coalesce("error", "fault"))


def _books(
    rows: Mapping[str, pl.DataFrame], samples: pl.DataFrame, faulty: pl.DataFrame
) -> tuple[int, dict[str, int], dict[str, int]]:
    """Kept, dropped and failed samples; a sample that failed twice counts once, for the first contestant."""
    asked = pl.concat([outputs.select("sample_id") for outputs in rows.values()]).unique() if rows else samples.clear()
    named = samples.select("sample_id").join(asked.select("sample_id"), on="sample_id", how="semi")
    wrong = faulty.join(named, on="sample_id", how="semi")
    left = named.join(wrong, on="sample_id", how="anti")
    failed = {
        f"the reference is none for the checker {checker}": count
        for checker, count in wrong["checker"].value_counts().sort("checker").rows()
    }
    for name, outputs in rows.items():
        good = outputs.filter(pl.col("error").is_null())
        errors = left.join(good, on="sample_id", how="anti").join(outputs, on="sample_id", how="left")
        for reason, count in (
            errors.select(pl.col("error").fill_null("not asked")).to_series().value_counts(sort=True).rows()
        ):
            failed[f"{name}: {reason}"] = count
        left = left.join(good, on="sample_id", how="semi")
    unasked = samples.height - named.height
    return left.height, {"nobody was asked": unasked} if unasked else {}, failed


def _table(rows: list[dict[str, object]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(schema))
