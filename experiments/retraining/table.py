"""The results as Markdown and as figures, from rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.racing.arrivals import Arrival, arrivals, current
from experiments.racing.rows import Row
from experiments.retraining.arms import WARM
from experiments.retraining.settings import Setting
from experiments.retraining.target import Target, target_of

GOALS = {"objective": 100.0, "parameters inside": 50.0, "structure": 5.0}
_HEAD = (
    (
        "| way back | seeds that got there | wall-clock, s | true epochs | least cost of a day | "
        "last cost against never re-trained, by seed |"
    ),
    "| --- | ---: | ---: | ---: | ---: | ---: |",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One arm over the seeds, each against the target of its own old policy."""

    arm: str
    by_seed: tuple[Arrival, ...]
    ended: tuple[float, ...]
    """By seed, the last checkpoint's cost relative to that of the old policy."""

    @property
    def reached(self) -> int:
        """Seeds that got there."""
        return sum(a.reached for a in self.by_seed)

    @property
    def seconds(self) -> float:
        """Median, those that did not get there counted at their bound."""
        return float(np.median([a.at_least for a in self.by_seed]))


def outcomes(rows: Sequence[Row], setting: Setting) -> list[Outcome]:
    """Every arm that has rows."""
    found: dict[str, list[tuple[Arrival, float]]] = {}
    for seed in sorted({row.seed for row in rows}):
        target = target_of(rows, seed, setting.regained)
        mine = [row for row in rows if row.seed == seed]
        if target is None:
            continue
        for arrival in arrivals(mine, target.cost):
            ended = arrival.last[0] / target.never - 1.0
            found.setdefault(arrival.arm, []).append((arrival, ended))
    return [
        Outcome(arm=arm, by_seed=tuple(a for a, _ in each), ended=tuple(e for _, e in each))
        for arm, each in sorted(found.items())
    ]


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """Every change that has rows."""
    parts = ["# Good again after a change\n"]
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        targets = _targets(mine, setting)
        if targets:
            parts.append(_section(setting, outcomes(mine, setting), targets))
    if len(parts) == 1:
        parts.append("No rows yet.\n")
    return "\n".join(parts)


def _targets(rows: Sequence[Row], setting: Setting) -> list[Target]:
    found = (target_of(rows, seed, setting.regained) for seed in setting.seeds)
    return [target for target in found if target is not None]


def _section(setting: Setting, found: Sequence[Outcome], targets: Sequence[Target]) -> str:
    never, told, cost = (
        float(np.mean([getattr(target, name) for target in targets]))
        for name in ("never", "conditioned", "cost")
    )
    costs = [target.cost for target in targets]
    text = (
        f"On the same {setting.judged_days} true days, means over {len(targets)} old policies: the "
        f"old policy costs {never:,.0f}, one that is told of the change {told:,.0f} at once, the "
        f"best that was found {targets[0].best_known:,.0f}. Good again is {cost:,.0f} or less: "
        f"{setting.regained:.0%} of what there is to gain, a mean of one target for each "
        f"old policy ({min(costs):,.0f} to {max(costs):,.0f}). The least cost is of the checkpoint "
        "that was best on these days, which nobody knows beforehand.\n"
    )
    return "\n".join(
        [f"## {setting.name}\n", text, *_HEAD, *map(_line, found), "", *_ratios(found)]
    )


def _line(outcome: Outcome) -> str:
    count = len(outcome.by_seed)
    seconds = f"{outcome.seconds:,.1f}"
    if outcome.reached < count:
        seconds = f"more than {seconds}" if not outcome.reached else f"at least {seconds}"
    epochs = float(np.median([a.epochs[0] for a in outcome.by_seed]))
    best = [a.best[0] for a in outcome.by_seed]
    return (
        f"| {outcome.arm} | {outcome.reached} of {count} | {seconds} | {epochs:,.0f} | "
        f"{min(best):,.0f} to {max(best):,.0f} | "
        f"{', '.join(f'{ended:+.1%}' for ended in outcome.ended)} |"
    )


def _ratios(found: Sequence[Outcome]) -> list[str]:
    slow = next((outcome for outcome in found if outcome.arm == WARM), None)
    if slow is None:
        return []
    return [
        f"{quick.arm}: {_times(slow, quick)} times sooner than {WARM}.\n"
        for quick in found
        if quick.arm != WARM and quick.reached == len(quick.by_seed)
    ]


def _times(slow: Outcome, quick: Outcome) -> str:
    ratio = f"{slow.seconds / quick.seconds:.1f}"
    return ratio if slow.reached == len(slow.by_seed) else f"more than {ratio}"


def summary(rows: Sequence[Row], settings: Sequence[Setting]) -> dict[str, Any] | None:
    """Ratios of a warm start on the surrogate to one on the simulator; None without rows."""
    figures: list[dict[str, Any]] = []
    latest = None
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        found = {outcome.arm: outcome for outcome in outcomes(mine, setting)}
        slow, quick = found.get(WARM), found.get("surrogate warm")
        if slow is None or quick is None:
            continue
        latest = mine[-1]
        figures.append(
            {
                "name": setting.turn.name,
                "value": slow.seconds / quick.seconds,
                "is_bound": slow.reached < len(slow.by_seed),
                "reached": quick.reached,
                "n": len(quick.by_seed),
                "goal": GOALS.get(setting.turn.name),
                "unit": f"ratio of wall-clock: {WARM} to surrogate warm",
            }
        )
    if latest is None:
        return None
    origin = {"commit": latest.commit, "date": latest.date, "machine": latest.machine}
    return {**origin, "figures": figures}
