"""How far annotators agree, and what pulls them apart: per project, per person and per pair of persons.

A preference has a trap of its own: which side an answer stood on is drawn at random, so an annotator who favours the left
one, or the longer one, shows by a share away from a half.
"""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import polars as pl

from annotation.alpha import alpha_of
from annotation.answers import CANNOT
from annotation.settings import TrustSettings
from proportions import wilson

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
    "gold": pl.Int64,
    "gold_right": pl.Float64,
    "gold_low": pl.Float64,
    "gold_high": pl.Float64,
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
consensus; `gold` known questions were answered, `gold_right` of them (a share, with its interval) rightly; `lead_time` is the median in seconds, `hasty` and `slow` count outlying ones; `left` and `longer` are the shares of
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


def counted(annotations: pl.DataFrame) -> pl.DataFrame:
    """The answers that count (`labels.LABEL_SCHEMA`): of each annotator the last one to each task, by task and annotator."""
    given = annotations.filter(pl.col("status").is_in(ANSWERED) & pl.col("value").is_not_null())
    last = given.sort("ordinal").unique(["task_digest", "annotator"], keep="last")
    return last.sort("task_digest", "annotator")


def judgements(answers: pl.DataFrame) -> pl.DataFrame:
    """Of `counted` answers the judgements, one row per `criterion` of a rubric: who cannot answer disagrees with nobody.

    Known questions are none, for they were chosen, nor are written texts, of which two are never the same.
    """
    return by_criterion(answers.filter((pl.col("kind") != "demonstration") & pl.col("gold").is_null()))


def by_criterion(answers: pl.DataFrame) -> pl.DataFrame:
    """Answers that are not `cannot_answer` with the column `criterion`, a rating as one row per line of its rubric."""
    given = answers.filter(pl.col("value") != CANNOT)
    rated = given.filter(kind="rating")
    levels = [sorted(json.loads(value).items()) for value in rated["value"]]
    lines = [pl.Series("criterion", [[name for name, _ in each] for each in levels], dtype=pl.List(pl.String))]
    lines.append(pl.Series("value", [[str(level) for _, level in each] for each in levels], dtype=pl.List(pl.String)))
    exploded = rated.drop("value").with_columns(lines).explode("criterion", "value")
    others = given.filter(pl.col("kind") != "rating").with_columns(criterion=pl.col("kind"))
    return pl.concat([others, exploded.select(others.columns)]).sort("task_digest", "annotator", "criterion")


def annotator_quality(
    answers: pl.DataFrame, accuracies: pl.DataFrame, settings: TrustSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables `QUALITY` and `PAIRS` of `counted` answers. `accuracies` (project, criterion, annotator, accuracy) come from the consensus."""
    known = {tuple(names): share for *names, share in accuracies.iter_rows()}
    rows: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    judged = judgements(answers)
    for (project, criterion), part in _by_line(answers).group_by(["project", "criterion"], maintain_order=True):
        usual = _usual_lead_time(part)
        about = {"project": project, "criterion": criterion}
        of_it = judged.filter((pl.col("project") == project) & (pl.col("criterion") == criterion))
        for annotator in (EVERYONE, *sorted(part["annotator"].unique())):
            accuracy = known.get((project, criterion, annotator))
            rows.append(
                about
                | {"annotator": annotator, "accuracy": accuracy}
                | _person(part, of_it, annotator, usual, settings)
            )
        pairs += [about | pair for pair in _pairs(of_it, settings)]
    table = pl.DataFrame(rows, schema=QUALITY).sort("project", "criterion", "annotator")
    return table, pl.DataFrame(pairs, schema=PAIRS).sort("project", "criterion", "annotator_a", "annotator_b")


def _by_line(answers: pl.DataFrame) -> pl.DataFrame:
    """All counted answers by criterion; one that could not be given stands at every criterion of its project."""
    told = by_criterion(answers)
    unable = answers.filter(pl.col("value") == CANNOT)
    lines = told.select("project", "kind", "criterion").unique()
    spread = unable.join(lines, on=["project", "kind"], how="left").with_columns(
        pl.col("criterion").fill_null(pl.col("kind"))
    )
    return pl.concat([told, spread.select(told.columns)]).sort("project", "criterion", "task_digest", "annotator")


def below(quality: pl.DataFrame, pairs: pl.DataFrame, settings: TrustSettings) -> str:
    """What falls short of `min_alpha`: each project and criterion, with the pair that agrees least; "" when nothing does."""
    if settings.min_alpha is None:
        return ""
    everyone = quality.filter((pl.col("annotator") == EVERYONE) & (pl.col("criterion") != "demonstration"))
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


def _person(
    part: pl.DataFrame, judged: pl.DataFrame, annotator: str, usual: tuple[float, float], settings: TrustSettings
) -> dict[str, Any]:
    """All figures of a person; `part` are the answers to a criterion, `judged` those that judge."""
    own = part if annotator == EVERYONE else part.filter(annotator=annotator)
    theirs = judged.join(own.select("task_digest").unique(), on="task_digest", how="semi")
    shared = theirs.filter(pl.len().over("task_digest") > 1)
    alpha = alpha_of(shared, settings)
    times = own["lead_time"].drop_nulls()
    centre, spread = usual
    away = (times.clip(lower_bound=1e-3).log() - centre) / spread
    return {
        "tasks": own.filter(pl.col("gold").is_null())["task_digest"].n_unique(),
        "shared": shared["task_digest"].n_unique(),
        "alpha": alpha.value,
        "low": alpha.low,
        "high": alpha.high,
        "agreement": _agreement(shared, annotator),
        **_gold(own),
        "cannot_answer": int((own["value"] == CANNOT).sum()),
        "lead_time": times.median(),
        "hasty": int((away < -OUTLYING).sum()),
        "slow": int((away > OUTLYING).sum()),
        **_share("left", own.filter(pl.col("value").is_in(["a", "b"])), pl.col("value") == "a"),
        **_share("longer", *_by_length(own)),
    }


def _gold(own: pl.DataFrame) -> dict[str, float | None]:
    """How many known questions were answered, and which share rightly, with Wilson's interval."""
    given = own.filter(pl.col("gold").is_not_null()).select("criterion", "value", "gold").iter_rows()
    known = [(value, json.loads(gold)[criterion]) for criterion, value, gold in given if criterion in json.loads(gold)]
    right = sum(value in accepted for value, accepted in known)
    low, high = wilson(right / len(known), len(known)) if known else (None, None)
    share = right / len(known) if known else None
    return {"gold": len(known), "gold_right": share, "gold_low": low, "gold_high": high}


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
            alpha = alpha_of(shared, settings)
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
