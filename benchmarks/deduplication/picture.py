"""CPU seconds by size of the corpus, a line for each tool, on two logarithmic scales: a straight line of slope one is linear."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchmarks.measuring import Cost
from plots import INK, dot, frame, line, logarithmic, svg, text

OURS, OTHERS = "headwater", ("#9db4d0", "#c2410c", "#6b8e23", "#8b5a9f", "#b8860b")


def cpu_by_size(costs: Mapping[str, Mapping[int, Cost]]) -> bytes:
    """An SVG of what was measured; each line bears its tool's name and last figure."""
    sizes = sorted({size for measured in costs.values() for size in measured})
    seconds = [cost.cpu for measured in costs.values() for cost in measured.values()]
    powers = [
        10.0**power for power in range(math.floor(math.log10(min(seconds))), math.ceil(math.log10(max(seconds))) + 1)
    ]
    x = logarithmic([sizes[0] * 0.8, sizes[-1] * 1.1], 64, 520, [(size, f"{size:,}") for size in sizes])
    y = logarithmic(powers, 370, 16, [(power, f"{power:,g}") for power in powers])
    drawn, colours = frame(x, y, "documents", "CPU seconds, whole process"), iter(OTHERS)
    for name, measured in costs.items():
        colour, width = (INK, 2.4) if name == OURS else (next(colours), 1.4)
        points = [(x.at(size), y.at(measured[size].cpu)) for size in sorted(measured)]
        drawn += [line(points, colour, width), *(dot(*point, 3, colour) for point in points)]
        drawn.append(text(points[-1][0] + 8, points[-1][1] + 4, f"{name} {measured[max(measured)].cpu:,.1f}"))
    return svg(410, drawn)
