"""Answers to read: twenty samples side by side, and the samples in which a contestant lost most."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from evaluation.judging import question_text
from evaluation.metrics import METRICS
from evaluation.report_figures import figure
from evaluation.selection import drawn
from pages import Html, Part, folded, table, tag

SHOWN = 20
"""Outputs side by side, and losses."""

Answers = Mapping[str, Mapping[str, str]]


def side_by_side(
    samples: pl.DataFrame, contestants: Mapping[str, pl.DataFrame], sample_scores: pl.DataFrame
) -> Iterator[Part]:
    """Twenty samples that all answered, of those who answered any; whoever did not is named."""
    answers = {name: _answers(rows) for name, rows in contestants.items()}
    if silent := [name for name, given in answers.items() if not given]:
        yield tag("p", f"Without an answer: {', '.join(silent)}.")
    names = set.intersection(*(set(given) for given in answers.values() if given)) if any(answers.values()) else set()
    chosen = drawn(samples.filter(pl.col("sample_id").is_in(list(names))), 0, SHOWN)
    yield from _examples(chosen, answers, _scored(sample_scores))


def losses(
    samples: pl.DataFrame, contestants: Mapping[str, pl.DataFrame], sample_scores: pl.DataFrame, metric: str
) -> Iterator[Part]:
    """Of each contestant the samples in which it falls furthest behind the first, the worst first."""
    names = list(contestants)
    sign = 1 if METRICS[metric].higher_is_better else -1
    values = sample_scores.filter(metric=metric, split="test").drop_nulls("value")
    answers = {name: _answers(rows) for name, rows in contestants.items()}
    for name in names[1:]:
        both = values.filter(model=names[0]).join(values.filter(model=name), on="sample_id", suffix="_own")
        lost = both.with_columns(lost=sign * (pl.col("value") - pl.col("value_own"))).filter(pl.col("lost") > 0)
        worst = lost.sort("lost", "sample_id", descending=[True, False]).head(SHOWN)
        yield tag("h3", f"{name} against {names[0]}: {worst.height} of {lost.height:,} losses")
        said = f"It is behind by {metric} in {lost.height:,} of {both.height:,} samples."
        yield tag("p", said, class_="quiet")
        beside = {
            row["sample_id"]: f" — {metric} {row['value']:.3g} → {row['value_own']:.3g}" for row in worst.to_dicts()
        }
        chosen = worst.select("sample_id").join(samples, on="sample_id", maintain_order="left")
        yield from _examples(chosen, {each: answers[each] for each in (names[0], name)}, _scored(sample_scores), beside)


def _examples(
    chosen: pl.DataFrame,
    answers: Answers,
    scored: Mapping[tuple[str, str], str],
    beside: Mapping[str, str] | None = None,
) -> Iterator[Part]:
    for name, question, reference in chosen.select("sample_id", question_text(), "reference").iter_rows():
        rows = [("reference", _said(reference or ""), "")]
        rows += [(model, _said(given.get(name, "")), scored.get((name, model), "")) for model, given in answers.items()]
        told = f"{_line(question, 90) or name}{(beside or {}).get(name) or f' → {_line(reference or str(), 60)}'}"
        yield folded(told, tag("p", _said(question)), table(("who", "answer", "score"), rows), opened=False)


def _said(text: str) -> Html:
    """A text as it was said, line by line."""
    return tag("code", text, style="white-space: pre-wrap")


def _line(text: str, longest: int) -> str:
    """The first line of a text, as far as it is shown."""
    first = text.strip().partition("\n")[0]
    return first if len(first) <= longest else first[: longest - 1] + "…"


def _answers(rows: pl.DataFrame) -> dict[str, str]:
    given = rows.filter((pl.col("purpose") == "test") & pl.col("output").is_not_null())
    return dict(given.select("sample_id", "output").iter_rows())


def _scored(sample_scores: pl.DataFrame) -> dict[tuple[str, str], str]:
    """By sample and contestant what the answer gave, by the first metric that it has."""
    places = {metric: place for place, metric in enumerate(METRICS)}
    known = sample_scores.filter(pl.col("split") == "test", pl.col("metric").is_in(list(places)))
    first = (
        known.drop_nulls("value")
        .with_columns(place=pl.col("metric").replace_strict(places))
        .sort("place")
        .unique(["sample_id", "model"], keep="first", maintain_order=True)
    )
    rows = first.select("sample_id", "model", "metric", "value").iter_rows()
    return {(sample, model): f"{metric} {figure(value)}" for sample, model, metric, value in rows}
