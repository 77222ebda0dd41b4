"""The plot: how far above the optimum everybody is, from rows only."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from experiments.known_optimum.networks import NETWORKS
from experiments.known_optimum.rows import LEARNT, Row
from experiments.main_job.plots import BLUE, INK, QUIET, draw

_SHOWN = (LEARNT, "max-pressure", "MaxWeight", "c-mu", "threshold")
_LEAST_SHOWN = 1e-5


def draw_gaps(rows: Sequence[Row]) -> bytes:
    """A line a network, a dot a rule or a seed, as SVG; same rows, same bytes."""
    return draw(lambda _: _gaps(rows), {})


def _gaps(rows: Sequence[Row]) -> Figure:
    names = [
        name
        for name, network in NETWORKS.items()
        if network.optimum is not None and any(row.network == name for row in rows)
    ]
    figure = Figure(figsize=(9, 0.8 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    for height, name in enumerate(reversed(names)):
        optimum = NETWORKS[name].optimum or 1.0
        shown = [row for row in rows if row.network == name and row.arm in _SHOWN]
        below = False
        for row in sorted(shown, key=lambda row: row.cost):
            gap = 100 * max(row.cost / optimum - 1.0, _LEAST_SHOWN)
            is_learnt = row.arm == LEARNT
            axes.plot(gap, height, "o" if is_learnt else "|", ms=6 if is_learnt else 12,
                      color=BLUE if is_learnt else QUIET)  # fmt: skip
            if not is_learnt:
                # By turns above and below: names of neighbours would lie over one another.
                axes.annotate(row.arm, (gap, height), (0, -7 if below else 7), color=INK,
                              fontsize=7, textcoords="offset points", ha="center",
                              va="top" if below else "bottom")  # fmt: skip
                below = not below
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set(xscale="log", xlabel="cost above the optimum, % (dots: PPO on the surrogate, by seed)")
    return figure
