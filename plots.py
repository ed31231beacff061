"""Small pictures for an asset's page: scores with their intervals, where a number lies, how it moved.

They are SVG, written here: to import a plotting library and to draw with it took a second of each run, a fifth of a small
one. The same numbers give the same bytes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

WIDTH = 640
INK, SOFT, MARK = "#1f3a5f", "#9db4d0", "#c2410c"
BARS = 12
"""The bars of a picture; what is beyond is one bar more."""
_BINS, _SIZE, _LINE, _ROW = 40, 11, 28, 22
_SOME = 1_000
"""Numbers among which mostly as many differ as there are bins."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 616, 32, 40
"""Pixels: of the first and the last number of an axis, of a title, and of what stands below a picture's axis."""
_NAME = 6.4
"""Pixels that a character of a name takes at the most, but for a few."""


class Axis(NamedTuple):
    """Where numbers lie on a line of the picture, from the pixel `begin` to `end`, and which are named there."""

    low: float
    high: float
    begin: float
    end: float
    ticks: Sequence[tuple[float, str]]
    warped: Callable[[float], float] = float

    def at(self, value: float) -> float:
        """The pixel of a number."""
        low, high = self.warped(self.low), self.warped(self.high)
        return self.begin + (self.warped(value) - low) / (high - low) * (self.end - self.begin)


def intervals(rows: pl.DataFrame, title: str | None = None) -> bytes:
    """An SVG of scores with their intervals, one line per row: model, prompt, metric, value, low, high and n.

    Rows of several metrics get a panel each, since their units differ; rows without a value, or of one without end, are left
    out.
    """
    shown = rows.filter(pl.col("value").is_finite())
    parts = [part for _, part in shown.group_by("metric", maintain_order=True)]
    if not parts:
        return _nothing(title or "")
    told = shown.to_dicts()
    left, right = _beside(map(_label, told)), _RIGHT - _NAME * max(len(_numbers(row)) for row in told)
    top = _TOP if title else 8
    drawn = [text(WIDTH / 2, 20, title, 13, "middle")] if title else []
    for part in parts:
        drawn += _panel(part.to_dicts(), top, left, right)
        top += _TOP + _ROW * part.height + 28
    return svg(top, drawn)


def histogram(values: Sequence[float] | pl.Series, title: str, threshold: float | None = None) -> bytes:
    """An SVG of how many values lie where (40 bins; those that are not finite are left out), with the threshold as a line."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return _nothing(title)
    counts, edges = _counted(numbers)
    reach = [*edges[[0, -1]].tolist(), *([] if threshold is None else [threshold])]
    x, y = linear(reach, _LEFT, _RIGHT), linear([0, int(counts.max())], 220, _TOP + 8, whole=True)
    drawn = [*frame(x, y, "", "rows"), _title(title)]
    for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        drawn.append(_bar(x.at(left), y.at(count), x.at(right) - x.at(left), y.at(0) - y.at(count)))
    if threshold is not None:
        drawn.append(line([(x.at(threshold), _TOP + 4), (x.at(threshold), 220)], MARK, 1.5))
        drawn.append(text(_RIGHT, 20, f"threshold {threshold:g}", anchor="end", colour=MARK))
    return svg(260, drawn)


def bars(counts: Mapping[str, int], title: str, unit: str = "rows") -> bytes:
    """An SVG of counts by name, in the order given, each with its number; those beyond `BARS` are one bar together."""
    names, numbers = list(counts)[:BARS], list(counts.values())
    if len(numbers) > BARS:
        names.append(f"{len(numbers) - BARS} others")
        numbers = [*numbers[:BARS], sum(numbers[BARS:])]
    if not names:
        return _nothing(title)
    left, bottom = _beside(names), _TOP + _LINE * len(names)
    x = linear([0, *numbers], left, _RIGHT - 8 * len(f"{max(numbers):,}"), whole=True)
    drawn = [*_below(x, bottom, unit), _title(title)]
    for place, (name, number) in enumerate(zip(names, numbers, strict=True)):
        top = _TOP + _LINE * place
        drawn.append(text(left - 6, top + 18, _short(name), anchor="end"))
        drawn.append(_bar(left, top + 3, x.at(number) - left, _LINE - 6))
        drawn.append(text(x.at(number) + 5, top + 18, f"{number:,}"))
    return svg(bottom + _BOTTOM, drawn)


def shares(totals: Mapping[str, int], parts: Mapping[tuple[str, str], int], title: str) -> bytes:
    """An SVG of a heat map: of each row's total the share that belongs to each column; both are the names of `totals`.

    Of more than `BARS` the others are one row and one column together.
    """
    totals, parts = _others_together(totals, parts)
    names = list(totals)
    if not names:
        return _nothing(title)
    left, bottom = _beside(names), _TOP + _LINE * len(names)
    width = (_RIGHT - left) / len(names)
    drawn = [_title(title)]
    for y, row in enumerate(names):
        top = _TOP + _LINE * y
        drawn.append(text(left - 6, top + 18, _short(row), anchor="end"))
        for x, column in enumerate(names):
            share = parts.get((row, column), 0) / max(1, totals[row])
            drawn.append(_cell(left + width * x, top, width, _LINE, _tint(share)))
            if share:
                said = f"{share:.1%}" if len(names) < BARS // 2 else f"{share:.0%}"
                colour = "#ffffff" if share > 0.5 else INK
                drawn.append(text(left + width * (x + 0.5), top + 18, said, anchor="middle", colour=colour))
    for x, column in enumerate(names):
        drawn.append(text(left + width * (x + 0.5), bottom + 14, _short(column), anchor="end", turned=-30))
    return svg(bottom + 20 + int(0.5 * _NAME * max(len(_short(name)) for name in names)), drawn)


def curve(values: Sequence[float], title: str, step: str = "step") -> bytes:
    """An SVG of a number that was had at every step, from step 1; those that are not finite are left out."""
    known = [(number, value) for number, value in enumerate(values, 1) if math.isfinite(value)]
    if not known:
        return _nothing(title)
    x = linear([1, len(values)], _LEFT, _RIGHT, whole=True)
    y = linear([value for _, value in known], 220, _TOP + 8, margin=0.05)
    points = [(x.at(number), y.at(value)) for number, value in known]
    return svg(260, [*frame(x, y, step, ""), _title(title), line(points, INK, 1.4), *(dot(*at, 1.8) for at in points)])


def tradeoff(points: Sequence[tuple[str, float, float]], quality: str, higher_is_better: bool = True) -> bytes:
    """An SVG of quality over price, a point for each name; those that no other beats in both are joined (Pareto).

    Points that are not finite are left out.
    """
    points = [point for point in points if all(map(math.isfinite, point[1:]))]
    if not points:
        return _nothing(quality)
    best = sorted(
        (price, value) for name, price, value in points if not _beaten(name, price, value, points, higher_is_better)
    )
    longest = max(len(_short(name)) for name, _, _ in points)
    x = linear([price for _, price, _ in points], _LEFT, _RIGHT - _NAME * longest, margin=0.05)
    y = linear([value for _, _, value in points], 300, 24, margin=0.05)
    drawn = frame(x, y, "price of 1,000 answers", quality)
    drawn.append(line([(x.at(price), y.at(value)) for price, value in best], SOFT, 2))
    for name, price, value in points:
        drawn += [dot(x.at(price), y.at(value), 4), text(x.at(price) + 8, y.at(value) + 4, _short(name))]
    return svg(340, drawn)


def learned(points: Sequence[tuple[int, float, float | None, float | None]], quality: str) -> bytes:
    """An SVG of quality over the number of labels, each point (labels, value, low, high) with its interval; a value that is
    not finite is left out."""
    points = [point for point in points if math.isfinite(point[1])]
    if not points:
        return _nothing(quality)
    labels = [(float(count), f"{count:,}") for count, *_ in points]
    reach = [_end(end, value) for _, value, *ends in points for end in ends]
    most = max(count for count, *_ in points)
    x = Axis(0, max(1, most), _LEFT + 10, _RIGHT - 20, labels, lambda count: math.log1p(count / 8))
    y = linear(reach, 260, 24, margin=0.05)
    drawn = frame(x, y, "samples it learnt from", quality)
    for count, value, low, high in points:
        ends = [(x.at(count), y.at(_end(end, value))) for end in (low, high)]
        drawn.append(line(ends, SOFT, 4))
    places = [(x.at(count), y.at(value)) for count, value, *_ in points]
    return svg(300, [*drawn, line(places, INK, 1.2), *(dot(*at, 3) for at in places)])


def linear(values: Iterable[float], begin: float, end: float, whole: bool = False, margin: float = 0.0) -> Axis:
    """An axis on which all of some numbers lie, with some five ticks; `whole` where halves make no sense. Such a share of it is
    left free at both ends."""
    known = list(values) or [0.0]
    low, high = min(known), max(known)
    if low == high:
        low, high = _about(low) if not whole else (min(low, 0), max(high, 1))
    low, high = low - margin * (high - low), high + margin * (high - low)
    rough = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(times * size for times in (1, 2, 5, 10) if times * size >= rough * (1 - 1e-9))
    step = max(1.0, step) if whole else step
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    numbers = [number * step for number in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]
    told = [f"{number:,.{digits}f}" if abs(number) < 1e7 and digits < 6 else f"{number:g}" for number in numbers]
    return Axis(low, high, begin, end, list(zip(numbers, told, strict=True)))


def logarithmic(values: Iterable[float], begin: float, end: float, ticks: Sequence[tuple[float, str]]) -> Axis:
    """An axis of numbers over 0, on which equal steps are equal ratios."""
    known = list(values)
    return Axis(min(known), max(known), begin, end, ticks, math.log)


def frame(x: Axis, y: Axis, below: str, beside: str) -> list[str]:
    """Two axes with what is said of them."""
    drawn = _below(x, y.begin, below)
    drawn.append(line([(x.begin, y.begin), (x.begin, y.end)], INK, 0.8))
    for value, said in y.ticks:
        drawn.append(line([(x.begin - 4, y.at(value)), (x.begin, y.at(value))], INK, 0.8))
        drawn.append(text(x.begin - 7, y.at(value) + 4, said, anchor="end"))
    if beside:
        drawn.append(text(14, (y.begin + y.end) / 2, beside, anchor="middle", turned=-90))
    return drawn


def svg(height: float, drawn: Iterable[str]) -> bytes:
    """A picture of what was drawn."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{_px(height)}" viewBox="0 0 {WIDTH} {_px(height)}" font-family="DejaVu Sans, Verdana, sans-serif">'
    return "".join([head, '<rect width="100%" height="100%" fill="#ffffff"/>', *drawn, "</svg>"]).encode()


def text(
    x: float, y: float, said: str, size: int = _SIZE, anchor: str = "start", colour: str = INK, turned: int = 0
) -> str:
    """Words at a place, which is the begin, the middle or the end of their line; turned by so many degrees."""
    turn = f' transform="rotate({turned} {_px(x)} {_px(y)})"' if turned else ""
    place = f'x="{_px(x)}" y="{_px(y)}" font-size="{size}" text-anchor="{anchor}" fill="{colour}"{turn}'
    return f"<text {place}>{escape(_shown(said))}</text>"


def line(points: Iterable[tuple[float, float]], colour: str, width: float) -> str:
    """A line through some points."""
    told = " ".join(f"{_px(x)},{_px(y)}" for x, y in points)
    return f'<polyline points="{told}" fill="none" stroke="{colour}" stroke-width="{width}"/>'


def dot(x: float, y: float, radius: float, colour: str = INK) -> str:
    """A point."""
    return f'<circle cx="{_px(x)}" cy="{_px(y)}" r="{radius}" fill="{colour}"/>'


def _counted(numbers: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """How many numbers lie in each bin, and the edges of these; one bin for numbers too near for more."""
    low, high = float(numbers.min()), float(numbers.max())
    some = len(np.unique(numbers[:_SOME]))
    bins = _BINS if some >= _BINS else min(_BINS, len(np.unique(numbers)))
    is_fine = high - low > 4 * bins * np.spacing(max(abs(low), abs(high)))
    return np.histogram(numbers, bins if is_fine else 1, (low, high) if low < high else _about(low))


def _about(number: float) -> tuple[float, float]:
    """Where an axis begins and ends that has but one number."""
    half = max(0.5, abs(number) / 10)
    return number - half, number + half


def _below(x: Axis, y: float, said: str) -> list[str]:
    drawn = [line([(x.begin, y), (x.end, y)], INK, 0.8)]
    for value, number in x.ticks:
        drawn.append(line([(x.at(value), y), (x.at(value), y + 4)], INK, 0.8))
        drawn.append(text(x.at(value), y + 16, number, anchor="middle"))
    return [*drawn, text((x.begin + x.end) / 2, y + 32, said, anchor="middle")] if said else drawn


def _bar(x: float, y: float, width: float, height: float) -> str:
    return _cell(x, y, max(width, 0.5), height, SOFT, f' stroke="{INK}" stroke-width="0.4"')


def _cell(x: float, y: float, width: float, height: float, colour: str, more: str = "") -> str:
    place = f'x="{_px(x)}" y="{_px(y)}" width="{_px(width)}" height="{_px(height)}"'
    return f'<rect {place} fill="{colour}"{more}/>'


def _px(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")


def _tint(share: float) -> str:
    """From white to ink."""
    ink = (int(INK[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 + (part - 255) * min(1.0, share)):02x}" for part in ink)


def _beaten(name: str, price: float, value: float, points: Sequence[tuple[str, float, float]], higher: bool) -> bool:
    """Whether another costs no more and is no worse, and in one of the two is strictly better."""
    sign = 1 if higher else -1
    return any(
        other != name and cost <= price and sign * good >= sign * value and (cost < price or good != value)
        for other, cost, good in points
    )


def _panel(rows: Sequence[dict[str, Any]], top: float, left: float, right: float) -> list[str]:
    """One metric: a point and a bar per row, its numbers written beside it."""
    ends = [_ends(row) for row in rows]
    x = linear([end for both in ends for end in both], left, right - 12, margin=0.03)
    bottom = top + _TOP + _ROW * len(rows) - 6
    drawn = [_title(rows[0]["metric"], top + 18), *_below(x, bottom, "")]
    for place, (row, both) in enumerate(zip(rows, ends, strict=True)):
        y = top + _TOP + _ROW * place + 6
        drawn.append(text(left - 6, y + 4, _label(row), anchor="end"))
        drawn.append(line([(x.at(end), y) for end in both], SOFT, 4))
        drawn += [dot(x.at(row["value"]), y, 3.5), text(right, y + 4, _numbers(row))]
    return drawn


def _ends(row: dict[str, Any]) -> list[float]:
    return [_end(row[name], row["value"]) for name in ("low", "high")]


def _end(end: float | None, value: float) -> float:
    """Where an interval ends; at the value where that is not known."""
    return value if end is None or not math.isfinite(end) else end


def _numbers(row: dict[str, Any]) -> str:
    low, high = _ends(row)
    return f"{row['value']:.3g}  [{low:.3g}, {high:.3g}]  n={row['n']}"


def _label(row: dict[str, Any]) -> str:
    """The contestant: its model, and its prompt where it has one."""
    prompt = row.get("prompt")
    return _short(f"{row['model']} ({prompt})" if prompt and prompt != "none" else str(row["model"]))


def _short(name: str) -> str:
    """Of a long name both ends, for names that differ often begin alike."""
    return name if len(name) <= 32 else f"{name[:15]}…{name[-16:]}"


def _beside(names: Iterable[str]) -> float:
    """Where an axis begins that has names at its left."""
    return 16 + _NAME * max((len(_short(name)) for name in names), default=0)


def _others_together(
    totals: Mapping[str, int], parts: Mapping[tuple[str, str], int]
) -> tuple[Mapping[str, int], Mapping[tuple[str, str], int]]:
    """Those beyond `BARS` under one name."""
    if len(totals) <= BARS:
        return totals, parts
    shown = {name: name for name in list(totals)[:BARS]}
    others = f"{len(totals) - BARS} others"
    together, of_parts = Counter[str](), Counter[tuple[str, str]]()
    for name, total in totals.items():
        together[shown.get(name, others)] += total
    for (row, column), part in parts.items():
        of_parts[shown.get(row, others), shown.get(column, others)] += part
    return together, of_parts


def _shown(said: str) -> str:
    """Without what XML has no place for, which would make the picture none."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in said)


def _title(said: str, y: float = 20) -> str:
    return text(8, y, said, 12)


def _nothing(title: str) -> bytes:
    return svg(80, [_title(title), text(WIDTH / 2, 52, "nothing to show", anchor="middle")])
