"""What judges and people prefer: win rates with length taken out, ratings, and how far a judge agrees with people."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain

import numpy as np
import polars as pl

from evaluation.comparisons import DIGITS, adjusted
from evaluation.judging import JudgeSettings
from evaluation.kappa import cohen_kappa, weighted_kappa
from evaluation.length_control import length_controlled
from evaluation.ratings import RATINGS, NotConnectedError, rate
from evaluation.statistics import BootstrapSettings, Estimate, mean_interval, paired_difference

PEOPLE = "people"
"""Stands for people among the judges."""

VERDICTS = {
    "sample_id": pl.String(),
    "pair": pl.String(),
    "model_a": pl.String(),
    "model_b": pl.String(),
    "win": pl.Float64(),
    "flipped": pl.Boolean(),
    "length_a": pl.Int64(),
    "length_b": pl.Int64(),
}
"""The schema of verdicts: `win` is what a got (1, 0.5 or 0), null where an order has no verdict; `flipped`: it went with the order."""

WIN_RATES = {
    "judge": pl.String(),
    "model_a": pl.String(),
    "model_b": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p_value": pl.Float64(),
    "p_adjusted": pl.Float64(),
    "detectable": pl.Float64(),
    "controlled": pl.Float64(),
    "controlled_low": pl.Float64(),
    "controlled_high": pl.Float64(),
    "length_effect": pl.Float64(),
    "length_low": pl.Float64(),
    "length_high": pl.Float64(),
    "flipped": pl.Float64(),
    "n": pl.Int64(),
    "failed": pl.Int64(),
}
"""The schema of win rates: the share that b won, a tie as half; `controlled` is the same at equal length, `length_effect` what
drew the judge to length (0: nothing). `flipped` is the share of pairs whose verdict went with the order, `failed` counts
pairs without a verdict, which nothing else counts."""

JUDGED_RATINGS = {"judge": pl.String(), **RATINGS}
RUBRICS = {
    "judge": pl.String(),
    "model": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "failed": pl.Int64(),
}
"""The schema of rubric scores: the mean rating."""

AGREEMENT = {
    "judge": pl.String(),
    "sliced_by": pl.String(),
    "slice": pl.String(),
    "n": pl.Int64(),
    "agreement": pl.Float64(),
    "kappa": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "required": pl.Float64(),
    "may_gate": pl.Boolean(),
}
"""The schema of agreement with people; `may_gate` is of the judge as a whole (slice "all")."""

ALL = "all"


def verdicts_of(judgements: pl.DataFrame) -> pl.DataFrame:
    """One row per pair (VERDICTS) of what a pairwise judge said in both orders: who wins both ways has won, all else is a tie."""
    last = (
        judgements.filter(pl.col("model_b").is_not_null())
        .sort("prompt")
        .unique(["sample_id", "pair", "shown"], keep="last", maintain_order=True)
    )
    wide = last.group_by("sample_id", "pair", "model_a", "model_b", maintain_order=True).agg(
        pl.col("verdict").filter(pl.col("shown") == "ab").first().alias("ab"),
        pl.col("verdict").filter(pl.col("shown") == "ba").first().alias("ba"),
        pl.col("length_a", "length_b").first(),
    )
    same, whole = pl.col("ab") == pl.col("ba"), pl.col("ab").is_not_null() & pl.col("ba").is_not_null()
    won = (
        pl.when(same)
        .then(pl.col("ab").replace_strict({"a": 1.0, "b": 0.0, "tie": 0.5}, return_dtype=pl.Float64))
        .otherwise(0.5)
    )
    turned = whole & (pl.col("ab") != "tie") & (pl.col("ba") != "tie") & ~same
    return wide.with_columns(win=pl.when(whole).then(won), flipped=turned).select(VERDICTS.keys())


def people_verdicts(labels: pl.DataFrame) -> pl.DataFrame:
    """What people decided, as verdicts (VERDICTS): two bad answers are a tie."""
    wins = {"a": 1.0, "b": 0.0, "tie": 0.5, "both_bad": 0.5}
    decided = labels.filter((pl.col("kind") == "preference") & pl.col("value").is_in(list(wins)))
    return decided.with_columns(
        pair="task_digest",
        win=pl.col("value").replace_strict(wins, return_dtype=pl.Float64),
        flipped=pl.lit(value=False),
        length_a=pl.col("output_a").str.len_chars().cast(pl.Int64),
        length_b=pl.col("output_b").str.len_chars().cast(pl.Int64),
    ).select(VERDICTS.keys())


def win_rates(verdicts: Mapping[str, pl.DataFrame], settings: BootstrapSettings) -> pl.DataFrame:
    """Of every judge and every two models, how often the second is preferred (WIN_RATES)."""
    rows = []
    for judge, table in verdicts.items():
        for (a, b), part in _sides(table).group_by(["model_a", "model_b"], maintain_order=True):
            whole = part.drop_nulls("win").sort("sample_id", "pair")
            if whole.height:
                rows.append(
                    {"judge": judge, "model_a": a, "model_b": b}
                    | _win_rate(whole, settings)
                    | {"failed": part.height - whole.height}
                )
            else:
                rows.append({"judge": judge, "model_a": a, "model_b": b, "n": 0, "failed": part.height})
    return adjusted(pl.DataFrame(rows, schema=WIN_RATES))


def _sides(table: pl.DataFrame) -> pl.DataFrame:
    """Every two models in one order, by name: people's tasks have them in either."""
    swap = pl.col("model_a") > pl.col("model_b")
    turned = {
        f"{name}_{side}": pl.when(swap).then(f"{name}_{other}").otherwise(f"{name}_{side}")
        for name in ("model", "length")
        for side, other in ("ab", "ba")
    }
    return table.with_columns(win=pl.when(swap).then(1 - pl.col("win")).otherwise("win"), **turned).sort(
        "model_a", "model_b"
    )


def _win_rate(rows: pl.DataFrame, settings: BootstrapSettings) -> dict[str, object]:
    wins = 1 - rows["win"].to_numpy()
    apart = paired_difference(1 - wins, wins, settings=settings)
    own, rival = (rows[name].cast(pl.Float64).to_numpy() for name in ("length_b", "length_a"))
    found = length_controlled(wins, own, rival, settings)
    return {
        **_named("value", "low", "high", mean_interval(wins, settings=settings)),
        "p_value": _round(apart.p_value),
        "detectable": _round(None if apart.detectable is None else apart.detectable / 2),
        **_named("controlled", "controlled_low", "controlled_high", found.controlled),
        **_named("length_effect", "length_low", "length_high", found.length_effect),
        "flipped": _round(float(rows["flipped"].mean() or 0)),  # type: ignore[arg-type]
        "n": rows.height,
    }


def ratings(verdicts: Mapping[str, pl.DataFrame], settings: BootstrapSettings) -> tuple[pl.DataFrame, dict[str, str]]:
    """The ratings of every judge (JUDGED_RATINGS), and of those whose comparisons do not hang together why there are none."""
    parts, refused = [pl.DataFrame(schema=JUDGED_RATINGS)], {}
    for judge, table in verdicts.items():
        try:
            rated = rate(table.drop_nulls("win"), settings)
        except NotConnectedError as error:
            refused[judge] = str(error)
        else:
            parts.append(rated.select(pl.lit(judge).alias("judge"), pl.all()))
    return pl.concat(parts), refused


def rubric_scores(judgements: Mapping[str, pl.DataFrame], settings: BootstrapSettings) -> pl.DataFrame:
    """The mean rating of every model by every judge that rates (RUBRICS); what people rated too is for `rating_agreement`."""
    rows = []
    for judge, table in judgements.items():
        rated = _last_ratings(table).filter(pl.col("pair") == pl.col("model_a"))
        for (model,), part in rated.sort("model_a", "sample_id").group_by(["model_a"], maintain_order=True):
            whole = part.drop_nulls("rating")
            found = mean_interval(whole["rating"].to_numpy(), settings=settings)
            about = {"judge": judge, "model": model, "n": whole.height, "failed": part.height - whole.height}
            rows.append(about | _named("value", "low", "high", found))
    return pl.DataFrame(rows, schema=RUBRICS)


def agreement(
    judge: JudgeSettings, verdicts: pl.DataFrame, labels: pl.DataFrame, samples: pl.DataFrame
) -> pl.DataFrame:
    """How far a judge agrees with people on the pairs that both decided (AGREEMENT): over all, and by slice and length."""
    people = people_verdicts(labels).select("pair", "sample_id", people="win", longer=_longer())
    both = verdicts.drop_nulls("win").select("pair", "win").join(people, on="pair").sort("pair")
    known = both.join(samples.select("sample_id", "slice"), on="sample_id", how="left")
    ways = chain([("all", ALL, known)], _slices(known, "slice"), _slices(known, "longer"))
    rows = [
        {"judge": judge.name, "sliced_by": by, "slice": name} | _agreement(part, judge, by == "all")
        for by, name, part in ways
    ]
    return pl.DataFrame(rows, schema=AGREEMENT)


def rating_agreement(
    judge: JudgeSettings, judgements: pl.DataFrame, labels: pl.DataFrame, samples: pl.DataFrame
) -> pl.DataFrame:
    """How far a judge that rates agrees with people on what both rated (AGREEMENT): over all, by slice and by model.

    Of several criteria of people the judge's own counts, or their mean, rounded to a level. Kappa is weighted by squared
    distance; `agreement` is the share of equal ratings.
    """
    given = labels.filter((pl.col("kind") == "rating") & (pl.lit(not judge.criterion) | (pl.col("criterion") == judge.criterion)))  # fmt: skip
    levels = given.with_columns(level=pl.col("value").cast(pl.Float64, strict=False)).drop_nulls("level")
    people = levels.group_by(pair="task_digest").agg(people=pl.col("level").mean().round().cast(pl.Int64))
    said = _last_ratings(judgements).drop_nulls("rating").select("pair", "sample_id", "model_a", "rating")
    both = said.with_columns(pl.col("rating").cast(pl.Int64)).join(people, on="pair").sort("pair")
    known = both.join(samples.select("sample_id", "slice"), on="sample_id", how="left").rename({"model_a": "model"})
    ways = chain([("all", ALL, known)], _slices(known, "slice"), _slices(known, "model"))
    rows = [
        {"judge": judge.name, "sliced_by": by, "slice": name}
        | _agreed(
            part["rating"],
            part["people"],
            weighted_kappa(part["rating"].to_list(), part["people"].to_list()),
            judge,
            by == "all",
        )
        for by, name, part in ways
    ]
    return pl.DataFrame(rows, schema=AGREEMENT)


def _last_ratings(judgements: pl.DataFrame) -> pl.DataFrame:
    """The last try of each rating."""
    return judgements.filter(pl.col("model_b").is_null()).sort("prompt").unique(["sample_id", "pair"], keep="last")


def _longer() -> pl.Expr:
    more = pl.col("length_b") - pl.col("length_a")
    return (
        pl.when(more > 0)
        .then(pl.lit("the second is longer"))
        .when(more < 0)
        .then(pl.lit("the first is longer"))
        .otherwise(pl.lit("equally long"))
    )


def _slices(rows: pl.DataFrame, by: str) -> list[tuple[str, str, pl.DataFrame]]:
    parts = rows.drop_nulls(by).sort(by, "pair").group_by([by], maintain_order=True)
    return [(by, str(name), part) for (name,), part in parts]


def _agreement(rows: pl.DataFrame, judge: JudgeSettings, whole: bool) -> dict[str, object]:
    first, second = ([str(value) for value in rows[name]] for name in ("win", "people"))
    return _agreed(rows["win"], rows["people"], cohen_kappa(first, second), judge, whole)


def _agreed(
    said: pl.Series, people: pl.Series, found: Estimate, judge: JudgeSettings, whole: bool
) -> dict[str, object]:
    enough = found.value is not None and found.value >= judge.min_kappa and len(said) >= judge.min_labels
    same = None if said.is_empty() else float((said == people).mean() or 0)  # type: ignore[arg-type]
    return {
        "n": len(said),
        "agreement": _round(same),
        **_named("kappa", "low", "high", found),
        "required": judge.min_kappa,
        "may_gate": enough if whole else None,
    }


def _named(value: str, low: str, high: str, found: Estimate) -> dict[str, object]:
    return {value: _round(found.value), low: _round(found.low), high: _round(found.high)}


def _round(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else round(value, DIGITS)
