"""The results as Markdown and as figures, from rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from experiments.racing.arrivals import Arrival, arrivals, current
from experiments.racing.rows import Row
from experiments.rows import origin_of
from experiments.time_to_policy.direct import LEAN, STOCK
from experiments.time_to_policy.settings import Setting
from experiments.time_to_policy.target import Target, target_of

_HEAD = (
    "| way to a policy | seeds that got there | wall-clock, s | true epochs | best cost of a day |",
    "| --- | ---: | ---: | ---: | ---: |",
)
_HEADLINE = {
    "`flow`": "flow",
    "`gp`": "gp",
    "`ensemble`": "ensemble",
    "stock RLlib on the simulator": STOCK,
    "our PPO on the simulator": LEAN,
}
"""Arms by what they are called for readers who have not read of the study."""


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """Every system that has rows."""
    parts, told = ["# Time to a policy\n"], list[Row]()
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        target = target_of(mine, setting.reaches)
        if target is not None:
            parts.append(_section(setting, mine, target))
            told += mine
    if not told:
        return "\n".join([*parts, "No rows yet.\n"])
    parts.append(f"Measured at {origin_of(told)}.\n")
    return "\n".join(parts)


def _section(setting: Setting, rows: Sequence[Row], target: Target) -> str:
    found = arrivals(rows, target.cost)
    told = (
        f"A day may cost {target.cost:,.0f} at most: the best rule ({target.best_rule}) costs "
        f"{target.rule_cost:,.0f}, the best of all that was found {target.best_known:,.0f}, on the "
        f"same {setting.judged_days} true days.\n"
    )
    rows_of = [_line(arrival) for arrival in found]
    ratios = [f"{sentence}\n" for sentence in _ratios(found)]
    return "\n".join([f"## {setting.name}\n", told, *_HEAD, *rows_of, "", *ratios])


def _line(arrival: Arrival) -> str:
    epochs = sorted(arrival.epochs)[len(arrival.epochs) // 2]
    return (
        f"| {arrival.arm} | {arrival.reached} of {len(arrival.seconds)} | {_seconds(arrival)} | "
        f"{epochs:,.0f} | {min(arrival.best):,.0f} to {max(arrival.best):,.0f} |"
    )


def _seconds(arrival: Arrival) -> str:
    seconds = f"{arrival.at_least:,.0f}"
    if arrival.reached < len(arrival.seconds):
        return f"more than {seconds}" if not arrival.reached else f"at least {seconds}"
    return seconds


def headline(rows: Sequence[Row], settings: Sequence[Setting]) -> list[str]:
    """A line for each system that has rows, with every arm in a column."""
    lines = [
        f"| good enough after | {' | '.join(_HEADLINE)} |",
        f"| --- |{' ---: |' * len(_HEADLINE)}",
    ]
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        target = target_of(mine, setting.reaches)
        if target is not None:
            found = {arrival.arm: arrival for arrival in arrivals(mine, target.cost)}
            told = (_told(found.get(arm)) for arm in _HEADLINE.values())
            lines.append(f"| {setting.name} | {' | '.join(told)} |")
    return lines


def _told(arrival: Arrival | None) -> str:
    if arrival is None:
        return ""
    return f"{_seconds(arrival)} s, {arrival.reached} of {len(arrival.seconds)} seeds"


def _ratios(found: Sequence[Arrival]) -> list[str]:
    quickest = _quickest(found)
    if quickest is None:
        return []
    return [
        f"By {quickest.arm} {_ratio(each, quickest)} times sooner than by: {each.arm}."
        for each in found
        if each.arm in (STOCK, LEAN)
    ]


def _quickest(found: Sequence[Arrival]) -> Arrival | None:
    there = [a for a in found if a.arm not in (STOCK, LEAN) and a.reached == len(a.seconds)]
    return min(there, key=lambda a: a.at_least) if there else None


def _ratio(slow: Arrival, quick: Arrival) -> str:
    ratio = f"{slow.at_least / quick.at_least:.1f}"
    return ratio if slow.reached == len(slow.seconds) else f"more than {ratio}"


def summary(rows: Sequence[Row], settings: Sequence[Setting]) -> dict[str, Any] | None:
    """Ratios as figures; None without rows."""
    figures: list[dict[str, Any]] = []
    latest = None
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        target = target_of(mine, setting.reaches)
        if target is None:
            continue
        latest = mine[-1]
        found = arrivals(mine, target.cost)
        figures += _figures(setting, found)
    if latest is None:
        return None
    return {
        "commit": latest.commit,
        "date": latest.date,
        "machine": latest.machine,
        "figures": figures,
    }


def _figures(setting: Setting, found: Sequence[Arrival]) -> list[dict[str, Any]]:
    quickest = _quickest(found)
    if quickest is None:
        return []
    return [
        {
            "name": f"{setting.name}_{'stock' if each.arm == STOCK else 'lean'}",
            "value": each.at_least / quickest.at_least,
            "is_bound": each.reached < len(each.seconds),
            "n": len(each.seconds),
            "unit": f"ratio of wall-clock to {quickest.arm}",
        }
        for each in found
        if each.arm in (STOCK, LEAN)
    ]
