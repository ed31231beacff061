"""Ratings from comparisons of two: Bradley-Terry with ties, on Elo's scale, with intervals.

The model is Davidson's (1970, "On Extending the Bradley-Terry Model to Accommodate Ties", eq. 2.2): with strengths p and a
common nu, i beats j with probability p_i / (p_i + p_j + nu sqrt(p_i p_j)), and they tie with nu sqrt(p_i p_j) over the
same. It is fitted by Newton's method on the logarithms, all resamples of the bootstrap at once, which is why no package
fits it: evalica and choix fit one table at a time (choix without ties, evalica with a tie as two half wins) and bring
scipy and pandas for it. Without ties the fit is Bradley and Terry's, as choix gives it (a test holds it to that).

Whoever never lost has no finite strength (Ford 1957). So each strength has a weak Gaussian prior (PRIOR, a spread of ten
on the logarithm), which moves a rating of ordinary data by less than a thousandth of its error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from evaluation.statistics import CHUNK, BootstrapSettings

Floats = npt.NDArray[np.float64]

ELO, CENTRE = 400 / np.log(10), 1000.0
PRIOR = 0.01
STEPS, ENOUGH = 100, 1e-9

BATTLES = {"sample_id": pl.String(), "model_a": pl.String(), "model_b": pl.String(), "win": pl.Float64()}
"""The schema of battles: `win` is what a got, 1, 0, or 0.5 for a tie."""

RATINGS = {
    "model": pl.String(),
    "rating": pl.Float64(),
    "low": pl.Float64(),
    "high": pl.Float64(),
    "wins": pl.Int64(),
    "ties": pl.Int64(),
    "losses": pl.Int64(),
}
"""The schema of `rate`: ratings on Elo's scale (400 points are odds of ten to one), 1000 in the mean of all."""


class NotConnectedError(ValueError):
    """There are models that were never compared with the others, not even by way of third ones."""


def rate(battles: pl.DataFrame, settings: BootstrapSettings) -> pl.DataFrame:
    """The rating of each model in battles (BATTLES), with its interval (RATINGS), the strongest first.

    Whole samples are resampled, for battles on one sample are not independent.

    Raises:
        NotConnectedError: the comparisons fall apart into groups that never met; their ratings could not be compared.
    """
    models = sorted({*battles["model_a"], *battles["model_b"]})
    if not models:
        return pl.DataFrame(schema=RATINGS)
    check_connected(models, battles)
    wins, ties = _by_sample(battles, models)
    strengths = fit(wins.sum(axis=0)[None], ties.sum(axis=0)[None])[0][0]
    resampled = _resampled_strengths(wins, ties, settings)
    tail = (1 - settings.confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
    won, tied = wins.sum(axis=0), ties.sum(axis=0)
    table = pl.DataFrame(
        {
            "model": models,
            **{
                name: np.round(CENTRE + ELO * each, 6)
                for name, each in (("rating", strengths), ("low", low), ("high", high))
            },
            "wins": won.sum(axis=1).astype(np.int64),
            "ties": tied.sum(axis=1).astype(np.int64),
            "losses": won.sum(axis=0).astype(np.int64),
        },
        schema=RATINGS,
    )
    return table.sort("rating", "model", descending=[True, False])


def check_connected(models: Sequence[str], battles: pl.DataFrame) -> None:
    """Raise NotConnectedError when there is no path of comparisons between some two models."""
    groups = {model: {model} for model in models}
    for a, b in battles.select("model_a", "model_b").unique(maintain_order=True).iter_rows():
        together = groups[a] | groups[b]
        groups |= dict.fromkeys(together, together)
    apart = sorted({", ".join(sorted(group)) for group in groups.values()})
    if len(apart) > 1:
        raise NotConnectedError(f"nobody compared [{'] with ['.join(apart)}]: compare one of each, or rate them apart")


def fit(wins: Floats, ties: Floats) -> tuple[Floats, Floats]:
    """Log-strengths (tables, models), of mean zero, and Davidson's nu (tables,).

    `wins` (tables, models, models) counts how often the row beat the column; `ties` likewise, symmetric.
    """
    tables, models, _ = wins.shape
    games = wins + wins.transpose(0, 2, 1) + ties
    points = wins.sum(axis=2) + ties.sum(axis=2) / 2
    tied = ties.sum(axis=(1, 2)) / 2
    x = np.zeros((tables, models + 1))
    x[:, models] = np.log(np.maximum(tied, 0.5) / np.maximum(games.sum(axis=(1, 2)) / 2, 1))
    for _ in range(STEPS):
        step = _newton_step(x, games, points, tied)
        x -= np.clip(step, -2, 2)
        if np.abs(step).max() < ENOUGH:
            break
    strengths = x[:, :models] - x[:, :models].mean(axis=1, keepdims=True)
    return strengths, np.where(tied > 0, np.exp(x[:, models]), 0.0)


def _newton_step(x: Floats, games: Floats, points: Floats, tied: Floats) -> Floats:
    """Inverse Hessian times gradient of the negative log-posterior, per table; nu stays at zero where nobody tied."""
    models = x.shape[1] - 1
    strength, any_tie = x[:, :models], tied > 0
    nu = np.where(any_tie, np.exp(x[:, models]), 0.0)[:, None, None]
    half = (strength[:, :, None] - strength[:, None, :]) / 2
    up, down = np.exp(half), np.exp(-half)
    total = up + down + nu
    win, tie = up / total, nu / total
    expected = (games * (win + tie / 2)).sum(axis=2)
    gradient = np.concatenate(
        [expected - points + PRIOR * strength, ((games * tie).sum(axis=(1, 2)) / 2 - tied)[:, None]], axis=1
    )
    lose = down / total
    spread = games * ((win + lose) - (win - lose) ** 2) / 4
    mixed = (games * tie * (lose - win)).sum(axis=2) / 2
    hessian = np.zeros((len(x), models + 1, models + 1))
    hessian[:, :models, :models] = -spread
    place = np.arange(models)
    hessian[:, place, place] = spread.sum(axis=2) - spread[:, place, place] + PRIOR
    hessian[:, :models, models] = hessian[:, models, :models] = mixed
    hessian[:, models, models] = (games * tie * (1 - tie)).sum(axis=(1, 2)) / 2 + PRIOR * 1e-3
    gradient[:, models] = np.where(any_tie, gradient[:, models], 0.0)
    solved: Floats = np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return solved


def _by_sample(battles: pl.DataFrame, models: Sequence[str]) -> tuple[Floats, Floats]:
    """Wins and ties, each (samples, models, models)."""
    places: Mapping[str, int] = {model: place for place, model in enumerate(models)}
    names = {name: place for place, name in enumerate(sorted(battles["sample_id"].unique()))}
    wins = np.zeros((len(names), len(models), len(models)))
    ties = np.zeros_like(wins)
    for sample, a, b, win in battles.select(BATTLES.keys()).iter_rows():
        row, i, j = names[sample], places[a], places[b]
        if win == 0.5:
            ties[row, i, j] += 1
            ties[row, j, i] += 1
        else:
            wins[row, i, j] += win
            wins[row, j, i] += 1 - win
    return wins, ties


def _resampled_strengths(wins: Floats, ties: Floats, settings: BootstrapSettings) -> Floats:
    rng = np.random.default_rng([settings.seed, 3])
    samples, models, _ = wins.shape
    flat = np.hstack([wins.reshape(samples, -1), ties.reshape(samples, -1)])
    parts = []
    step = max(1, CHUNK // samples)
    for start in range(0, settings.resamples, step):
        rows = min(step, settings.resamples - start)
        drawn = (rng.multinomial(samples, np.full(samples, 1 / samples), size=rows) @ flat).reshape(
            rows, 2, models, models
        )
        parts.append(fit(drawn[:, 0], drawn[:, 1])[0])
    return np.concatenate(parts)
