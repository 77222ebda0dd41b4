"""The pictures of the report, each drawn from stored summaries only."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from typing import Any

import matplotlib as mpl
import matplotlib.dates as mdates
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

Summaries = dict[str, dict[str, Any]]

INK, QUIET, BLUE, ORANGE, GREEN, RED = (
    "#1f2933", "#9aa5b1", "#2563a8", "#d9730d", "#2f855a", "#c53030",
)  # fmt: skip
_COLOURS = (BLUE, ORANGE, GREEN, RED, INK, QUIET)
_MOST_PANELS, _PANELS_A_ROW = 6, 3
_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "surrogym",
}


def draw(picture: Callable[[Summaries], Figure], summaries: Summaries, kind: str = "svg") -> bytes:
    """One picture as the bytes of a file; the same rows give the same bytes."""
    with mpl.rc_context(_STYLE):
        figure = picture(summaries)
        buffer = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(buffer, format=kind, dpi=130, bbox_inches="tight", metadata=metadata)
    return buffer.getvalue()


def volumes(summaries: Summaries) -> Figure:
    """Real and simulated calls over the day, and their dispersion."""
    learnt = summaries["learn"]
    hours = _hours(learnt)
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    for name, colour in (("real", INK), ("simulated", BLUE)):
        band = learnt[name]
        left.fill_between(hours, band["low"], band["high"], color=colour, alpha=0.18, lw=0)
        left.plot(
            hours, band["middle"], color=colour, lw=1.6, label=f"{name}: median, 5-95% of days"
        )
    left.set(title="Calls per five minutes", xlabel="time of day", ylim=(0, None))
    left.legend(loc="lower center")
    right.plot(hours, _smooth(learnt["dispersion_real"]), color=INK, label="real")
    right.plot(hours, _smooth(learnt["dispersion_simulated"]), color=BLUE, label="simulated")
    right.axhline(1.0, color=QUIET, ls="--", lw=1)
    right.annotate("a plain Poisson model", (hours[-1], 1.0), xytext=(0, 3), ha="right",
                   textcoords="offset points", color=QUIET, fontsize=9)  # fmt: skip
    right.set(title="Variance over mean", xlabel="time of day", ylim=(0, None))
    right.legend()
    for axes in (left, right):
        _clock(axes)
    return figure


def one_day(summaries: Summaries) -> Figure:
    """What is in the system through one simulated episode, a panel each."""
    day = summaries["simulate"]["day"]
    names = day["shown"][:_MOST_PANELS]
    rows = -(-len(names) // _PANELS_A_ROW)
    columns = min(len(names), _PANELS_A_ROW)
    figure = Figure(figsize=(10, 0.6 + 2.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    time, label = _times(day)
    for axes, name, colour in zip(panels, names, _COLOURS, strict=False):
        axes.step(time, day["states"][name], color=colour, where="post")
        axes.set(title=_worded(name).capitalize(), xlabel=label)
        if day["opening"] is not None:
            _clock(axes)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    return figure


def _times(day: dict[str, Any]) -> tuple[np.ndarray, str]:
    """When each state was seen: on the clock where there is one, else since the beginning."""
    minutes = np.array(day["minutes"])
    if day["opening"] is None:
        return minutes, "minutes"
    opening = int(day["opening"][:2]) + int(day["opening"][3:]) / 60
    return opening + minutes / 60, "time of day"


def _worded(name: str) -> str:
    return name.replace("_", " ")


def fidelity(summaries: Summaries) -> Figure:
    """Scores of the families, and whether the probabilities of the one in use are right."""
    families, used = summaries["fit"]["families"], summaries["fit"]["trained_on"]
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    names = sorted(families, key=lambda n: families[n]["scores"]["standardised_crps"], reverse=True)
    crps = [families[name]["scores"]["standardised_crps"] for name in names]
    bars = left.barh(names, crps, color=[BLUE if n == used else QUIET for n in names])
    left.bar_label(bars, fmt="%.3f", padding=3)
    left.set(
        title="Error on unseen epochs\n(CRPS, lower is better)", xlim=(0, max(*crps, 1e-6) * 1.2)
    )
    coverage = [100 * families[name]["scores"]["coverage"]["95"] for name in names]
    middle.scatter(coverage, names, color=BLUE, zorder=3)
    middle.axvspan(93, 97, color=GREEN, alpha=0.15, lw=0)
    middle.set(title="How often the 95% interval\nholds the outcome", xlabel="% (band: 93-97)")
    counts = families[used]["pit"]
    for name, colour in zip(summaries["fit"]["shown"], _COLOURS, strict=False):
        share = np.array(counts[name]) / max(1, sum(counts[name])) * 20
        right.stairs(share, np.linspace(0, 1, 21), color=colour, label=_worded(name))
    right.axhline(1.0, color=QUIET, ls="--", lw=1)
    right.set(title=f"Calibration of {used}\n(flat is right)", ylim=(0, 2.2), xlabel="PIT")
    right.legend(fontsize=8)
    return figure


def learning(summaries: Summaries) -> Figure:
    """Cost of an episode against the wall-clock spent, both ways of training."""
    trained, evaluated = summaries["pretrain"], summaries["evaluate"]
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axes = figure.subplots()
    paid = trained["paid_before_seconds"]
    axes.axvspan(0, paid, color=BLUE, alpha=0.08, lw=0)
    axes.annotate("collecting and fitting", (paid / 2, 0.97), xycoords=("data", "axes fraction"),
                  ha="center", va="top", color=BLUE, fontsize=9)  # fmt: skip
    for key, shift, colour, label in (
        ("surrogate", paid, BLUE, "PPO on the surrogate, as the surrogate prices it"),
        ("direct", 0.0, ORANGE, "PPO on the simulator"),
    ):
        points = [p for p in trained[key]["curve"] if p["mean_return"] is not None]
        seconds = shift + np.array([p["seconds"] for p in points])
        cost = -np.array([p["mean_return"] for p in points]) * trained["cost_unit"]
        if points:
            axes.plot(seconds, _smooth(cost, 5), color=colour, label=f"{label}, exploring")
    table = {row["name"]: row["cost"]["value"] for row in evaluated["table"]}
    for row, colour in ((evaluated["table"][0], BLUE), (evaluated["table"][-1], ORANGE)):
        axes.plot(trained["bill_seconds"], row["cost"]["value"], "D", color=colour)
    axes.plot([], [], "D", color=INK, label="in the end, greedy, on the simulator")
    best = evaluated["best_rule"]
    axes.axhline(
        table[best], color=INK, lw=1, ls="--", label=f"best rule: {best}, on the simulator"
    )
    axes.set(
        title=f"Cost of {_article(evaluated['episode'])} while training",
        xlabel="seconds of one core, everything counted",
        ylabel=evaluated["unit"],
        xlim=(0, None),
    )
    _show_money(axes)
    axes.legend(loc="lower left", ncols=2)
    return figure


def comparison(summaries: Summaries) -> Figure:
    """Every controller against the best rule, on the same days."""
    rows = summaries["evaluate"]["table"][::-1]
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    axes = figure.subplots()
    for position, row in enumerate(rows):
        e = row["against_best_rule"]
        colour = GREEN if e["high"] < 0 else RED if e["low"] > 0 else INK
        axes.plot([100 * e["low"], 100 * e["high"]], [position] * 2, color=colour, lw=2.5)
        axes.plot(100 * e["value"], position, "o", color=colour)
        axes.annotate(
            f"{100 * e['value']:+.1f}%",
            (100 * e["value"], position),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            color=colour,
        )
    axes.axvline(0, color=QUIET, lw=1)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    best = summaries["evaluate"]["best_rule"]
    axes.set(
        title=f"Cost against the best rule ({best}), true simulator",
        xlabel="% with 95% interval (left is better)",
        ylim=(-0.5, len(rows) - 0.3),
    )
    axes.set_xscale("symlog", linthresh=20)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    return figure


def timeline(summaries: Summaries) -> Figure:
    """The live replay: cost with and without re-training, alarms and promotions."""
    live = summaries["live"]
    days = [_when(live, day["date"]) for day in live["days"]]
    figure = Figure(figsize=(10, 5.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    for key, colour, style, label in (
        ("cost", BLUE, "-", "watched and re-trained"),
        ("cost_never", ORANGE, (0, (2, 2)), "never re-trained"),
    ):
        cost = np.array([day[key] for day in live["days"]])
        top.plot(days, cost, color=colour, alpha=0.25, lw=1)
        name = f"{label}, mean of 5 {live['episode']}s"
        top.plot(days, _smooth(cost, 5), color=colour, lw=2, ls=style, label=name)
    _events(top, live)
    top.set(title=f"Cost of each live {live['episode']}", ylabel=live["unit"])
    _show_money(top)
    top.legend(loc="upper left", ncols=2)
    for name, colour in zip(live["watched"], _COLOURS, strict=False):
        bottom.plot(days, [day["statistics"].get(name, np.nan) for day in live["days"]],
                    color=colour, label=_worded(name.removesuffix("_scale")))  # fmt: skip
    bottom.axhline(1.0, color=INK, ls="--", lw=1)
    bottom.set(title="Evidence of drift (1 raises the alarm)", ylim=(0, None))
    bottom.legend(loc="upper left", ncols=3)
    _events(bottom, live)
    if live["by_date"]:
        bottom.xaxis_date()
        bottom.xaxis.set_major_formatter(mdates.DateFormatter("%d %b"))
    else:
        bottom.set(xlabel=live["episode"])
    return figure


def _when(live: dict[str, Any], label: str) -> float:
    """Where a live episode stands on the axis: its date, or the number in its label."""
    if live["by_date"]:
        return float(mdates.date2num(date.fromisoformat(label)))
    return float(label.split()[-1])


def _events(axes: Axes, live: dict[str, Any]) -> None:
    """Vertical lines where something happened, each kind named once."""
    alarms = [alarm["date"] for alarm in live["alarms"]]
    promotions = [r["date"] for r in live["retrainings"] if r["promoted"]]
    for events, colour, style, label in (
        ([live["change_on"]] if live["change_on"] else [], RED, "-", "dynamics change"),
        (alarms, INK, ":", "alarm"),
        (promotions, GREEN, "-", "promotion"),
    ):
        for number, day in enumerate(events):
            when = _when(live, day)
            name = label if number == 0 else None
            axes.axvline(when, color=colour, lw=1.2, ls=style, label=name)


def _hours(learnt: dict[str, Any]) -> np.ndarray:
    opening = int(learnt["opening"][:2]) + int(learnt["opening"][3:]) / 60
    slots = len(learnt["dispersion_real"])
    return np.asarray(opening + np.arange(slots) * learnt["slot_minutes"] / 60)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _show_money(axes: Axes) -> None:
    """Thousands apart, and zero in sight where costs are not negative."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda cost, _: f"{cost:,.6g}"))
    if axes.get_ylim()[1] > 0 and axes.dataLim.y0 >= 0:
        axes.set_ylim(0, None)


def _clock(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda hour, _: f"{int(hour):02d}:00"))


def _smooth(values: Any, width: int = 7) -> np.ndarray:
    """Centred moving mean, narrower at the ends."""
    numbers = np.asarray(values, dtype=float)
    kernel = np.ones(min(width, len(numbers)))
    total = np.convolve(numbers, kernel, mode="same")
    return np.asarray(total / np.convolve(np.ones(len(numbers)), kernel, mode="same"))


PICTURES: dict[str, tuple[str, Callable[[Summaries], Figure]]] = {
    "volumes": ("learn", volumes),
    "one_day": ("simulate", one_day),
    "fidelity": ("fit", fidelity),
    "learning": ("pretrain", learning),
    "comparison": ("evaluate", comparison),
    "timeline": ("live", timeline),
}
"""The report's pictures in order, each with the stage without which there is nothing to draw."""
