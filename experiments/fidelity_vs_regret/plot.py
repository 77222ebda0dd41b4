"""The plot: every surrogate's regret over its scores, from rows only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from experiments.fidelity_vs_regret.analysis import foretellings, regrets
from experiments.fidelity_vs_regret.rows import Row
from experiments.fidelity_vs_regret.settings import Setting
from experiments.fidelity_vs_regret.table import rows_of
from experiments.main_job.plots import draw

_SHOWN = 4
"""Scores of each system: those that foretell best."""
_LEAST = 1e-3
"""Regret that is drawn at the axis' end, where none is left."""


def draw_scores(rows: Sequence[Row], settings: Sequence[Setting]) -> bytes:
    """A row of panels a system, a dot a surrogate, as SVG; same rows, same bytes."""
    shown = [mine for mine in (rows_of(rows, s) for s in settings) if len(mine) > _SHOWN]
    return draw(lambda _: _panels(shown), {})


def _panels(systems: Sequence[Sequence[Row]]) -> Figure:
    figure = Figure(figsize=(12, 0.3 + 3.0 * max(1, len(systems))), layout="constrained")
    grid = figure.subplots(max(1, len(systems)), _SHOWN, squeeze=False)
    for line, rows in zip(grid, systems, strict=False):
        regret = np.maximum(regrets(rows), _LEAST)
        families = list(dict.fromkeys(row.family for row in rows))
        for axes, found in zip(line, foretellings(rows), strict=False):
            for number, family in enumerate(families):
                dots = [
                    (row.scores[found.score], each)
                    for row, each in zip(rows, regret, strict=True)
                    if row.family == family and row.scores.get(found.score) is not None
                ]
                if dots:
                    axes.plot(*zip(*dots, strict=True), "o", ms=4, alpha=0.8,
                              color=f"C{number}", label=family)  # fmt: skip
            axes.set(yscale="log", title=rows[0].ground, xlabel=found.score)
        line[0].set_ylabel("regret")
        line[0].legend(fontsize=6)
    return figure
