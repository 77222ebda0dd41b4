"""The plot: delay by size of the change, kind by kind, from rows only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.drift.analysis import Block, blocks
from experiments.drift.rows import Row
from experiments.drift.settings import SHIFT, Setting
from experiments.main_job.plots import BLUE, GREEN, INK, ORANGE, RED, draw

_COLOURS = {
    "score cusum": ORANGE,
    "residual cusum": BLUE,
    "adwin": GREEN,
    "page-hinkley": RED,
    "kswin": INK,
}


def draw_delays(rows: Sequence[Row], settings: Sequence[Setting]) -> bytes:
    """One row of panels a scenario, as SVG; same rows, same bytes."""
    found = [b for b in blocks(rows, settings) if b.setting.kinds != (SHIFT,)]
    return draw(lambda _: _delays(found), {})


def _delays(found: Sequence[Block]) -> Figure:
    most = max((len(block.setting.kinds) for block in found), default=1)
    figure = Figure(figsize=(2.6 * most, 2.6 * max(1, len(found))), layout="constrained")
    panels = figure.subplots(max(1, len(found)), most, squeeze=False, sharey=True)
    for block, row in zip(found, panels, strict=False):
        for kind, axes in zip(block.setting.kinds, row, strict=False):
            _panel(axes, block, kind)
        row[0].set_ylabel("median days to notice")
    if found:
        panels[0][0].legend(fontsize=7)
    return figure


def _panel(axes: Axes, block: Block, kind: str) -> None:
    """Missed by most stands at the top edge."""
    sizes, longest = np.array(block.setting.sizes), block.setting.longest_delay
    for place, (arm, colour) in enumerate(_COLOURS.items()):
        if arm in block.rows:
            days = np.array([block.delay(arm, kind, size) for size in sizes])
            # A little apart, so that equal delays do not hide each other.
            at = 100 * sizes * (1 + 0.03 * (place - 2))
            axes.plot(at, np.minimum(days, longest), "o-", color=colour, ms=3.5, lw=1.2, label=arm)
    axes.set(xscale="log", yscale="log", title=f"{block.setting.scenario}: {kind}")
    axes.set_xticks(100 * sizes, [f"{100 * size:g}%" for size in sizes])
    axes.set_xticks([], minor=True)
    axes.set_yticks([1, 2, 5, 10, 20, longest], ["1", "2", "5", "10", "20", "missed"])
    axes.set_yticks([], minor=True)
