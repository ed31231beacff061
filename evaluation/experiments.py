"""A grid of model x prompt x retriever x sampling: every cell asked the same validation samples, and what each factor does.

The effect of a level is the mean difference from the first level over all cells that differ in this alone, sample by sample
(a paired comparison of main effects), so it rests on every cell of the grid and not on the best one. The best cell is
chosen here, on validation; the test split meets that one alone, once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import polars as pl

from evaluation.comparisons import DIGITS, adjusted, estimated, fields, unless_alike
from evaluation.inference import GenerationSettings
from evaluation.loading import Precision
from evaluation.metrics import METRICS, sample_metrics
from evaluation.retrieval import Retriever
from evaluation.statistics import BootstrapSettings, mean_interval, paired_difference
from evaluation.unit_tests import Runner

FACTORS = ("model", "prompt", "retriever", "sampling")

CELLS = {
    "cell": pl.String(),
    **dict.fromkeys(FACTORS, pl.String()),
    "metric": pl.String(),
    "value": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "n": pl.Int64(),
    "failed": pl.Int64(),
    "seconds": pl.Float64(),
    "chosen": pl.Boolean(),
}
"""The schema of cells: the score on validation, how many answers failed, and the mean seconds of an answer."""

EFFECTS = {
    "factor": pl.String(),
    "level": pl.String(),
    "against": pl.String(),
    "metric": pl.String(),
    "difference": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "p_value": pl.Float64(),
    "p_adjusted": pl.Float64(),
    "detectable": pl.Float64(),
    "n": pl.Int64(),
    "cells": pl.Int64(),
}
"""The schema of effects: what a level of a factor has over the factor's first one, over `cells` pairs of cells and n samples;
`p_adjusted` is the p-value among all effects of the table."""


@dataclass(frozen=True)
class SamplingSettings:
    """One way of asking."""

    # 0 takes the likeliest token; above 0 draws
    temperature: float = 0.0
    # seed of the draws
    seed: int = 0
    # number format of the weights; int8 quantises the linear layers, on a CPU
    precision: Precision = "bfloat16"

    @property
    def name(self) -> str:
        """What tables call it."""
        drawn = f" seed {self.seed}" if self.temperature else ""
        return f"{self.precision} t{self.temperature:g}{drawn}"


@dataclass(frozen=True)
class ExperimentSettings:
    """One entry of `experiments`: the levels of each factor."""

    # what it is called: letters, digits and underscores
    name: str
    # entries of `models`, bases by their asset's name, and `endpoints`; all models and bases when empty
    models: tuple[str, ...] = ()
    # prompt files by name; `none` asks the sample as it is
    prompts: tuple[str, ...] = ("none",)
    # how passages are found: none, bm25, embedding
    retrievers: tuple[Retriever, ...] = ("none",)
    # ways of asking
    sampling: tuple[SamplingSettings, ...] = (SamplingSettings(),)
    # validation samples that every cell answers
    samples: int = 24
    # draws them
    seed: int = 0


@dataclass(frozen=True)
class Cell:
    """One combination of levels."""

    model: str
    prompt: str
    retriever: Retriever
    sampling: SamplingSettings = field(default_factory=SamplingSettings)

    @property
    def name(self) -> str:
        """What tables call it."""
        return " | ".join((self.model, self.prompt, self.retriever, self.sampling.name))

    @property
    def levels(self) -> dict[str, str]:
        """The level of each factor."""
        return dict(zip(FACTORS, (self.model, self.prompt, self.retriever, self.sampling.name), strict=True))

    def generation(self, settings: GenerationSettings) -> GenerationSettings:
        """How a model is asked in this cell."""
        how = self.sampling
        return GenerationSettings(
            **{**vars(settings), "temperature": how.temperature, "seed": how.seed, "precision": how.precision}
        )


def grid(
    experiment: ExperimentSettings, models: Sequence[str], prompts: Sequence[str], endpoints: Sequence[str] = ()
) -> list[Cell]:
    """All cells, in the order of the file.

    Raises:
        ValueError: a level is named that there is not, or twice, or an endpoint is to be quantised.
    """
    chosen = experiment.models or tuple(models)
    levels: Mapping[str, tuple[Sequence[object], Sequence[object]]] = {
        "models": (chosen, [*models, *endpoints]),
        "prompts": (experiment.prompts, ["none", *prompts]),
        "retrievers": (experiment.retrievers, experiment.retrievers),
        "sampling": (experiment.sampling, experiment.sampling),
    }
    for name, (named, known) in levels.items():
        if not named or len(set(named)) < len(named):
            raise ValueError(f"experiments: {experiment.name}: {name}: name each level once, and at least one")
        if unknown := [each for each in named if each not in known]:
            raise ValueError(
                f"experiments: {experiment.name}: {name}: there is no {unknown[0]!r}; there are: {', '.join(map(str, known))}"
            )
    served = [name for name in chosen if name in endpoints]
    if served and any(each.precision != SamplingSettings.precision for each in experiment.sampling):
        raise ValueError(
            f"experiments: {experiment.name}: sampling: nobody here sets the precision of the endpoint {served[0]!r}; "
            "give other precisions an experiment of their own"
        )
    return [Cell(*levels) for levels in product(chosen, experiment.prompts, experiment.retrievers, experiment.sampling)]


def score_cells(
    cells: Sequence[Cell],
    outputs: pl.DataFrame,
    samples: pl.DataFrame,
    metric: str,
    settings: BootstrapSettings,
    run_tests: Runner | None = None,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Every cell's score (CELLS) and every factor's effect (EFFECTS); `outputs` has the cell's name as `cell`."""
    values = {}
    for cell in cells:
        found = sample_metrics(outputs.filter(cell=cell.name), samples, run_tests=run_tests)
        values[cell.name] = found.filter(metric=metric).drop_nulls("value").sort("sample_id")
    rows = [_cell(cell, values[cell.name], outputs.filter(cell=cell.name), metric, settings) for cell in cells]
    best = _best(values, metric)
    table = pl.DataFrame([row | {"chosen": row["cell"] == best} for row in rows], schema=CELLS)
    return table, adjusted(pl.DataFrame(list(_effects(cells, values, metric, settings)), schema=EFFECTS))


def _best(values: Mapping[str, pl.DataFrame], metric: str) -> str | None:
    """The cell with the best score on the samples that all answered who answered any; on its own ones, where there are none
    in common. By its own alone a cell would win that fails where others are wrong."""
    answered = {name: rows for name, rows in values.items() if rows.height}
    sign = -1 if METRICS[metric].higher_is_better else 1
    common = set.intersection(*(set(rows["sample_id"]) for rows in answered.values())) if answered else set()
    scores: dict[str, float] = {}
    for name, rows in answered.items():
        own = rows.filter(pl.col("sample_id").is_in(list(common))) if common else rows
        scores[name] = float(np.average(own["value"].to_numpy(), weights=own["weight"].to_numpy()))
    return min(scores, key=lambda name: (sign * round(scores[name], DIGITS), name), default=None)


def _cell(
    cell: Cell, values: pl.DataFrame, outputs: pl.DataFrame, metric: str, settings: BootstrapSettings
) -> dict[str, object]:
    kind = METRICS[metric]
    numbers = values["value"].to_numpy()
    found = mean_interval(numbers, values["weight"].to_numpy(), None, kind.transform, settings)
    found = estimated(numbers, found, metric, settings.confidence)
    seconds = outputs.drop_nulls("output")["seconds"].mean()
    about = {"cell": cell.name, **cell.levels, "metric": metric, "failed": outputs["error"].count()}
    return about | fields(found) | {"seconds": round(float(seconds), 4) if isinstance(seconds, float) else None}


def _effects(
    cells: Sequence[Cell], values: Mapping[str, pl.DataFrame], metric: str, settings: BootstrapSettings
) -> Iterator[dict[str, object]]:
    for factor in FACTORS:
        levels = list(dict.fromkeys(cell.levels[factor] for cell in cells))
        for level in levels[1:]:
            pairs = list(_pairs(cells, factor, levels[0], level))
            both = pl.concat([_both(values[first.name], values[second.name]) for first, second in pairs])
            means = both.group_by("sample_id").agg(pl.col("a", "b").mean()).sort("sample_id")
            if means.height:
                first, second = means["a"].to_numpy(), means["b"].to_numpy()
                found = paired_difference(first, second, settings=settings)
                found = unless_alike(found, second - first, metric, settings.confidence)
                known = {name: value for name, value in fields(found).items() if name in EFFECTS}
                yield {
                    "factor": factor,
                    "level": level,
                    "against": levels[0],
                    "metric": metric,
                    "cells": len(pairs),
                } | known


def _pairs(cells: Sequence[Cell], factor: str, first: str, second: str) -> Iterator[tuple[Cell, Cell]]:
    """Cells that differ in this factor alone."""
    by_rest: dict[tuple[str, ...], dict[str, Cell]] = {}
    for cell in cells:
        rest = tuple(level for name, level in cell.levels.items() if name != factor)
        by_rest.setdefault(rest, {})[cell.levels[factor]] = cell
    for found in by_rest.values():
        if first in found and second in found:
            yield found[first], found[second]


def _both(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    joined = first.join(second, on="sample_id", suffix="_b")
    return joined.select("sample_id", a="value", b=pl.col("value_b")).with_columns(pl.col("a", "b").round(DIGITS))
