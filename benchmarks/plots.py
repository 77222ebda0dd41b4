"""The plot of the benchmarks, drawn from rows only."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from benchmarks.rows import Row
from benchmarks.scaling import curve
from experiments.main_job.plots import BLUE, GREEN, ORANGE, draw


def draw_scaling(rows: Sequence[Row]) -> bytes:
    """Time per customer and memory over customers served, as SVG; same rows, same bytes."""
    return draw(lambda _: _scaling(rows), {})


def _scaling(rows: Sequence[Row]) -> Figure:
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    servers = sorted({int(row.settings["servers"]) for row in rows})
    for number, colour in zip(servers, (BLUE, ORANGE, GREEN), strict=False):
        sizes, cost = curve(rows, "seconds_per_customer", number)
        left.plot(sizes, [1e6 * c for c in cost], "o-", color=colour, label=f"{number:,} servers")
        sizes, peak = curve(rows, "peak_mib", number)
        right.plot(sizes, peak, "o-", color=colour, label=f"{number:,} servers")
    left.set(title="Time per customer, microseconds", xlabel="customers served", xscale="log")
    right.set(title="Largest memory of the process, MiB", xlabel="customers served", xscale="log")
    for axes in (left, right):
        axes.set_ylim(0, 1.1 * axes.dataLim.y1)
        axes.legend(loc="lower left")
    return figure
