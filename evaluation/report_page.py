"""The report on an evaluation as a page: the verdict, then every figure that it rests on, then answers to read."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from evaluation.comparisons import points
from evaluation.judging import question_text
from evaluation.metrics import METRICS
from evaluation.selection import drawn
from evaluation.verdict import main_metric, verdict
from pages import Html, Part, folded, page, table, tag
from plots import learned, tradeoff
from proportions import told

SHOWN = 20
"""Outputs side by side, and losses."""


@dataclass(frozen=True)
class Report:
    """The tables that the page shows; those of judges and of a learning curve may be None."""

    scores: pl.DataFrame
    comparisons: pl.DataFrame
    slices: pl.DataFrame
    sample_scores: pl.DataFrame
    costs: pl.DataFrame
    samples: pl.DataFrame
    contestants: Mapping[str, pl.DataFrame]
    win_rates: pl.DataFrame | None = None
    ratings: pl.DataFrame | None = None
    agreement: pl.DataFrame | None = None
    labels: Mapping[str, int] = field(default_factory=dict)
    """Of each finetune the number of samples that it learnt from."""
    worthwhile: float = 5.0
    rates: pl.DataFrame | None = None
    """Of how many evaluation items too much stands where."""
    harness: pl.DataFrame | None = None
    """Comparisons on tasks of lm-evaluation-harness."""


def verdict_of(report: Report) -> str:
    """The paragraph at its head."""
    metric = main_metric(report.scores)
    return verdict(report.scores, report.comparisons, report.slices, report.costs, metric, report.worthwhile)


def report_page(report: Report) -> str:
    """The whole page, as HTML."""
    metric = main_metric(report.scores)
    return page(
        "Evaluation report",
        tag("h1", "Evaluation report"),
        tag("p", verdict_of(report)),
        tag("h2", "Quality"),
        _quality(report.scores),
        *([] if report.rates is None else _rates(report.rates)),
        tag("h2", "Compared"),
        _compared(report.comparisons),
        *_on_tasks(report),
        tag("h2", "Cost"),
        _costs(report.costs),
        *_picture("Quality and price", tradeoff(_points(report, metric), metric, METRICS[metric].higher_is_better)),
        *_curve(report, metric),
        *_judged(report),
        tag("h2", "Slices that are worse"),
        _regressions(report.slices),
        folded(f"Every slice by {metric}", _every_slice(report.slices, metric), opened=False),
        tag("h2", "Side by side"),
        tag("p", f"{SHOWN} samples of the test split, drawn by their names.", class_="quiet"),
        *_side_by_side(report),
        tag("h2", "Worst losses"),
        *_losses(report, metric),
    )


def _quality(scores: pl.DataFrame) -> Html:
    rows = [
        (
            row["metric"],
            row["model"],
            row["prompt"],
            _figure(row["value"]),
            _ends(row["low"], row["high"]),
            f"{row['n']:,}",
            told(row["contaminated"], row["n"]),
            told(row["in_corpus"], row["n"]),
        )
        for row in scores.sort("metric", "model").to_dicts()
    ]
    head = ("metric", "contestant", "prompt", "value", "interval", "samples", "contaminated", "in the corpus")
    return table(head, rows, (3, 4, 5, 6, 7))


def _rates(rates: pl.DataFrame) -> Iterator[Part]:
    """Of how many items of the splits and the evaluation sets too much stands elsewhere."""
    said = "Of how many items too much stands in documents as they were read, in the corpus, and in what is trained on."
    rows = [
        (
            f"{row['kind']} {row['name']}",
            f"{row['n']:,}",
            *(told(row[name], row["n"]) for name in ("in_documents", "in_corpus", "in_training")),
        )
        for row in rates.to_dicts()
    ]
    yield tag("h2", "Evaluation items found elsewhere")
    yield tag("p", said, class_="quiet")
    yield table(("of", "items", "in documents", "in the corpus", "in training samples"), rows, (1, 2, 3, 4))


def _compared(comparisons: pl.DataFrame) -> Html:
    rows = [
        (
            row["metric"],
            f"{row['model_b']} − {row['model_a']}",
            _figure(row["difference"]),
            _ends(row["low"], row["high"]),
            _figure(row["p_adjusted"]),
            _visible(row),
        )
        for row in comparisons.to_dicts()
    ]
    return table(
        ("metric", "difference of", "difference", "interval", "p among all", "what could be seen"), rows, (2, 3, 4)
    )


def _on_tasks(report: Report) -> Iterator[Part]:
    """The comparisons on tasks, where there are any; their scores stand with the others."""
    if report.harness is None or report.harness.is_empty():
        return
    yield tag("h2", "Compared on tasks of lm-evaluation-harness")
    yield _compared(report.harness)


def _visible(row: Mapping[str, Any]) -> str:
    return (
        ""
        if row["detectable"] is None
        else f"with {row['n']:,} samples you can see {points(row['metric'], row['detectable'])}"
    )


def _costs(costs: pl.DataFrame) -> Html:
    head = (
        "contestant",
        "s an answer",
        "95th percentile",
        "an answer",
        "a million tokens",
        "training",
        "people",
        "pays from … answers on",
    )
    rows = [
        (
            row["model"],
            *(
                _figure(row[name])
                for name in ("seconds", "seconds_95", "per_answer", "per_million_tokens", "training", "annotation")
            ),
            _pays(row),
        )
        for row in costs.to_dicts()
    ]
    return table(head, rows, range(1, 8))


def _pays(row: Mapping[str, Any]) -> str:
    if row["model"] == row["against"]:
        return "is what the others are held against"
    return "never" if row["break_even"] is None else f"{row['break_even']:,}"


def _points(report: Report, metric: str) -> list[tuple[str, float, float]]:
    """Contestant, price of an answer, score."""
    joined = report.costs.join(report.scores.filter(metric=metric, split="test"), on="model").drop_nulls(
        ["per_answer", "value"]
    )
    return joined.select("model", "per_answer", "value").rows()


def _picture(title: str, png: bytes) -> Iterator[Part]:
    yield tag("h2", title)
    yield tag("img", src=f"data:image/png;base64,{base64.b64encode(png).decode()}", alt=title)


def _curve(report: Report, metric: str) -> Iterator[Part]:
    """The learning curve, where models learnt from different numbers of samples; the base stands at none."""
    rows = report.scores.filter(metric=metric, split="test").to_dicts()
    found = [(report.labels.get(row["model"]), row) for row in rows]
    base = [(0, row) for count, row in found if count is None and row["model"].startswith("base")][:1]
    curve = sorted(base + [(count, row) for count, row in found if count is not None], key=lambda pair: pair[0])
    if len({count for count, _ in curve}) > 2:
        told = [(count, row["value"], row["low"], row["high"]) for count, row in curve]
        yield from _picture("What more labels brought", learned(told, metric))


def _judged(report: Report) -> Iterator[Part]:
    if report.win_rates is None or report.win_rates.is_empty():
        return
    yield tag("h2", "Preferred")
    rows = [
        (
            row["judge"],
            f"{row['model_b']} over {row['model_a']}",
            _figure(row["value"]),
            _ends(row["low"], row["high"]),
            _figure(row["controlled"]),
            _ends(row["controlled_low"], row["controlled_high"]),
            _figure(row["flipped"]),
            f"{row['n']:,}",
            f"{row['failed']:,}",
        )
        for row in report.win_rates.to_dicts()
    ]
    head = (
        "judge",
        "preferred",
        "share",
        "interval",
        "at equal length",
        "interval",
        "went with the order",
        "pairs",
        "no verdict",
    )
    yield table(head, rows, range(2, 9))
    for rows_of, columns in (
        (report.ratings, ("judge", "model", "rating", "low", "high", "wins", "ties", "losses")),
        (report.agreement, ("judge", "sliced_by", "slice", "n", "agreement", "kappa", "low", "high", "may_gate")),
    ):
        if rows_of is not None and rows_of.height:
            shown = [tuple(_cell(row[name]) for name in columns) for row in rows_of.to_dicts()]
            yield table(columns, shown, range(2, len(columns)))


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
            _figure(row["difference"]),
            _ends(row["low"], row["high"]),
            _visible(row),
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
            _figure(row["value_b"]),
            _figure(row["value_a"]),
            _figure(row["difference"]),
            _ends(row["low"], row["high"]),
            f"{row['n']:,}",
        )
        for row in slices.filter(metric=metric).to_dicts()
    ]
    head = ("sliced by", "slice", "difference of", "its own", "the other's", "difference", "interval", "samples")
    return table(head, rows, range(3, 8))


def _side_by_side(report: Report) -> Iterator[Part]:
    answers = {name: _answers(rows) for name, rows in report.contestants.items()}
    common = [set(each) for each in answers.values()]
    names = set.intersection(*common) if common else set()
    chosen = drawn(report.samples.filter(pl.col("sample_id").is_in(list(names))), 0, SHOWN)
    yield from _examples(chosen, answers)


def _examples(
    chosen: pl.DataFrame, answers: Mapping[str, Mapping[str, str]], beside: Mapping[str, str] | None = None
) -> Iterator[Part]:
    for name, question, reference in chosen.select("sample_id", question_text(), "reference").iter_rows():
        rows = [("reference", reference or ""), *((model, given.get(name, "")) for model, given in answers.items())]
        told = f"{question.strip().splitlines()[0][:100] if question.strip() else name}{(beside or {}).get(name, '')}"
        cells = [(who, tag("code", said)) for who, said in rows]
        yield folded(told, tag("p", tag("code", question)), table(("who", "answer"), cells), opened=False)


def _answers(rows: pl.DataFrame) -> dict[str, str]:
    return dict(
        rows.filter((pl.col("purpose") == "test") & pl.col("output").is_not_null())
        .select("sample_id", "output")
        .iter_rows()
    )


def _losses(report: Report, metric: str) -> Iterator[Part]:
    """Of each contestant the samples in which it falls furthest behind the first."""
    names = list(report.contestants)
    sign = 1 if METRICS[metric].higher_is_better else -1
    values = report.sample_scores.filter(metric=metric, split="test").drop_nulls("value")
    answers = {name: _answers(rows) for name, rows in report.contestants.items()}
    for name in names[1:]:
        both = values.filter(model=names[0]).join(values.filter(model=name), on="sample_id", suffix="_own")
        lost = both.with_columns(lost=sign * (pl.col("value") - pl.col("value_own"))).filter(pl.col("lost") > 0)
        worst = lost.sort("lost", "sample_id", descending=[True, False]).head(SHOWN)
        yield tag("h3", f"{name} against {names[0]}: {worst.height} of {lost.height:,} losses")
        beside = {
            row["sample_id"]: f" — {metric} {row['value']:.3g} → {row['value_own']:.3g}" for row in worst.to_dicts()
        }
        chosen = worst.select("sample_id").join(report.samples, on="sample_id", maintain_order="left")
        yield from _examples(chosen, {each: answers[each] for each in (names[0], name)}, beside)


def _figure(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


def _cell(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else _figure(value)


def _ends(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{low:.3g} to {high:.3g}"
