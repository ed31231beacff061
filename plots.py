"""Small pictures for an asset's page: scores with their intervals, where a number lies, how it moved.

Drawn by matplotlib's Agg canvas, without a display and without pyplot's global state; the PNG carries no date and no
version, so that the same numbers give the same bytes.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, DPI = 6.4, 100
INK, SOFT, MARK = "#1f3a5f", "#9db4d0", "#c2410c"
BARS = 12
"""The bars of a picture; what is beyond is one bar more."""


def intervals(rows: pl.DataFrame, title: str | None = None) -> bytes:
    """A PNG of scores with their intervals, one line per row: model, prompt, metric, value, low, high and n.

    Rows of several metrics get a panel each, since their units differ; rows without a value are left out.
    """
    shown = rows.filter(pl.col("value").is_not_null())
    parts = [part for _, part in shown.group_by("metric", maintain_order=True)]
    heights = [1 + part.height for part in parts] or [1]
    figure = _figure(0.8 + 0.32 * sum(heights) + 0.35 * len(heights))
    grid = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, part in zip(grid, parts, strict=False):
        _panel(axes, part)
    if not parts:
        _nothing(grid[0])
    if title:
        figure.suptitle(title, fontsize=11, color=INK)
    return _png(figure)


def histogram(values: Sequence[float] | pl.Series, title: str, threshold: float | None = None) -> bytes:
    """A PNG of how many values lie where (40 bins; those that are not finite are left out), with the threshold as a line."""
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    figure = _figure(2.6)
    axes = figure.subplots()
    if len(numbers):
        bins = min(40, max(1, len(np.unique(numbers))))
        axes.hist(numbers, bins=bins, histtype="stepfilled", color=SOFT, edgecolor=INK, linewidth=0.4)
        axes.set_ylabel("rows", fontsize=9)
    else:
        _nothing(axes)
    if threshold is not None:
        axes.axvline(threshold, color=MARK, linewidth=1.5, label=f"threshold {threshold:g}")
        axes.legend(fontsize=8, frameon=False)
    axes.set_title(_plain(title), fontsize=10, color=INK, loc="left")
    _quiet(axes)
    return _png(figure)


def bars(counts: Mapping[str, int], title: str, unit: str = "rows") -> bytes:
    """A PNG of counts by name, in the order given, each with its number; those beyond `BARS` are one bar together."""
    names, numbers = list(counts)[:BARS], list(counts.values())
    if len(numbers) > BARS:
        names.append(f"{len(numbers) - BARS} others")
        numbers = [*numbers[:BARS], sum(numbers[BARS:])]
    figure = _figure(0.9 + 0.28 * max(1, len(names)))
    axes = figure.subplots()
    if names:
        axes.barh(range(len(names)), numbers, color=SOFT, edgecolor=INK, linewidth=0.4)
        axes.set_yticks(range(len(names)), [_plain(_short(name)) for name in names], fontsize=8)
        axes.invert_yaxis()
        for place, number in enumerate(numbers):
            axes.annotate(f" {number:,}", (number, place), fontsize=8, va="center", color=INK)
        axes.set_xlabel(unit, fontsize=9)
        axes.locator_params(axis="x", integer=True)  # counts have no halves
    else:
        _nothing(axes)
    axes.set_title(_plain(title), fontsize=10, color=INK, loc="left")
    _quiet(axes)
    return _png(figure)


def shares(totals: Mapping[str, int], parts: Mapping[tuple[str, str], int], title: str) -> bytes:
    """A PNG of a heat map: of each row's total the share that belongs to each column; both are the names of `totals`.

    Of more than `BARS` the others are one row and one column together.
    """
    totals, parts = _others_together(totals, parts)
    names = list(totals)
    figure = _figure(1.2 + 0.32 * max(1, len(names)))
    axes = figure.subplots()
    if names:
        cells = [[parts.get((row, column), 0) / max(1, totals[row]) for column in names] for row in names]
        axes.imshow(cells, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(names)), [_plain(_short(name)) for name in names], fontsize=8, rotation=30, ha="right"
        )
        axes.set_yticks(range(len(names)), [_plain(_short(name)) for name in names], fontsize=8)
        for y, row in enumerate(cells):
            for x, share in enumerate(row):
                if share:
                    axes.annotate(f"{share:.1%}" if len(names) < BARS // 2 else f"{share:.0%}", (x, y), fontsize=8, ha="center", va="center", color="white" if share > 0.5 else INK)  # fmt: skip
    else:
        _nothing(axes)
    axes.set_title(_plain(title), fontsize=10, color=INK, loc="left")
    _quiet(axes)
    return _png(figure)


def curve(values: Sequence[float], title: str, step: str = "step") -> bytes:
    """A PNG of a number that was had at every step, from step 1."""
    figure = _figure(2.6)
    axes = figure.subplots()
    if values:
        axes.plot(range(1, len(values) + 1), values, color=INK, linewidth=1.4, marker="o", markersize=2.5)
        axes.set_xlabel(step, fontsize=9)
    else:
        _nothing(axes)
    axes.set_title(_plain(title), fontsize=10, color=INK, loc="left")
    _quiet(axes)
    return _png(figure)


def tradeoff(points: Sequence[tuple[str, float, float]], quality: str, higher_is_better: bool = True) -> bytes:
    """A PNG of quality over price, a point for each name; those that no other beats in both are joined (Pareto)."""
    figure = _figure(3.4)
    axes = figure.subplots()
    if points:
        best = sorted(
            (price, value) for name, price, value in points if not _beaten(name, price, value, points, higher_is_better)
        )
        axes.plot([price for price, _ in best], [value for _, value in best], color=SOFT, linewidth=2, zorder=1)
        axes.scatter([price for _, price, _ in points], [value for _, _, value in points], color=INK, s=24, zorder=2)
        for name, price, value in points:
            axes.annotate(f" {_plain(_short(name))}", (price, value), fontsize=8, color=INK)
        axes.set_xlabel("price of 1,000 answers", fontsize=9)
        axes.set_ylabel(_plain(quality), fontsize=9)
    else:
        _nothing(axes)
    _quiet(axes)
    return _png(figure)


def learned(points: Sequence[tuple[int, float, float | None, float | None]], quality: str) -> bytes:
    """A PNG of quality over the number of labels, each point (labels, value, low, high) with its interval."""
    figure = _figure(3.0)
    axes = figure.subplots()
    labels = [count for count, *_ in points]
    axes.plot(labels, [value for _, value, *_ in points], color=INK, linewidth=1.2, marker="o", markersize=4)
    for count, value, low, high in points:
        axes.plot(
            [count, count],
            [value if low is None else low, value if high is None else high],
            color=SOFT,
            linewidth=4,
            zorder=0,
        )
    axes.set_xscale("symlog", linthresh=8)
    axes.set_xticks(labels, [f"{count:,}" for count in labels], fontsize=8)
    axes.set_xlabel("samples it learnt from", fontsize=9)
    axes.set_ylabel(_plain(quality), fontsize=9)
    _quiet(axes)
    return _png(figure)


def _beaten(name: str, price: float, value: float, points: Sequence[tuple[str, float, float]], higher: bool) -> bool:
    """Whether another costs no more and is no worse, and in one of the two is strictly better."""
    sign = 1 if higher else -1
    return any(
        other != name and cost <= price and sign * good >= sign * value and (cost < price or good != value)
        for other, cost, good in points
    )


def _panel(axes: Axes, part: pl.DataFrame) -> None:
    """One metric: a point and a bar per row, its numbers written beside it."""
    part = part.reverse()
    for place, row in enumerate(part.iter_rows(named=True)):
        low, high = (row[end] if row[end] is not None else row["value"] for end in ("low", "high"))
        axes.plot([low, high], [place, place], color=SOFT, linewidth=4, solid_capstyle="butt")
        axes.plot([row["value"]], [place], "o", color=INK, markersize=5)
        said = f"{row['value']:.3g}  [{low:.3g}, {high:.3g}]  n={row['n']}"
        axes.annotate(said, (1.02, place), xycoords=("axes fraction", "data"), fontsize=8, va="center", color=INK)
    axes.set_yticks(range(part.height), [_label(row) for row in part.iter_rows(named=True)], fontsize=8)
    axes.set_ylim(-0.7, part.height - 0.3)
    axes.set_title(_plain(part["metric"][0]), fontsize=10, color=INK, loc="left")
    _quiet(axes)


def _label(row: dict[str, object]) -> str:
    """The contestant: its model, and its prompt where it has one."""
    prompt = row.get("prompt")
    name = f"{row['model']} ({prompt})" if prompt and prompt != "none" else str(row["model"])
    return _plain(_short(name))


def _short(name: str) -> str:
    """Of a long name both ends, for names that differ often begin alike."""
    return name if len(name) <= 32 else f"{name[:15]}…{name[-16:]}"


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


def _plain(text: str) -> str:
    """The text itself: matplotlib would read dollar signs as mathematics."""
    return text.replace("$", r"\$")


def _quiet(axes: Axes) -> None:
    axes.tick_params(labelsize=8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _nothing(axes: Axes) -> None:
    axes.text(0.5, 0.5, "nothing to show", ha="center", va="center", transform=axes.transAxes, fontsize=9)


def _figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    file = io.BytesIO()
    # `savefig` would draw it twice.
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return file.getvalue()
