"""One paragraph made of the figures: what is best, how sure that is, what could not have been seen, and what it costs."""

from __future__ import annotations

from typing import Any

import polars as pl

from evaluation.comparisons import points
from evaluation.metrics import METRICS

SURE = 0.05


def verdict(
    scores: pl.DataFrame, comparisons: pl.DataFrame, slices: pl.DataFrame, costs: pl.DataFrame, metric: str
) -> str:
    """What the figures say of the contestants on the test split, by the metric."""
    rows = scores.filter(metric=metric, split="test").drop_nulls("value")
    if rows.height < 2:
        return "There is nothing to compare: fewer than two contestants have scores."
    ranked = rows.sort("value", "model", descending=[METRICS[metric].higher_is_better, False]).to_dicts()
    best, second = ranked[0], ranked[1]
    first = costs["model"][0] if costs.height else second["model"]
    rival = second if best["model"] == first else next(row for row in ranked if row["model"] == first)
    said = [_led(best, rival, metric), _sure(comparisons.filter(metric=metric), best["model"], rival["model"], metric)]
    said += [_losses(slices, best["model"], rival["model"]), _seen(best), _price(costs, best["model"])]
    return " ".join(sentence for sentence in said if sentence)


def main_metric(scores: pl.DataFrame) -> str:
    """The metric that the verdict goes by: the first of the table's that says how good an answer is."""
    found = set(scores.filter(split="test")["metric"])
    return next((name for name in METRICS if name in found), "chrf")


def _led(best: dict[str, Any], rival: dict[str, Any], metric: str) -> str:
    def of(row: dict[str, Any]) -> str:
        ends = "" if row["low"] is None else f" ({row['low']:.3g} to {row['high']:.3g})"
        return f"{row['model']} reaches {metric} {row['value']:.3g}{ends}"

    return f"{of(best)} on {best['n']:,} samples; {of(rival)}."


def _sure(comparisons: pl.DataFrame, best: str, rival: str, metric: str) -> str:
    names = [best, rival]
    both = comparisons.filter(pl.col("model_a").is_in(names) & pl.col("model_b").is_in(names))
    if both.is_empty():
        return "The two answered no samples in common, so nothing can be said of the difference."
    row = both.row(0, named=True)
    seen = (
        ""
        if row["detectable"] is None
        else f"; with {row['n']:,} samples you can see {points(metric, row['detectable'])}"
    )
    p = row["p_adjusted"]
    if row["better"] == best and p is not None and p < SURE:
        return f"The difference of {points(metric, abs(row['difference']))} is sure (p {p:.3g} among all comparisons{seen})."
    told = "unknown" if p is None else f"{p:.3g}"
    return f"The difference may be chance (p {told} among all comparisons{seen})."


def _losses(slices: pl.DataFrame, best: str, rival: str) -> str:
    names = [best, rival]
    of_two = slices.filter(
        pl.col("model_a").is_in(names) & pl.col("model_b").is_in(names) & pl.col("p_adjusted").is_not_null()
    )
    worse = of_two.filter((pl.col("better") == rival) & (pl.col("p_adjusted") < SURE))
    if worse.height:
        row = worse.row(0, named=True)
        return f"It is surely worse in {worse.height} slices, among them {row['sliced_by']} {row['slice']}."
    return "It is surely worse in no slice." if of_two.height else ""


def _seen(best: dict[str, Any]) -> str:
    if best["contaminated"] is None:
        return "How many of these samples it has seen before, nobody knows."
    return f"Of these samples {best['contaminated']:,} stand too much in what it learnt from."


def _price(costs: pl.DataFrame, best: str) -> str:
    rows = costs.filter(model=best)
    if rows.is_empty() or rows["per_answer"].item() is None:
        return ""
    row = rows.row(0, named=True)
    spent = row["training"] + row["annotation"]
    said = f"An answer costs {row['per_answer']:.3g}, and {spent:.3g} were spent on it before."
    if row["against"] == best or not spent:
        return said
    if row["break_even"] is None:
        return f"{said} It earns that back never, for an answer of {row['against']} costs no more."
    return f"{said} Against {row['against']} that is earned back after {row['break_even']:,} answers."
