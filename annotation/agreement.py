"""How far annotators agree, and what pulls them apart: per project, per person and per pair of persons.

Krippendorff's alpha is the share of disagreement that chance would leave and people do not (Krippendorff 2011, "Computing
Krippendorff's Alpha-Reliability"): 1 is perfect, 0 is chance, and any number of annotators and missing answers will do. It
is computed here because the library of that name is under the GPL, and because all resamples of its interval are one
matrix product. The interval draws tasks with replacement: answers to one task are not independent.

A preference has a trap of its own: which side an answer stood on is drawn at random, so an annotator who favours the left
one, or the longer one, shows by a share away from a half.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from annotation.labels import VALUES
from annotation.settings import TrustSettings
from proportions import wilson

Floats = npt.NDArray[np.float64]

EVERYONE = "everyone"
"""Stands for all annotators of a project together."""

ANSWERED = ("submitted", "withdrawn")
"""Statuses of answers that count: one whose task is no longer asked is still what a person thinks."""

OUTLYING = 3.5
"""A lead time is outlying beyond this many robust standard deviations of the logarithm (Iglewicz and Hoaglin 1993)."""

QUALITY = {
    "project": pl.String,
    "criterion": pl.String,
    "annotator": pl.String,
    "tasks": pl.Int64,
    "shared": pl.Int64,
    "alpha": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "agreement": pl.Float64,
    "accuracy": pl.Float64,
    "cannot_answer": pl.Int64,
    "lead_time": pl.Float64,
    "hasty": pl.Int64,
    "slow": pl.Int64,
    "left": pl.Float64,
    "left_low": pl.Float64,
    "left_high": pl.Float64,
    "longer": pl.Float64,
    "longer_low": pl.Float64,
    "longer_high": pl.Float64,
}
"""One row per project, criterion and annotator (`EVERYONE` for all). `tasks` were answered, `shared` by others too; `alpha` (with
its interval) is that of the shared tasks, `agreement` the share of equal answers among pairs; `accuracy` is estimated by the
consensus; `lead_time` is the median in seconds, `hasty` and `slow` count outlying ones; `left` and `longer` are the shares of
preferences for the left and for the longer answer, each with its interval."""

PAIRS = {
    "project": pl.String,
    "criterion": pl.String,
    "annotator_a": pl.String,
    "annotator_b": pl.String,
    "shared": pl.Int64,
    "agreement": pl.Float64,
    "alpha": pl.Float64,
}
"""One row per pair of annotators that share a task."""


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its interval; None where nobody shares a task, or all answers are the same."""

    value: float | None
    low: float | None
    high: float | None


def counted(annotations: pl.DataFrame) -> pl.DataFrame:
    """The answers that count (`labels.LABEL_SCHEMA`): of each annotator the last one to each task, by task and annotator."""
    given = annotations.filter(pl.col("status").is_in(ANSWERED) & pl.col("value").is_not_null())
    last = given.sort("ordinal").unique(["task_digest", "annotator"], keep="last")
    return last.sort("task_digest", "annotator")


def judgements(answers: pl.DataFrame) -> pl.DataFrame:
    """Of `counted` answers those that judge: who cannot answer disagrees with nobody."""
    return answers.filter(pl.col("value") != "cannot_answer")


def nominal_alpha(counts: npt.NDArray[np.int64], settings: TrustSettings) -> Alpha:
    """Alpha of values without an order. `counts` (tasks, values) says how many annotators gave a task each value."""
    pairable = counts[counts.sum(axis=1) > 1].astype(np.float64)
    if not len(pairable):
        return Alpha(None, None, None)
    matches = _coincidences(pairable)
    value = _alpha(matches.sum(axis=0))
    if np.isnan(value):
        return Alpha(None, None, None)
    rng = np.random.default_rng([settings.seed, len(pairable)])
    drawn = rng.multinomial(len(pairable), np.full(len(pairable), 1 / len(pairable)), size=settings.resamples)
    resampled = _alpha(drawn.astype(np.float64) @ matches)
    resampled = resampled[~np.isnan(resampled)]
    low, high = np.quantile(resampled, [0.025, 0.975]) if len(resampled) else (value, value)
    return Alpha(round(float(value), 9), round(float(low), 9), round(float(high), 9))


def annotator_quality(
    answers: pl.DataFrame, accuracies: pl.DataFrame, settings: TrustSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables `QUALITY` and `PAIRS` of `counted` answers. `accuracies` (project, annotator, accuracy) come from the consensus."""
    known = {(project, annotator): share for project, annotator, share in accuracies.iter_rows()}
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    for (project, criterion), part in answers.group_by(["project", "kind"], maintain_order=True):
        usual = _usual_lead_time(part)
        about = {"project": project, "criterion": criterion}
        for annotator in (EVERYONE, *sorted(part["annotator"].unique())):
            accuracy = known.get((str(project), annotator))
            rows.append(
                about | {"annotator": annotator, "accuracy": accuracy} | _person(part, annotator, usual, settings)
            )
        pairs += [about | pair for pair in _pairs(judgements(part), settings)]
    table = pl.DataFrame(rows, schema=QUALITY).sort("project", "criterion", "annotator")
    return table, pl.DataFrame(pairs, schema=PAIRS).sort("project", "criterion", "annotator_a", "annotator_b")


def below(quality: pl.DataFrame, pairs: pl.DataFrame, settings: TrustSettings) -> str:
    """What falls short of `min_alpha`: each project and criterion, with the pair that agrees least; "" when nothing does."""
    if settings.min_alpha is None:
        return ""
    everyone = quality.filter(pl.col("annotator") == EVERYONE)
    short = everyone.filter(pl.col("alpha").is_null() | (pl.col("alpha") < settings.min_alpha))
    return "; ".join(_shortfall(row, pairs, settings.min_alpha) for row in short.iter_rows(named=True))


def _shortfall(row: dict[str, Any], pairs: pl.DataFrame, wanted: float) -> str:
    where = f"project {row['project']}, {row['criterion']}"
    if row["alpha"] is None:
        return (
            f"{where}: no agreement can be told from {row['shared']} tasks that several people answered; "
            "raise `annotators` of the project, or remove annotation.trust.min_alpha"
        )
    own = pairs.filter((pl.col("project") == row["project"]) & (pl.col("criterion") == row["criterion"]))
    least = own.sort("agreement", "annotator_a", "annotator_b").row(0, named=True)
    return (
        f"{where}: alpha {row['alpha']:.2f} ({row['low']:.2f} to {row['high']:.2f}) is below {wanted}; least agree "
        f"{least['annotator_a']} and {least['annotator_b']}, on {least['agreement']:.0%} of {least['shared']} tasks. "
        "Make the guidelines clearer, or speak with these two"
    )


def _coincidences(counts: Floats) -> Floats:
    """(tasks, values²): how often two answers to a task have each pair of values, weighed by 1 / (answers - 1)."""
    n_values = counts.shape[1]
    together = counts[:, :, None] * counts[:, None, :] - counts[:, :, None] * np.eye(n_values)
    weighed: Floats = together / (counts.sum(axis=1) - 1)[:, None, None]
    return weighed.reshape(len(counts), -1)


def _alpha(matches: Floats) -> Floats:
    """Alpha of one coincidence matrix, flat, or of each row of several; not a number where all values are one."""
    n_values = int(np.sqrt(matches.shape[-1]))
    square = matches.reshape(*matches.shape[:-1], n_values, n_values)
    margins = square.sum(axis=-1)
    total = margins.sum(axis=-1)
    equal = np.trace(square, axis1=-2, axis2=-1)
    by_chance = total**2 - (margins**2).sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: Floats = 1 - (total - 1) * (total - equal) / by_chance
    return np.where(by_chance > 0, alpha, np.nan)


def _counts(answers: pl.DataFrame) -> npt.NDArray[np.int64]:
    """(tasks, values) of judgements."""
    shares = [(pl.col("value") == value).sum().alias(value) for value in VALUES if value != "cannot_answer"]
    return (
        answers.group_by("task_digest").agg(*shares).sort("task_digest").drop("task_digest").to_numpy().astype(np.int64)
    )


def _person(part: pl.DataFrame, annotator: str, usual: tuple[float, float], settings: TrustSettings) -> dict[str, Any]:
    own = part if annotator == EVERYONE else part.filter(annotator=annotator)
    judged = judgements(part).join(own.select("task_digest").unique(), on="task_digest", how="semi")
    shared = judged.filter(pl.len().over("task_digest") > 1)
    alpha = nominal_alpha(_counts(shared), settings)
    times = own["lead_time"].drop_nulls()
    centre, spread = usual
    away = (times.clip(lower_bound=1e-3).log() - centre) / spread
    return {
        "tasks": own["task_digest"].n_unique(),
        "shared": shared["task_digest"].n_unique(),
        "alpha": alpha.value,
        "low": alpha.low,
        "high": alpha.high,
        "agreement": _agreement(shared, annotator),
        "cannot_answer": int((own["value"] == "cannot_answer").sum()),
        "lead_time": times.median(),
        "hasty": int((away < -OUTLYING).sum()),
        "slow": int((away > OUTLYING).sum()),
        **_share("left", own.filter(pl.col("value").is_in(["a", "b"])), pl.col("value") == "a"),
        **_share("longer", *_by_length(own)),
    }


def _usual_lead_time(answers: pl.DataFrame) -> tuple[float, float]:
    """Median and robust standard deviation of the logarithm of lead times; those of a median of nothing are 0 and 1."""
    logs = answers["lead_time"].drop_nulls().clip(lower_bound=1e-3).log()
    centre = float(logs.median() or 0.0)  # type: ignore[arg-type]
    spread = float((logs - centre).abs().median() or 0.0) * 1.4826  # type: ignore[arg-type]
    return centre, max(spread, 0.1)


def _agreement(shared: pl.DataFrame, annotator: str) -> float | None:
    """The share of equal answers among pairs of answers to one task; of a person, among the pairs that he or she is in."""
    both = shared.join(shared, on="task_digest", suffix="_b").filter(pl.col("annotator") < pl.col("annotator_b"))
    if annotator != EVERYONE:
        both = both.filter((pl.col("annotator") == annotator) | (pl.col("annotator_b") == annotator))
    return None if both.is_empty() else float((both["value"] == both["value_b"]).mean())  # type: ignore[arg-type]


def _by_length(own: pl.DataFrame) -> tuple[pl.DataFrame, pl.Expr]:
    """The preferences between answers of unlike length, and whether the longer one was preferred."""
    a, b = pl.col("output_a").str.len_chars(), pl.col("output_b").str.len_chars()
    return own.filter(pl.col("value").is_in(["a", "b"]) & (a != b)), (pl.col("value") == "a") == (a > b)


def _share(name: str, rows: pl.DataFrame, is_so: pl.Expr) -> dict[str, float | None]:
    """A share with Wilson's interval; nulls of no rows."""
    if rows.is_empty():
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    hits = int(rows.select(is_so.sum()).item())
    low, high = wilson(hits / rows.height, rows.height)
    return {name: hits / rows.height, f"{name}_low": low, f"{name}_high": high}


def _pairs(judged: pl.DataFrame, settings: TrustSettings) -> list[dict[str, Any]]:
    rows = []
    for a, b in combinations(sorted(judged["annotator"].unique()), 2):
        of_both = judged.filter(pl.col("annotator").is_in([a, b]))
        shared = of_both.filter(pl.len().over("task_digest") > 1)
        if shared.height:
            alpha = nominal_alpha(_counts(shared), settings)
            rows.append(
                {
                    "annotator_a": a,
                    "annotator_b": b,
                    "shared": shared["task_digest"].n_unique(),
                    "agreement": _agreement(shared, EVERYONE),
                    "alpha": alpha.value,
                }
            )
    return rows
