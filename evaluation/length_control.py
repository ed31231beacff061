"""How often one model is preferred to another, with what length alone explains taken out.

Judges, and people, prefer longer answers. As length-controlled AlpacaEval does (Dubois et al. 2024, "Length-Controlled
AlpacaEval", eq. 2), the preference is a logistic regression on who wrote the answer and on tanh of the standardised
difference in length; the controlled win rate is what the fit says where both are equally long. Its third term, the
difficulty of each instruction, is estimated there from a hundred models; here are few, so it is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evaluation.statistics import BootstrapSettings, Estimate

Floats = npt.NDArray[np.float64]

RIDGE = 0.01
STEPS = 50


@dataclass(frozen=True)
class Controlled:
    """The share won, the share won at equal length, and the effect of length (logits from far shorter to equal)."""

    raw: Estimate
    controlled: Estimate
    length_effect: Estimate


def length_controlled(wins: Floats, lengths: Floats, rival_lengths: Floats, settings: BootstrapSettings) -> Controlled:
    """Win rates of one model over another on the same samples: `wins` (n,) of 1, 0 or 0.5, lengths (n,) in characters.

    Intervals are percentiles over resamples of the samples. Where all differences in length are equal, nothing can be told
    of length, and the controlled win rate is the raw one.
    """
    n = len(wins)
    if not n:
        nothing = Estimate(None, None, None, 0)
        return Controlled(nothing, nothing, nothing)
    difference = lengths - rival_lengths
    spread = difference.std()
    term = np.tanh(difference / spread) if spread > 0 else np.zeros(n)
    rng = np.random.default_rng([settings.seed, 4])
    counts = rng.multinomial(n, np.full(n, 1 / n), size=settings.resamples).astype(np.float64)
    weights = np.vstack([np.ones(n), counts])
    raw, fitted = weights @ wins / n, _logistic(wins, term, weights)
    at_equal = 1 / (1 + np.exp(-fitted[:, 0]))
    return Controlled(*(_estimate(each, n, settings) for each in (raw, at_equal, fitted[:, 1])))


def _logistic(wins: Floats, term: Floats, weights: Floats) -> Floats:
    """Intercept and slope (fits, 2) of weighted logistic regressions with a small ridge; `weights` is (fits, n)."""
    beta = np.zeros((len(weights), 2))
    columns = np.stack([np.ones_like(term), term])
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(beta @ columns)))
        gradient = (weights * (chance - wins)) @ columns.T + RIDGE * beta
        curve = weights * chance * (1 - chance)
        hessian = np.einsum("rn,in,jn->rij", curve, columns, columns, optimize=True) + RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        beta -= np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    return beta


def _estimate(values: Floats, n: int, settings: BootstrapSettings) -> Estimate:
    """The first is of the data, the others of its resamples."""
    tail = (1 - settings.confidence) / 2
    if n < 2:
        return Estimate(float(values[0]), None, None, n)
    low, high = np.quantile(values[1:], [tail, 1 - tail])
    return Estimate(float(values[0]), float(low), float(high), n)
