"""The report on an evaluation as a page: the verdict, then every figure that it rests on, then answers to read."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from evaluation.costs import PriceSettings
from evaluation.judging import unanswered
from evaluation.metrics import METRICS
from evaluation.report_examples import SHOWN, losses, side_by_side
from evaluation.report_figures import claim, ends, figure, visible
from evaluation.report_opinions import effects, preferred
from evaluation.verdict import main_metric, verdict
from pages import Html, Part, folded, page, table, tag
from plots import learned, tradeoff
from proportions import told

ELSEWHERE = (
    "Of how many items too much stands in documents as they were read, in the corpus, and in what is trained on. Our own held-out "
    "samples come from the documents, so they are looked for in other documents of the corpus alone."
)
SEEN = (
    "Intervals are of 95%, unless `evaluation.bootstrap` says otherwise. Contaminated are samples of which too much stands in what the "
    "contestant was finetuned on; what a base or an endpoint was trained on, nobody knows. In the corpus are those of which too much "
    "stands in other documents than their own. Tasks of lm-evaluation-harness are looked for where `evaluation_sets` names their files."
)


@dataclass(frozen=True)
class Report:
    """The tables that the page shows; those of judges, experiments and tasks may be None."""

    scores: pl.DataFrame
    comparisons: pl.DataFrame
    slices: pl.DataFrame
    sample_scores: pl.DataFrame
    costs: pl.DataFrame
    samples: pl.DataFrame
    contestants: Mapping[str, pl.DataFrame]
    win_rates: pl.DataFrame | None = None
    ratings: pl.DataFrame | None = None
    rubric_scores: pl.DataFrame | None = None
    agreement: pl.DataFrame | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    """Of each finetune the number of samples that it learnt from."""
    prices: PriceSettings = field(default_factory=PriceSettings)
    rates: pl.DataFrame | None = None
    """Of how many evaluation items too much stands where."""
    harness: pl.DataFrame | None = None
    """Comparisons on tasks of lm-evaluation-harness."""
    cells: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Of each experiment the scores of its cells on validation."""
    effects: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    """Of each experiment what its factors do."""


def verdict_of(report: Report) -> str:
    """The paragraph at its head."""
    metric = main_metric(report.scores)
    return verdict(report.scores, report.comparisons, report.slices, report.costs, metric, report.prices.worthwhile)


def report_page(report: Report) -> str:
    """The whole page, as HTML."""
    metric = main_metric(report.scores)
    return page(
        "Evaluation report",
        tag("h1", "Evaluation report"),
        tag("p", verdict_of(report)),
        tag("p", _about(report.scores, report.cells), class_="quiet"),
        tag("h2", "Quality"),
        tag("p", SEEN, class_="quiet"),
        _quality(report.scores),
        *([] if report.rates is None else _rates(report.rates)),
        tag("h2", "Compared"),
        tag(
            "p",
            "On the samples that both answered. The p-value is among all comparisons of the table (Holm).",
            class_="quiet",
        ),
        _compared(report.comparisons),
        *_on_tasks(report),
        tag("h2", "Cost"),
        tag("p", _priced(report.prices), class_="quiet"),
        _costs(report.costs),
        *_picture("Quality and price", tradeoff(_points(report, metric), metric, METRICS[metric].higher_is_better)),
        tag("p", "The line joins those whom no other beats in both (the Pareto front).", class_="quiet"),
        *_curve(report, metric),
        *effects(report.cells, report.effects),
        *preferred(
            report.win_rates,
            report.ratings,
            report.rubric_scores,
            report.agreement,
            unanswered(report.contestants, report.samples),
        ),
        tag("h2", "Slices that are worse"),
        _regressions(report.slices),
        folded(f"Every slice by {metric}", _every_slice(report.slices, metric), opened=False),
        tag("h2", "Side by side"),
        tag("p", f"{SHOWN} samples of the test split, drawn by their names; open one.", class_="quiet"),
        *side_by_side(report.samples, report.contestants, report.sample_scores),
        tag("h2", "Worst losses"),
        *losses(report.samples, report.contestants, report.sample_scores, metric),
    )


def _about(scores: pl.DataFrame, cells: Mapping[str, pl.DataFrame]) -> str:
    """Which data and which models the figures are of."""
    tested = scores.filter(split="test").drop_nulls("model_version")
    named = tested.select("model", "model_version", "prompt").unique(maintain_order=True)
    chosen = {name: f", the cell {cell}" for name, rows in cells.items() for cell in rows.filter("chosen")["cell"]}
    whom = [
        f"{model} {version}" + chosen.get(model, f" under the prompt {prompt}" if prompt != "none" else "")
        for model, version, prompt in named.iter_rows()
    ]
    data = ", ".join(tested["dataset_version"].drop_nulls().unique().sort())
    return f"Dataset {data}, test split. Contestants by their versions: {'; '.join(whom)}."


def _quality(scores: pl.DataFrame) -> Html:
    rows = [
        (
            row["metric"],
            row["model"],
            row["prompt"],
            _direction(row["metric"]),
            figure(row["value"]),
            ends(row["low"], row["high"]),
            f"{row['n']:,}",
            told(row["contaminated"], row["n"]),
            told(row["in_corpus"], row["n"]),
        )
        for row in scores.sort("metric", "model").to_dicts()
    ]
    head = ("metric", "contestant", "prompt", "better", "value", "interval", "samples", "contaminated", "in the corpus")
    return table(head, rows, range(4, 9))


def _direction(metric: str) -> str:
    """Which way a metric of ours is better."""
    return "" if metric not in METRICS else "higher" if METRICS[metric].higher_is_better else "lower"


def _rates(rates: pl.DataFrame) -> Iterator[Part]:
    """Of how many items of the splits and the evaluation sets too much stands elsewhere."""
    rows = [
        (
            f"{row['kind']} {row['name']}",
            f"{row['n']:,}",
            "come from them" if row["kind"] == "split" else told(row["in_documents"], row["n"]),
            *(told(row[name], row["n"]) for name in ("in_corpus", "in_training")),
        )
        for row in rates.to_dicts()
    ]
    yield tag("h2", "Evaluation items found elsewhere")
    yield tag("p", ELSEWHERE, class_="quiet")
    yield table(("of", "items", "in documents", "in the corpus", "in training samples"), rows, (1, 2, 3, 4))


def _compared(comparisons: pl.DataFrame) -> Html:
    rows = [
        (
            row["metric"],
            f"{row['model_b']} − {row['model_a']}",
            figure(row["difference"]),
            ends(row["low"], row["high"]),
            figure(row["p_adjusted"]),
            claim(row),
            visible(row),
        )
        for row in comparisons.to_dicts()
    ]
    head = ("metric", "difference of", "difference", "interval", "p among all", "so", "what could be seen")
    return table(head, rows, (2, 3, 4))


def _on_tasks(report: Report) -> Iterator[Part]:
    """The comparisons on tasks, where there are any; their scores stand with the others."""
    if report.harness is None or report.harness.is_empty():
        return
    yield tag("h2", "Compared on tasks of lm-evaluation-harness")
    yield _compared(report.harness)


def _costs(costs: pl.DataFrame) -> Html:
    head = (
        "contestant",
        "s an answer",
        "95th percentile",
        "1,000 answers",
        "a million tokens",
        "training",
        "people",
        "pays from … answers on",
    )
    rows = [
        (
            row["model"],
            figure(row["seconds"]),
            figure(row["seconds_95"]),
            figure(None if row["per_answer"] is None else 1_000 * row["per_answer"]),
            *(figure(row[name]) for name in ("per_million_tokens", "training", "annotation")),
            _pays(row),
        )
        for row in costs.to_dicts()
    ]
    return table(head, rows, range(1, 8))


def _priced(prices: PriceSettings) -> str:
    """What the amounts are made of."""
    served = "".join(f", {price:g} a million tokens of {name}" for name, price in sorted(prices.million_tokens.items()))
    return (
        f"In the currency of `prices` in headwater.yaml: {prices.machine_hour:g} an hour of this machine, {prices.person_hour:g} an hour "
        f"of a person{served}. Seconds are those of the batches in which answers were made. People's time is all that was spent on labels."
    )


def _pays(row: Mapping[str, Any]) -> str:
    if row["model"] == row["against"]:
        return "is what the others are held against"
    return "never" if row["break_even"] is None else f"{row['break_even']:,}"


def _points(report: Report, metric: str) -> list[tuple[str, float, float]]:
    """Contestant, price of 1,000 answers, score."""
    joined = report.costs.join(report.scores.filter(metric=metric, split="test"), on="model").drop_nulls(
        ["per_answer", "value"]
    )
    return joined.select("model", 1_000 * pl.col("per_answer"), "value").rows()


def _picture(title: str, svg: bytes) -> Iterator[Part]:
    yield tag("h2", title)
    yield tag("img", src=f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", alt=title)


def _curve(report: Report, metric: str) -> Iterator[Part]:
    """The learning curve, where models learnt from different numbers of samples; the base stands at none."""
    rows = report.scores.filter(metric=metric, split="test").to_dicts()
    found = [(report.labels.get(row["model"]), row) for row in rows]
    base = [(0, row) for count, row in found if count is None and row["model"].startswith("base")][:1]
    curve = sorted(base + [(count, row) for count, row in found if count is not None], key=lambda pair: pair[0])
    if len({count for count, _ in curve}) > 2:
        points = [(count, row["value"], row["low"], row["high"]) for count, row in curve]
        yield from _picture("What more labels brought", learned(points, metric))
        shown = [
            (
                row["model"],
                f"{count:,}",
                f"{count / curve[-1][0]:.0%}",
                figure(row["value"]),
                ends(row["low"], row["high"]),
            )
            for count, row in curve
        ]
        head = ("contestant", "samples it learnt from", "of the most", metric, "interval")
        yield table(head, shown, range(1, 5))


def _regressions(slices: pl.DataFrame) -> Part:
    worse = slices.filter("regression")
    if worse.is_empty():
        return tag(
            "p",
            f"None among the {slices.select('sliced_by', 'slice').n_unique()} slices that were looked at."
            if slices.height
            else "No slice has enough samples.",
        )
    rows = [
        (
            f"{row['sliced_by']} {row['slice']}",
            row["metric"],
            f"{row['model_b']} − {row['model_a']}",
            figure(row["difference"]),
            ends(row["low"], row["high"]),
            visible(row),
        )
        for row in worse.to_dicts()
    ]
    return table(("slice", "metric", "difference of", "difference", "interval", "what could be seen"), rows, (3, 4))


def _every_slice(slices: pl.DataFrame, metric: str) -> Html:
    rows = [
        (
            row["sliced_by"],
            row["slice"],
            f"{row['model_b']} − {row['model_a']}",
            figure(row["value_b"]),
            figure(row["value_a"]),
            figure(row["difference"]),
            ends(row["low"], row["high"]),
            f"{row['n']:,}",
        )
        for row in slices.filter(metric=metric).to_dicts()
    ]
    head = ("sliced by", "slice", "difference of", "its own", "the other's", "difference", "interval", "samples")
    return table(head, rows, range(3, 8))
