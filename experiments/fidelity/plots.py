"""The pictures of a fidelity report, each drawn from the record alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from experiments.main_job.plots import BLUE, GREEN, INK, ORANGE, QUIET, RED

Record = dict[str, Any]
_MOST_PANELS, _PANELS_A_ROW = 8, 4
_MOST_BARS = 12


def calibration(record: Record) -> Figure:
    """PIT histograms of the quantities that are farthest from flat."""
    pit = record["one_epoch"]["pit"]
    names = sorted(pit, key=lambda name: -_unevenness(pit[name]))[:_MOST_PANELS]
    rows = -(-len(names) // _PANELS_A_ROW)
    figure = Figure(figsize=(10, 0.5 + 1.8 * rows), layout="constrained")
    panels = figure.subplots(rows, _PANELS_A_ROW, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, name in zip(panels, names, strict=False):
        bins = len(pit[name])
        share = np.array(pit[name]) / max(1, sum(pit[name])) * bins
        axes.stairs(share, np.linspace(0, 1, bins + 1), fill=True, color=BLUE, alpha=0.55)
        axes.axhline(1.0, color=INK, ls="--", lw=1)
        axes.set_title(_worded(name), fontsize=9)
        axes.set_xticks([0, 0.5, 1])
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    panels[0].set_ylim(0, max(2.0, min(6.0, panels[0].get_ylim()[1])))
    return figure


def horizons(record: Record) -> Figure:
    """Distance from the simulator at each horizon beside the noise floor."""
    found = record["horizons"]
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    epochs = found["epochs"]
    floor, chance, value = (
        [distance[key] for distance in found["overall"]] for key in ("floor", "chance", "value")
    )
    left.fill_between(epochs, 0, floor, color=QUIET, alpha=0.3, lw=0, label="noise floor (95%)")
    left.plot(epochs, chance, color=QUIET, lw=1.2, label="two batches of the simulator, mean")
    left.plot(epochs, value, color=BLUE, lw=2, label="surrogate and simulator")
    left.set(title="Distance of the distributions", xlabel="epochs ahead",
             ylabel="standard deviations", ylim=(0, None))  # fmt: skip
    if epochs[-1] > 8 * len(epochs):
        left.set_xscale("log")
    left.legend(fontsize=8)
    _bars(right, found["by_quantity"])
    right.set_title(f"The farthest quantities after {epochs[-1]} epochs")
    return figure


def _bars(axes: Axes, by_quantity: dict[str, list[dict[str, float]]]) -> None:
    last = {name: distances[-1] for name, distances in by_quantity.items()}
    names = sorted(last, key=lambda n: last[n]["value"] - last[n]["floor"])[-_MOST_BARS:]
    colours = [RED if last[n]["value"] > last[n]["floor"] else BLUE for n in names]
    places = range(len(names))
    axes.barh(places, [last[n]["value"] for n in names], color=colours, height=0.6)
    axes.plot([last[n]["floor"] for n in names], places, "|", color=INK, ms=11, mew=2,
              label="noise floor")  # fmt: skip
    axes.set_yticks(places, [_worded(n) for n in names], fontsize=8)
    axes.set_xlabel("standard deviations")
    axes.legend(fontsize=8, loc="lower right")


def ranking(record: Record) -> Figure:
    """Values of the policies in both worlds, and tau beside what can be attained."""
    found = record["ranking"]
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for policy in found["policies"]:
        colour = {"c": BLUE, "l": ORANGE}.get(policy["name"][0], GREEN)
        left.plot([policy["low"], policy["high"]], [policy["imagined"]] * 2, color=colour, lw=1)
        left.plot(policy["simulated"], policy["imagined"], "o", color=colour, ms=4)
    ends = [p[key] for p in found["policies"] for key in ("simulated", "imagined")]
    left.plot([min(ends), max(ends)], [min(ends), max(ends)], color=QUIET, lw=1, ls="--")
    for colour, label in ((BLUE, "constant"), (ORANGE, "linear rule"), (GREEN, "trained on it")):
        left.plot([], [], "o", color=colour, label=label)
    unit = record["unit"]
    left.set(title="Mean cost of an episode", xlabel=f"simulator, {unit}", ylabel="surrogate")
    if min(ends) > 0 and max(ends) > 8 * min(ends):
        left.set(xscale="log", yscale="log")
    else:
        left.xaxis.set_major_locator(MaxNLocator(5))
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.6g}"))
    left.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3)
    _taus(right, {"all": found["overall"], "better half": found["better_half"], **found["cells"]})
    return figure


def _taus(axes: Axes, taus: dict[str, dict[str, float]]) -> None:
    names = list(taus)[::-1]
    for place, name in enumerate(names):
        tau = taus[name]
        axes.plot([tau["low"], tau["high"]], [place] * 2, color=BLUE, lw=2)
        axes.plot(tau["value"], place, "o", color=BLUE)
        axes.plot(tau["attainable"], place, "|", color=INK, ms=11, mew=2)
    axes.plot([], [], "o", color=BLUE, label="surrogate, 95%")
    axes.plot([], [], "|", color=INK, ms=11, mew=2, label="attainable")
    axes.set_yticks(range(len(names)), [_worded(name) for name in names], fontsize=8)
    axes.set(title="Kendall's tau of the values", ylim=(-0.6, len(names) - 0.4))
    axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.09), ncols=2)


def familiarity(record: Record) -> Figure:
    """Support scores of fresh epochs, and of those that the trained policy meets."""
    figure = Figure(figsize=(10, 2.6), layout="constrained")
    axes = figure.subplots()
    for key, colour, label in (
        ("support", INK, "fresh simulated epochs"),
        ("support_of_trained", GREEN, "epochs of the trained policy in the surrogate"),
    ):
        if record[key] is None:
            continue
        counts = np.array(record[key]["histogram"])
        share = counts / max(1, counts.sum()) * len(counts)
        edges = np.linspace(0, 1, len(counts) + 1)
        axes.stairs(share, edges, color=colour, lw=1.6, label=label)
    axes.axhline(1.0, color=QUIET, ls="--", lw=1)
    axes.set(xlabel="support score (0: farther out than all data)", ylim=(0, None))
    axes.legend(fontsize=8)
    return figure


def _unevenness(counts: list[int]) -> float:
    shares = np.array(counts) / max(1, sum(counts))
    return float(np.abs(shares - 1 / len(counts)).sum())


def _worded(name: str) -> str:
    return name.replace("_", " ")


PICTURES: dict[str, Callable[[Record], Figure]] = {
    "calibration": calibration,
    "horizons": horizons,
    "ranking": ranking,
    "familiarity": familiarity,
}
"""The report's pictures, by name."""
