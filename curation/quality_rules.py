"""A rule: a signal of `quality` that must lie within bounds, and by which name a verdict speaks of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """A text fails the rule when its signal is under `least` or over `most`; the bounds themselves are allowed.

    `name` is `<set>.<setting>`, which is also where its threshold stands in `headwater.yaml`.
    """

    name: str
    signal: str
    least: float | None = None
    most: float | None = None
