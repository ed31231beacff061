"""CPU seconds by size of the corpus, a line for each tool, on two logarithmic scales: a straight line of slope one is linear."""

from __future__ import annotations

import io
from collections.abc import Mapping

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from benchmarks.measuring import Cost
from plots import DPI, INK, WIDTH

OURS, OTHERS = "headwater", ("#9db4d0", "#c2410c", "#6b8e23", "#8b5a9f", "#b8860b")


def cpu_by_size(costs: Mapping[str, Mapping[int, Cost]]) -> bytes:
    """A PNG of what was measured; each line bears its tool's name and last figure."""
    figure = Figure(figsize=(WIDTH, 4.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    colours = iter(OTHERS)
    for name, measured in costs.items():
        sizes = sorted(measured)
        seconds = [measured[size].cpu for size in sizes]
        ours = name == OURS
        axes.plot(
            sizes, seconds, "o-", color=INK if ours else next(colours), linewidth=2.4 if ours else 1.4, markersize=4
        )
        axes.annotate(f" {name} {seconds[-1]:,.1f}", (sizes[-1], seconds[-1]), fontsize=8, va="center")
    axes.set(xscale="log", yscale="log", xlabel="documents", ylabel="CPU seconds, whole process")
    sizes = sorted({size for measured in costs.values() for size in measured})
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
    axes.set_xlim(sizes[0] * 0.8, sizes[-1] * 2.4)
    axes.minorticks_off()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()
