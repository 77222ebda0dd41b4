"""The analysis: the table and the figures, made from stored rows and nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.known_optimum.networks import NETWORKS, Network
from experiments.known_optimum.plot import draw_gaps
from experiments.known_optimum.rows import LEARNT, SURROGATE_OPTIMUM, TUNED, Row
from experiments.known_optimum.settings import PUBLISHED, find_setting
from experiments.rows import origin_of, read_rows

_HEAD = (
    "| network | optimum | best rule | published learner | rule tuned on surrogate | "
    "PPO on surrogate | above optimum | "
    "optimum of the surrogate, on the truth | true transitions | surrogate transitions |"
)


def write_results(folder: Path, *, quick: bool) -> None:
    """Write the results, the figures and the plot of a folder's rows."""
    digests = {find_setting(name, quick=quick).digest for name in NETWORKS}
    rows = [row for row in read_rows(folder / "rows.jsonl", Row) if row.digest in digests]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "RESULTS.md").write_text(render(rows), encoding="utf-8")
    if any(row.arm == LEARNT for row in rows):
        told = json.dumps(summary(rows), indent=1, allow_nan=False)
        (folder / "summary.json").write_text(told + "\n", encoding="utf-8")
        (folder / "gaps.svg").write_bytes(draw_gaps(rows))


def measured(rows: Sequence[Row]) -> Iterator[tuple[Network, list[Row]]]:
    """Networks of which something was learnt, in the study's order, with their rows."""
    for name, network in NETWORKS.items():
        mine = [row for row in rows if row.network == name]
        if any(row.arm == LEARNT for row in mine):
            yield network, mine


def render(rows: Sequence[Row]) -> str:
    """The results as Markdown."""
    found = list(measured(rows))
    if not found:
        return "Nothing has been measured yet.\n"
    lines = [
        "Average cost per minute on the true network. Of what was learnt: the mean over seeds, and",
        "in brackets each seed.",
        "",
        _HEAD,
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        *(_line(network, mine) for network, mine in found),
        "",
        "By the event simulator, on paired runs from the empty system, PPO against a rule:",
        "",
        "| network | rule | seed | relative difference of cost (95% interval) |",
        "| --- | --- | ---: | ---: |",
        *(
            f"| {row.network} | {_paired_with(row)} | {row.seed} | "
            f"{row.simulated[0]:+.1%} [{row.simulated[1]:+.1%}, {row.simulated[2]:+.1%}] |"
            for _, mine in found
            for row in mine
            if row.simulated is not None
        ),
        "",
        f"Measured at {origin_of(rows)}.",
    ]
    return "\n".join(lines) + "\n"


def _line(network: Network, rows: Sequence[Row]) -> str:
    learnt, tuned, bias = (
        sorted(_of(rows, arm), key=lambda row: row.seed)
        for arm in (LEARNT, TUNED, SURROGATE_OPTIMUM)
    )
    rules = [row for row in rows if row.arm not in (LEARNT, TUNED, SURROGATE_OPTIMUM)]
    best = min(rules, key=lambda row: row.cost, default=None)
    costs = [row.cost for row in learnt]
    optimum = network.optimum
    published = PUBLISHED.get(network.name)
    cells = [
        network.name,
        "unknown" if optimum is None else f"{optimum:.4f}",
        "" if best is None else f"{_cost(best)} ({best.arm})",
        "" if published is None else f"{published[1]:g} ({published[0]})",
        _seeds(tuned),
        _seeds(learnt),
        "" if optimum is None else f"{np.mean(costs) / optimum - 1:+.2%}",
        ", ".join(f"{row.cost:.4f}" for row in bias),
        f"{learnt[0].true_transitions:,}",
        f"{learnt[0].surrogate_transitions:,}",
    ]
    return f"| {' | '.join(cells)} |"


def _seeds(rows: Sequence[Row]) -> str:
    if not rows:
        return ""
    return f"{np.mean([row.cost for row in rows]):.4f} ({', '.join(_cost(row) for row in rows)})"


def _paired_with(row: Row) -> str:
    return find_setting(row.network, quick=False).best_rule


def _of(rows: Sequence[Row], arm: str) -> list[Row]:
    return [row for row in rows if row.arm == arm]


def _cost(row: Row) -> str:
    if row.how == "exact":
        return f"{row.cost:.4f}"
    return f"{row.cost:.2f} ± {(row.high - row.low) / 2:.2f}"


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures, each with its goal."""
    last = max(rows, key=lambda row: row.date)
    return {
        "commit": last.commit,
        "date": last.date,
        "machine": last.machine,
        "figures": [_figure(network, _of(mine, LEARNT)) for network, mine in measured(rows)],
    }


def _figure(network: Network, learnt: Sequence[Row]) -> dict[str, Any]:
    """The mean over seeds; the ends are the best and the worst seed."""
    costs = np.array([row.cost for row in learnt])
    unit, goal = "cost per minute", f"<= {network.goal:g}"
    if network.optimum is not None:
        costs = costs / network.optimum - 1.0
        unit, goal = "above the optimum", f"<= {network.goal / network.optimum - 1:.2g}"
    return {
        "name": f"{network.name}_cost" if network.optimum is None else f"{network.name}_gap",
        "value": float(costs.mean()),
        "low": float(costs.min()),
        "high": float(costs.max()),
        "n": len(costs),
        "unit": unit,
        "goal": goal,
    }
