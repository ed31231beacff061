"""Mixtures: how much of each source or slice a model is trained on, by weights or by budgets of tokens.

Weights are shares of the tokens, not of the rows, as in the published mixtures (Raffel et al. 2020, section 3.5.2; Xie et
al. 2023). What a part has too little of is gone through more than once, up to a limit: up to four times repeated data are
worth nearly as much as new ones (Muennighoff et al. 2023). Which rows are taken once more is drawn by seed and id, so
that rows which come later change little of what was drawn before. Tokens are bytes by a fixed ratio here, for a release
knows no tokenizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from curation.release_kinds import COPIES
from records import digests

MIX = pl.Schema(
    {
        "part": pl.String(),
        "rows": pl.Int64(),
        "tokens": pl.Int64(),
        "wanted_share": pl.Float64(),
        "share": pl.Float64(),
        "rows_taken": pl.Int64(),
        "tokens_taken": pl.Int64(),
        "copies": pl.Float64(),
    }
)
"""What was there of a part, the share that was asked for, and what was taken: `copies` is tokens taken for each there."""


@dataclass(frozen=True)
class MixtureSettings:
    """What the training split is made of. With nothing set, every row is taken once."""

    # what weights and budgets are given by: the `source` of a row, or its `slice`
    by: Literal["source", "slice"] = "source"
    # shares of the training tokens, in proportion; a part that is not named has the weight 1, one of weight 0 is left out
    weights: dict[str, float] = field(default_factory=dict)
    # most tokens of a part; a part with fewer is gone through again, up to `max_copies` times
    budgets: dict[str, int] = field(default_factory=dict)
    # most tokens in all; None: as many as the other limits allow
    tokens: int | None = None
    # how often a row is taken at most
    max_copies: int = 1
    # bytes of UTF-8 that count as a token
    bytes_per_token: float = 4.0
    # draws the rows that are taken where not all are
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ValueError for what cannot be meant."""
        if min([0.0, *self.weights.values()]) < 0 or (self.weights and not any(self.weights.values())):
            raise ValueError("weights: give 0 or more, and at least one over 0")
        if min([1, *self.budgets.values(), 1 if self.tokens is None else self.tokens]) < 1:
            raise ValueError("budgets and tokens: give 1 or more; a part of weight 0 is left out")
        if self.max_copies < 1 or self.bytes_per_token <= 0:
            raise ValueError("max_copies must be 1 or more, and bytes_per_token over 0")

    @property
    def takes_all(self) -> bool:
        """Whether nothing is asked for."""
        return not self.weights and not self.budgets and self.tokens is None


def mixed(
    rows: pl.DataFrame, parts: pl.Series, size: pl.Series, key: str, settings: MixtureSettings
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows of a mixture, with `copies` where some are taken more than once, and what was achieved (`MIX`; nothing, where
    nothing is asked for).

    `rows` have `split` and the column `key`, which names a row; of each row `parts` says the part (null counts as
    "unknown") and `size` the bytes. Only rows of the split `train` are weighed; all others are taken once.
    """
    if settings.takes_all:
        return rows, MIX.to_frame()
    told = rows.select(key, "split").with_columns(
        part=parts.fill_null("unknown"), tokens=(size / settings.bytes_per_token).ceil().clip(1).cast(pl.Int64)
    )
    training = told.filter(split="train")
    there = training.group_by("part").agg(rows=pl.len().cast(pl.Int64), tokens=pl.col("tokens").sum()).sort("part")
    wanted = _wanted({part: tokens for part, _, tokens in there.iter_rows()}, settings)
    taken = _taken(training, wanted, key, settings)
    chosen = rows.join(taken.select(key, COPIES), on=key, how="left", maintain_order="left")
    chosen = chosen.with_columns(pl.when(pl.col("split") == "train").then(COPIES).otherwise(1).alias(COPIES))
    chosen = chosen.filter(pl.col(COPIES) > 0)
    most = chosen[COPIES].max()
    return (chosen if isinstance(most, int) and most > 1 else chosen.drop(COPIES)), _achieved(there, taken, settings)


def _wanted(there: Mapping[str, int], settings: MixtureSettings) -> dict[str, float]:
    """The tokens that each part shall give, by the limits of all."""
    caps = {part: float(min(settings.max_copies * tokens, settings.budgets.get(part, settings.max_copies * tokens))) for part, tokens in there.items()}  # fmt: skip
    if not settings.weights:
        caps = {part: cap if part in settings.budgets else float(there[part]) for part, cap in caps.items()}
        total = sum(caps.values())
        scale = 1.0 if settings.tokens is None or not total else min(1.0, settings.tokens / total)
        return {part: cap * scale for part, cap in caps.items()}
    weights = {part: settings.weights.get(part, 1.0) for part in there}
    sums = sum(weights.values())
    total = min((caps[part] * sums / weight for part, weight in weights.items() if weight), default=0.0)
    total = total if settings.tokens is None else min(total, settings.tokens)
    return {part: total * weight / sums if sums else 0.0 for part, weight in weights.items()}


def _taken(training: pl.DataFrame, wanted: Mapping[str, float], key: str, settings: MixtureSettings) -> pl.DataFrame:
    """The training rows with `copies`: whole passes over a part, and of the last one what the seed draws."""
    order = digests("mixture", str(settings.seed), of=training[key]).alias("order")
    goals = pl.DataFrame(
        {"part": list(wanted), "wanted": list(wanted.values())}, schema={"part": pl.String, "wanted": pl.Float64}
    )
    ordered = training.with_columns(order).join(goals, on="part").sort("part", "order")
    of_part = pl.col("tokens").sum().over("part")
    passes = (pl.col("wanted") / of_part + 1e-9).floor()
    rest = pl.col("wanted") - passes * of_part
    fits = pl.col("tokens").cum_sum().over("part") <= rest + 1e-6
    return ordered.with_columns((passes.cast(pl.Int64) + fits.cast(pl.Int64)).alias(COPIES))


def _achieved(there: pl.DataFrame, taken: pl.DataFrame, settings: MixtureSettings) -> pl.DataFrame:
    is_taken = pl.col(COPIES)
    got = taken.group_by("part").agg(
        rows_taken=is_taken.sum(), tokens_taken=(pl.col("tokens") * is_taken).sum(), wanted=pl.col("wanted").first()
    )
    both = there.join(got, on="part", how="left").with_columns(pl.col("rows_taken", "tokens_taken").fill_null(0))
    named = sorted(({*settings.weights, *settings.budgets}) - set(there["part"]))
    absent = pl.DataFrame({"part": named}, schema={"part": pl.String})
    whole = pl.concat([both, absent], how="diagonal").with_columns(
        pl.col("rows", "tokens", "rows_taken", "tokens_taken").fill_null(0), pl.col("wanted").fill_null(0.0)
    )
    return (
        whole.with_columns(
            wanted_share=_part_of("wanted"),
            share=_part_of("tokens_taken"),
            copies=pl.col("tokens_taken") / pl.col("tokens").clip(1),
        )
        .select(MIX.names())
        .cast(MIX)
        .sort("part")
    )


def _part_of(column: str) -> pl.Expr:
    whole = pl.col(column).sum()
    return pl.when(whole > 0).then(pl.col(column) / whole).otherwise(0.0)
