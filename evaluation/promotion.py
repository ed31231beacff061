"""Which model is promoted: rules that are stated beforehand, each with what was found and what was asked.

A candidate takes the place of the model that stands there now when every rule passes: it is better with confidence (by
the p-value among all comparisons), no slice is surely worse than by a margin, little of its test samples was seen in training,
and it answers fast enough. A rule about which nothing is known fails. What a person decides over the rules stands beside
them, with its reason. It holds for that version of the model, against all that stood when it was decided: the rules had
their say of those. A version that came since is a candidate, and takes the place when every rule passes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from evaluation.comparisons import by_metric, compare, compare_slices, points
from evaluation.metrics import METRICS
from evaluation.statistics import BootstrapSettings

SURE = 0.05

PROMOTED = {
    "model": pl.String(),
    "version": pl.String(),
    "weights": pl.String(),
    "asked_as": pl.String(),
    "over": pl.String(),
    "decision": pl.String(),
    "reason": pl.String(),
}
"""The schema of the promoted model: one row. `weights` is the version of the weights that answer, `asked_as` the prompt around
them, or the cell of an experiment. `over` is the model that it was held against; `decision` is `rules` (all passed),
`overruled` (a person's), `kept` (no candidate passed) or `first` (there was none before)."""

RULES = {
    "candidate": pl.String(),
    "version": pl.String(),
    "against": pl.String(),
    "rule": pl.String(),
    "passed": pl.Boolean(),
    "found": pl.Float64(),
    "asked": pl.Float64(),
    "said": pl.String(),
}
"""The schema of the evidence: what each rule found of each candidate."""


@dataclass(frozen=True)
class PromotionSettings:
    """When a model takes the place of the one that is promoted."""

    # the metric by which it must be better
    metric: str = "chrf"
    # the p-value (among all comparisons) below which it is
    p_value: float = 0.05
    # by how much it may be worse in a slice, in the metric's own units, where that is sure
    slice_margin: float = 2.0
    # the largest share of its test samples of which too much stands in what it learnt from
    max_contaminated: float = 0.0
    # the longest an answer may take, in seconds, in the mean; null is no limit
    max_seconds: float | None = None
    # a judge whose win rate at equal length must favour it too; none when empty
    judge: str = ""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric: {self.metric!r} is none of {', '.join(METRICS)}")


@dataclass(frozen=True)
class Overruling:
    """What a person decided over the rules: a version of a model is promoted, and why.

    `stood` are the versions that could be had then; None where that was not written down, and it holds against all.
    """

    model: str
    version: str
    reason: str
    stood: Collection[str] | None = None

    def holds(self, versions: Mapping[str, str], before: tuple[str, str] | None) -> bool:
        """Whether it still does: its version is there or promoted, and nothing that came since was promoted over it."""
        stands = self.model in versions and before == (self.model, self.version)
        since = before is not None and self.stood is not None and before[1] not in self.stood
        return stands or (versions.get(self.model) == self.version and not since)

    def allows(self, version: str) -> bool:
        """Whether a version may be promoted by the rules: it came since."""
        return self.stood is not None and version not in self.stood


@dataclass(frozen=True)
class Evidence:
    """The tables that rules look at; those of judges may be None."""

    scores: pl.DataFrame
    comparisons: pl.DataFrame
    slices: pl.DataFrame
    seconds: Mapping[str, float]
    win_rates: pl.DataFrame | None = None
    agreement: pl.DataFrame | None = None


def decide(
    evidence: Evidence,
    versions: Mapping[str, str],
    before: tuple[str, str] | None,
    settings: PromotionSettings,
    overruling: Overruling | None = None,
) -> tuple[dict[str, str | None], pl.DataFrame]:
    """The promoted model (of PROMOTED all but `weights` and `asked_as`) and what every rule found (RULES).

    `versions` has the contestants in their order, the first of which stands until another passes; `before` is the model
    and version that were promoted, which stay unless there is no contestant of that name any more. A model that was trained
    anew is a candidate like any other, and its predecessor is what must be beaten: the evidence has it under the name that
    `predecessor` gives. Of several candidates that pass, the one with the best score is promoted; of equal ones the first.
    """
    holding = overruling if overruling is not None and overruling.holds(versions, before) else None
    stays = before is not None and before[0] in versions
    standing = before if before is not None and stays else next(iter(versions.items()))
    incumbent = predecessor(versions, before) or standing[0]
    rows = [
        row
        for name in versions
        if name != incumbent
        for row in _rules(name, versions[name], incumbent, evidence, settings)
    ]
    table = pl.DataFrame(rows, schema=RULES)
    if holding is not None and before != (holding.model, holding.version):
        over = incumbent if incumbent != holding.model else None
        return _decided(holding.model, holding.version, over, "overruled", holding.reason), table
    best = _best(table, evidence, versions, settings, holding)
    if best is not None:
        said = "; ".join(table.filter(candidate=best)["said"])
        return _decided(best, versions[best], incumbent, "rules", said), table
    if holding is not None:
        return _decided(*standing, None, "overruled", holding.reason), table
    said = "no candidate passed all rules" if table.height else "there is no candidate"
    return _decided(*standing, None, "kept" if stays else "first", said), table


def _decided(model: str, version: str, over: str | None, decision: str, reason: str) -> dict[str, str | None]:
    return {"model": model, "version": version, "over": over, "decision": decision, "reason": reason}


def _best(
    rules: pl.DataFrame,
    evidence: Evidence,
    versions: Mapping[str, str],
    settings: PromotionSettings,
    holding: Overruling | None,
) -> str | None:
    """The candidate with the best score of those that passed all rules, and that what a person decided leaves open."""
    passed = rules.group_by("candidate", maintain_order=True).agg(pl.col("passed").all()).filter("passed")["candidate"]
    may = [name for name in passed if holding is None or holding.allows(versions[name])]
    sign = 1 if METRICS[settings.metric].higher_is_better else -1
    return max(may, key=lambda name: sign * _score(evidence.scores, name, settings.metric)["value"], default=None)


def predecessor(versions: Mapping[str, str], before: tuple[str, str] | None) -> str | None:
    """What the promoted version of a model that was trained anew is called among the contestants; None where it is one of them."""
    if before is None or versions.get(before[0], before[1]) == before[1]:
        return None
    return f"{before[0]} {before[1][:8]}"


def with_predecessor(
    evidence: Evidence,
    name: str,
    kept: pl.DataFrame,
    now: pl.DataFrame,
    samples: pl.DataFrame,
    settings: BootstrapSettings,
) -> Evidence:
    """The evidence with comparisons and slices of all contestants and of one that is gone: `kept` and `now` are sample scores."""
    rows = {name: kept} | {model: part for (model,), part in now.group_by("model", maintain_order=True)}
    found = {model: by_metric(part.filter(split="test"), samples) for model, part in rows.items()}
    return replace(
        evidence,
        comparisons=compare(found, "test", settings),
        slices=compare_slices(found, samples, "test", settings),
    )


def _rules(
    name: str, version: str, incumbent: str, evidence: Evidence, settings: PromotionSettings
) -> Iterator[dict[str, object]]:
    about = {"candidate": name, "version": version, "against": incumbent}
    judges = [_judged] if settings.judge else []
    for rule in (_better, _slices, _contamination, _latency, *judges):
        title, passed, found, asked, said = rule(name, incumbent, evidence, settings)
        yield about | {"rule": title, "passed": passed, "found": found, "asked": asked, "said": said}


Found = tuple[str, bool, float | None, float | None, str]


def _better(name: str, incumbent: str, evidence: Evidence, settings: PromotionSettings) -> Found:
    row = _against(evidence.comparisons.filter(metric=settings.metric), name, incumbent)
    if row is None:
        return "better", False, None, settings.p_value, f"{settings.metric} was not compared with {incumbent}"
    p, difference = row["p_adjusted"], row["difference"]
    passed = row["better"] == name and p is not None and p < settings.p_value
    seen = (
        ""
        if row["detectable"] is None
        else f"; with {row['n']:,} samples you can see {points(settings.metric, row['detectable'])}"
    )
    return (
        "better",
        passed,
        p,
        settings.p_value,
        f"{settings.metric} {difference:+.3g} against {incumbent}, p {_told(p)}{seen}",
    )


def _slices(name: str, incumbent: str, evidence: Evidence, settings: PromotionSettings) -> Found:
    """Worse beyond the margin even at the end of the interval that is kindest to the candidate."""
    sign = 1 if METRICS[settings.metric].higher_is_better else -1
    worst, where, looked = 0.0, "", 0
    for (by, part), rows in evidence.slices.filter(metric=settings.metric).group_by(
        ["sliced_by", "slice"], maintain_order=True
    ):
        row = _against(rows, name, incumbent)
        if row is not None and row["low"] is not None:
            looked += 1
            kindest = max(sign * row["low"], sign * row["high"])
            if kindest < worst:
                worst, where = kindest, f"{by} {part}"
    said = f"worse in {where} by {-worst:.3g} at the least" if where else f"surely worse in none of {looked} slices"
    return "slices", -worst <= settings.slice_margin, -worst, settings.slice_margin, said


def _contamination(name: str, incumbent: str, evidence: Evidence, settings: PromotionSettings) -> Found:
    row = _score(evidence.scores, name, settings.metric)
    if not row or row["contaminated"] is None:
        return "contamination", False, None, settings.max_contaminated, "nobody knows what it was trained on"
    share = row["contaminated"] / row["n"]
    said = f"too much of {row['contaminated']} of {row['n']} test samples stands in what it learnt from"
    return "contamination", share <= settings.max_contaminated, share, settings.max_contaminated, said


def _latency(name: str, incumbent: str, evidence: Evidence, settings: PromotionSettings) -> Found:
    seconds, limit = evidence.seconds.get(name), settings.max_seconds
    passed = limit is None or (seconds is not None and seconds <= limit)
    said = "nobody knows how long it takes" if seconds is None else f"{seconds:.3g} s an answer"
    return "latency", passed, seconds, limit, said


def _judged(name: str, incumbent: str, evidence: Evidence, settings: PromotionSettings) -> Found:
    judge = settings.judge
    title = f"judge {judge}"
    whole = None if evidence.agreement is None else evidence.agreement.filter(judge=judge, sliced_by="all")
    if whole is None or whole.is_empty() or not whole["may_gate"].item():
        kappa = None if whole is None or whole.is_empty() else whole["kappa"].item()
        return title, False, kappa, None, "it may not gate: it does not agree with people as far as is asked"
    rates = pl.DataFrame() if evidence.win_rates is None else evidence.win_rates.filter(judge=judge)
    row = _against(rates, name, incumbent) if rates.height else None
    if row is None or row["controlled_low"] is None:
        return title, False, None, 0.5, f"it has not compared {name} with {incumbent}"
    ends = row["controlled_low"], row["controlled_high"]
    low = ends[0] if row["model_b"] == name else 1 - ends[1]
    return title, low > 0.5, low, 0.5, f"it prefers {name} at equal length in {100 * low:.0f}% of pairs at the least"


def _against(rows: pl.DataFrame, name: str, incumbent: str) -> dict[str, Any] | None:
    """The row that compares the two, turned so that a positive difference is the candidate's."""
    both = rows.filter(pl.col("model_a").is_in([name, incumbent]) & pl.col("model_b").is_in([name, incumbent]))
    if both.is_empty():
        return None
    row = both.row(0, named=True)
    if row["model_b"] != name and "difference" in row:
        ends = row["low"], row["high"]
        low, high = (None, None) if None in ends else (-ends[1], -ends[0])
        row |= {"difference": -row["difference"], "low": low, "high": high}
    return row


def _score(scores: pl.DataFrame, name: str, metric: str) -> dict[str, Any]:
    rows = scores.filter(model=name, metric=metric, split="test")
    return rows.row(0, named=True) if rows.height else {}


def _told(p: float | None) -> str:
    return "unknown" if p is None else f"{p:.3g}"
