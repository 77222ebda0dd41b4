"""The plot: CRPS, tau and coverage of everybody on every scenario, from rows only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.main_job.plots import BLUE, GREEN, INK, QUIET, draw
from experiments.surrogate_comparison.analysis import Field, Reading, crps, fields, largest
from experiments.surrogate_comparison.rows import Row


def draw_comparison(rows: Sequence[Row]) -> bytes:
    """One row of panels a scenario, as SVG; same rows, same bytes."""
    return draw(lambda _: _comparison(largest(fields(rows))), {})


def _comparison(found: Sequence[Field]) -> Figure:
    tallest = max(len(field.rows) for field in found)
    figure = Figure(figsize=(10, len(found) * (0.9 + 0.24 * tallest)), layout="constrained")
    panels = figure.subplots(len(found), 3, squeeze=False)
    for field, (left, middle, right) in zip(found, panels, strict=True):
        _dots(left, field, crps)
        left.set(title=f"{field.scenario}, {field.amount:,} rows: CRPS")
        _shorten(left, field)
        _dots(middle, field, lambda row: row.tau)
        attainable = np.mean([row.attainable for row in next(iter(field.rows.values()))])
        middle.axvline(float(attainable), color=INK, ls="--", lw=1)
        middle.set(title="tau (dashed: attainable)")
        _dots(right, field, lambda row: 100 * row.coverage_95)
        right.axvspan(93, 97, color=GREEN, alpha=0.15, lw=0)
        right.set(title="95% coverage, %")
        for axes in (middle, right):
            axes.set_yticklabels([])
    return figure


def _shorten(axes: Axes, field: Field) -> None:
    """From 0 to thrice the least; whoever is beyond gets an arrow at the edge."""
    edge = 3.0 * min(field.means(crps).values())
    for height, name in enumerate(reversed(field.means(crps))):
        if min(crps(row) for row in field.rows[name]) > edge:
            axes.scatter(edge, height, marker=">", color=QUIET, s=30, clip_on=False, zorder=3)
    axes.set_xlim(0.0, edge)


def _dots(axes: Axes, field: Field, reading: Reading) -> None:
    """A dot a seed; whoever has the least CRPS on top."""
    names = list(reversed(field.means(crps)))
    for height, name in enumerate(names):
        rows = field.rows[name]
        values = [reading(row) for row in rows]
        colour = BLUE if rows[0].is_ours else QUIET
        axes.plot(sorted(values), [height] * len(values), "o-", color=colour, lw=1.2, ms=4)
    axes.set_yticks(range(len(names)), names)
