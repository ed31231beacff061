"""Which samples are drafted for people: those that a share of the budget draws at random, and those that a policy wants.

What people say of the random ones holds for all samples that wait. They are the first of the drawn order, which is a
hash of seed and sample: the same in any order of rows, and little moved by a new sample.
"""

from __future__ import annotations

import math

import polars as pl

from annotation.routing.policies import Evidence, in_order
from annotation.routing.shown import draw
from annotation.settings import RoutingSettings


def waiting_samples(samples: pl.DataFrame) -> pl.DataFrame:
    """The samples that people may be asked about: open ones without a reference, each once."""
    is_waiting = (pl.col("openness") == "open") & pl.col("reference").is_null()
    return samples.filter(is_waiting).unique("sample_id", keep="any")


def random_part(settings: RoutingSettings, of: int) -> int:
    """How many of so many are drawn at random."""
    return of if settings.policy == "random" else math.ceil(settings.random_share * of)


def in_drawn_order(samples: pl.DataFrame, seed: int) -> pl.DataFrame:
    """The samples by their draws."""
    draws = pl.Series("_draw", [draw(seed, name) for name in samples["sample_id"]], dtype=pl.String)
    return samples.with_columns(draws).sort("_draw").drop("_draw")


def choose_samples(
    samples: pl.DataFrame, settings: RoutingSettings, feedback: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The samples worth drafting: `budget` and `spare` of those that wait; all columns are kept.

    `samples` needs sample_id, openness, reference, messages and slice. A policy that looks at drafts has none to look at
    yet, so it is given samples in the drawn order.
    """
    wanted = settings.budget + settings.spare
    drawn = in_drawn_order(waiting_samples(samples), settings.seed)
    first = drawn.head(random_part(settings, wanted))
    others = drawn.slice(first.height)
    if settings.policy in ("diversity", "coverage", "feedback"):
        order = in_order(settings.policy, others, settings.seed, Evidence(feedback=feedback), first)
        names = pl.DataFrame({"sample_id": [name for name, _ in order]}, schema={"sample_id": pl.String})
        others = names.join(others, on="sample_id", maintain_order="left").select(drawn.columns)
    return pl.concat([first, others.head(wanted - first.height)])
