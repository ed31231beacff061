"""One paragraph made of the figures: finetune or not, what is best, how sure that is, and what it costs.

Finetuning is advised where the best finetune is surely better than the best that was only asked (a base under its prompt, an
endpoint, a cell of an experiment), by as much as it is to be worth. The prompt is enough where the paired interval leaves
the finetune less than that. Else the samples cannot tell, and that is what is said.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from evaluation.comparisons import a_point, points
from evaluation.metrics import METRICS

SURE = 0.05


def verdict(
    scores: pl.DataFrame,
    comparisons: pl.DataFrame,
    slices: pl.DataFrame,
    costs: pl.DataFrame,
    metric: str,
    worthwhile: float = 5.0,
) -> str:
    """What the figures say of the contestants on the test split, by the metric.

    `worthwhile` is what a finetune must bring, in hundredths of the metric's range.
    """
    rows = scores.filter(metric=metric, split="test").drop_nulls("value")
    if rows.height < 2:
        return "There is nothing to compare: fewer than two contestants have scores."
    ranked = rows.sort("value", "model", descending=[METRICS[metric].higher_is_better, False]).to_dicts()
    best, second = ranked[0], ranked[1]
    first = costs["model"][0] if costs.height else second["model"]
    rival = next((row for row in ranked[1:] if row["model"] == first), second)
    advice = advised(ranked, comparisons.filter(metric=metric), costs, metric, worthwhile)
    said = [
        advice,
        _led(best, rival, metric),
        _sure(comparisons.filter(metric=metric), best["model"], rival["model"], metric),
    ]
    said.append(_others(comparisons.filter(pl.col("metric") != metric), best["model"], rival["model"]))
    told = _losses(slices.filter(metric=metric), best["model"], rival["model"])
    said += [told, _seen(best), _price(costs, best["model"])]
    return " ".join(sentence for sentence in said if sentence)


def advised(
    ranked: list[dict[str, Any]], comparisons: pl.DataFrame, costs: pl.DataFrame, metric: str, worthwhile: float
) -> str:
    """Whether to finetune, by the best finetune and the best of the others; "" where one of the two is missing.

    `ranked` are scores, the best first; a finetune is what `costs` knows a training of.
    """
    trained = set(costs.filter(pl.col("training_seconds") > 0)["model"]) if costs.height else set()
    tuned = next((row["model"] for row in ranked if row["model"] in trained), None)
    asked = next((row for row in ranked if row["model"] not in trained), None)
    row = None if tuned is None or asked is None else _of_two(comparisons, tuned, asked["model"])
    if row is None or asked is None or row["low"] is None:
        return ""
    low, gain, high = _gain(row, str(tuned), metric)
    named = asked["model"] + (f" under the prompt {asked['prompt']}" if asked["prompt"] != "none" else "")
    told = f"{tuned} has {points(metric, gain)} over {named} ({points(metric, low)} to {points(metric, high)})"
    enough = worthwhile * (a_point(metric) or 0.0)
    if gain >= enough and low > 0 and row["p_adjusted"] < SURE:
        return f"Finetune: {told}, which is sure, and as much as it is to be worth ({worthwhile:g} points)."
    if high <= enough:
        return f"The prompt is enough: {told}, so finetuning cannot be expected to bring the {worthwhile:g} points that it is to be worth."
    return f"Undecided: {told}, and finetuning is to be worth {worthwhile:g} points; more test samples would tell."


def _of_two(comparisons: pl.DataFrame, one: str, other: str) -> dict[str, Any] | None:
    both = comparisons.filter(pl.col("model_a").is_in([one, other]) & pl.col("model_b").is_in([one, other]))
    return both.row(0, named=True) if both.height else None


def _gain(row: dict[str, Any], tuned: str, metric: str) -> tuple[float, float, float]:
    """What the finetune has over the other, between its ends; above zero is better."""
    sign = (1 if METRICS[metric].higher_is_better else -1) * (1 if row["model_b"] == tuned else -1)
    ends = sorted((sign * row["low"], sign * row["high"]))
    return ends[0], sign * row["difference"], ends[1]


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
    row = _of_two(comparisons, best, rival)
    if row is None:
        return "The two answered no samples in common, so nothing can be said of the difference."
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


def _others(comparisons: pl.DataFrame, best: str, rival: str) -> str:
    """What is sure by other metrics, for they may say otherwise."""
    names = [best, rival]
    sure = comparisons.filter(
        pl.col("model_a").is_in(names),
        pl.col("model_b").is_in(names),
        pl.col("p_adjusted") < SURE,
        pl.col("better").is_not_null(),
    )
    told = [
        f"{row['better']} by {row['metric']} ({points(row['metric'], abs(row['difference']))})"
        for row in sure.to_dicts()
    ]
    return f"By other metrics surely better: {', '.join(told)}." if told else ""


def _losses(slices: pl.DataFrame, best: str, rival: str) -> str:
    """In which slices the best is worse all the same, by the metric of the verdict."""
    names = [best, rival]
    of_two = slices.filter(
        pl.col("model_a").is_in(names) & pl.col("model_b").is_in(names) & pl.col("p_adjusted").is_not_null()
    )
    worse = of_two.filter((pl.col("better") == rival) & (pl.col("p_adjusted") < SURE))
    if worse.height:
        row = worse.row(0, named=True)
        named = "slices" if worse.height > 1 else "slice"
        return f"{best} is surely worse in {worse.height} {named} of {of_two.height}: {row['sliced_by']} {row['slice']}{' and others' * (worse.height > 1)}."
    return f"{best} is surely worse in no slice." if of_two.height else ""


def _seen(best: dict[str, Any]) -> str:
    if best["contaminated"] is None:
        known = (
            ""
            if best["in_corpus"] is None
            else f"; {best['in_corpus']:,} of them stand in other documents of the corpus"
        )
        return f"How many of these samples it has seen before, nobody knows{known}."
    return f"Of these samples {best['contaminated']:,} stand too much in what it learnt from."


def _price(costs: pl.DataFrame, best: str) -> str:
    rows = costs.filter(model=best)
    if rows.is_empty() or rows["per_answer"].item() is None:
        return ""
    row = rows.row(0, named=True)
    spent = row["training"] + row["annotation"]
    before = f"{spent:.3g} were" if spent else "nothing was"
    said = f"A thousand of its answers cost {1_000 * row['per_answer']:.3g}, and {before} spent on it before."
    if row["against"] == best or not spent:
        return said
    if row["break_even"] is None:
        return f"{said} It earns that back never, for an answer of {row['against']} costs no more."
    return f"{said} Against {row['against']} that is earned back after {row['break_even']:,} answers."
