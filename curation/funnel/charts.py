"""The drawings of the curation report, as SVG within the page: they are sharp at any size and ask for no script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from curation.funnel.signals import Bins, Signal
from curation.rules import Rule
from pages import Html, joined, tag

WIDTH, HEIGHT = 500, 128
_LEFT, _TOP, _BASE = 6.0, 30.0, 106.0
_SHOWN = 12


def stacked(parts: Mapping[str, int], whole: int, label: str) -> Html:
    """One bar of parts, each as wide as its share of `whole`; a part is drawn in the colour of its class."""
    segments, at = [], 0.0
    for kind, count in parts.items():
        width = 100 * count / whole if whole else 0
        if count:
            shown = max(width, 0.3)
            segments.append(_box(kind, at, 0, shown, 12, f"{kind} {count:,}"))
            at += width
    return tag(
        "svg", *segments, viewBox="0 0 100 12", preserveAspectRatio="none", class_="bar", role="img", aria_label=label
    )


def distribution(signal: Signal) -> Html:
    """A signal's bins with its thresholds as lines, or the contents by name; failing ones in the marking colour."""
    if signal.bins is not None:
        drawn = _histogram(signal.bins, signal.rules)
    else:
        drawn = _names(signal.names or {}, signal.rules)
    return drawn


def _histogram(bins: Bins, rules: Sequence[Rule]) -> Html:
    tallest = max(1.0, float(np.sqrt((bins.passing + bins.failing).max())))
    wide = (WIDTH - 2 * _LEFT) / (len(bins.edges) - 1)
    drawn: list[Html] = []
    for at, (passing, failing) in enumerate(zip(bins.passing.tolist(), bins.failing.tolist(), strict=True)):
        height = _tall(passing + failing, tallest)
        lower = height * passing / (passing + failing) if passing + failing else 0.0
        said = f"{_value(bins, at)} to {_value(bins, at + 1)}: {passing + failing:,} contents, {failing:,} fail"
        if passing:
            drawn.append(_box("kept", _LEFT + at * wide, _BASE - lower, wide - 0.6, lower, said))
        if failing:
            drawn.append(_box("dropped", _LEFT + at * wide, _BASE - height, wide - 0.6, height - lower, said))
    drawn += [tag("path", d=f"M{_LEFT} {_BASE}H{WIDTH - _LEFT}", class_="axis"), *_ticks(bins), *_limits(bins, rules)]
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")


def _tall(count: int, tallest: float) -> float:
    """Heights are square roots, so that few are seen beside many."""
    return max(1.5, float(np.sqrt(count)) / tallest * (_BASE - _TOP)) if count else 0.0


def _x(bins: Bins, value: float) -> float:
    first, last = bins.edges[0], bins.edges[-1]
    scaled = np.log10(1 + value) if bins.powers else value
    return float(_LEFT + (scaled - first) / (last - first) * (WIDTH - 2 * _LEFT))


def _value(bins: Bins, edge: int) -> str:
    return number(10 ** bins.edges[edge] - 1 if bins.powers else bins.edges[edge])


def number(value: float) -> str:
    """A number as short as a scale needs it."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _ticks(bins: Bins) -> Iterator[Html]:
    low, high = float(bins.edges[0]), float(bins.edges[-1])
    if bins.powers:
        values = [0.0, *(10.0**power for power in range(1, int(high) + 1))]
        values = [value for value in values if np.log10(1 + value) >= low - 1e-9]
    else:
        values = list(np.linspace(low, high, 5))
    for value in values:
        x = _x(bins, value)
        anchor = "start" if x < 30 else "end" if x > WIDTH - 30 else "middle"
        yield tag("text", number(value), x=_at(x), y=_at(_BASE + 15), text_anchor=anchor)


def _limits(bins: Bins, rules: Sequence[Rule]) -> Iterator[Html]:
    """The thresholds; labels of two that are near stand on two lines."""
    limits: dict[float, list[str]] = {}
    for rule in rules:
        if isinstance(rule.threshold, (int, float)):
            limits.setdefault(float(rule.threshold), []).append(f"fails if {rule.comparison} {number(rule.threshold)}")
    for row, (limit, said) in enumerate(sorted(limits.items())):
        x = _x(bins, limit)
        yield tag("path", d=f"M{_at(x)} {_at(_TOP - 4)}V{_at(_BASE)}", class_="limit")
        anchor = "start" if x < WIDTH / 2 else "end"
        yield tag("text", said[0], x=_at(x), y=_at(11.0 + 12 * (row % 2)), text_anchor=anchor, class_="limit")


def _names(names: Mapping[str, int], rules: Sequence[Rule]) -> Html:
    shown = list(names.items())[:_SHOWN]
    most = max((count for _, count in shown), default=1)
    drawn = []
    for at, (name, count) in enumerate(shown):
        y = 6 + 20 * at
        fails = any(_is_among(rule, name) for rule in rules)
        drawn.append(tag("text", name[:24], x=150, y=y + 12, text_anchor="end"))
        drawn.append(
            _box("dropped" if fails else "kept", 158, y, 250 * count / most, 15, f"{name}: {count:,} contents")
        )
        drawn.append(tag("text", f"{count:,}", x=_at(164 + 250 * count / most), y=y + 12))
    if len(names) > _SHOWN:
        drawn.append(tag("text", f"and {len(names) - _SHOWN:,} others", x=158, y=6 + 20 * len(shown) + 12))
    return tag("svg", *drawn, viewBox=f"0 0 {WIDTH} {12 + 20 * (len(shown) + 1)}", role="img")


def _is_among(rule: Rule, name: str) -> bool:
    return isinstance(rule.threshold, tuple) and (name in rule.threshold) == (rule.comparison == "in")


def _box(kind: str, x: float, y: float, width: float, height: float, said: str) -> Html:
    place = {"x": _at(x), "y": _at(y), "width": _at(width), "height": _at(height)}
    return tag("rect", tag("title", said), class_=kind, **place)


def _at(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def matrix(names: Sequence[str], totals: Mapping[str, int], together: Mapping[tuple[str, str], int], said: str) -> Html:
    """Of the documents of a row, the share that belongs to a column too; `said` tells a cell: `{both}`, `{total}`, `{one}`, `{other}`."""
    head = joined(tag("th"), (tag("th", tag("span", str(at + 1)), class_="n", title=name) for at, name in enumerate(names)))  # fmt: skip
    rows = []
    for at, one in enumerate(names):
        cells = (_cell(one, other, totals[one], together.get((one, other)), said) for other in names)
        rows.append(tag("tr", tag("th", f"{at + 1} ", tag("code", one), " ", tag("small", f"{totals[one]:,}")), cells))
    return tag("div", tag("table", tag("thead", tag("tr", head)), tag("tbody", rows), class_="matrix"), class_="wide")


def _cell(one: str, other: str, total: int, both: int | None, said: str) -> Html:
    if one == other and both is None:
        return tag("td", class_="self")
    share = (both or 0) / total if total else 0.0
    told = said.format(both=f"{both or 0:,}", total=f"{total:,}", one=one, other=other)
    shade = f"background:color-mix(in srgb, var(--mark) {round(80 * share)}%, transparent)" if both else None
    return tag("td", f"{share:.0%}".rstrip("%") if both else "", style=shade, title=told)
