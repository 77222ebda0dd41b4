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
    parts, found = ["# Time to a policy\n"], races(rows, settings)
    if not found:
        return "\n".join([*parts, "No rows yet.\n"])
    parts += [_section(*race) for race in found]
    told = [row for _, mine, _ in found for row in mine]
    return "\n".join([*parts, f"Measured at {origin_of(told)}.\n"])


def races(
    rows: Sequence[Row], settings: Sequence[Setting]
) -> list[tuple[Setting, list[Row], Target]]:
    """Every system that has rows, with them and with what is good enough there."""
    mine = [(setting, current(rows, setting.name, setting.digest)) for setting in settings]
    found = [(setting, its, target_of(its, setting.reaches)) for setting, its in mine]
    return [(setting, its, target) for setting, its, target in found if target is not None]


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
        f"| {arrival.arm} | {_share(arrival)} | {_seconds(arrival)} | "
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
    for setting, mine, target in races(rows, settings):
        found = {arrival.arm: arrival for arrival in arrivals(mine, target.cost)}
        told = (_told(found.get(arm)) for arm in _HEADLINE.values())
        lines.append(f"| {setting.name} | {' | '.join(told)} |")
    return lines


def _told(arrival: Arrival | None) -> str:
    if arrival is None:
        return ""
    told = f"{_seconds(arrival)} s, {_share(arrival)} seeds"
    there = sorted(seconds for seconds in arrival.seconds if seconds is not None)
    if not there or len(arrival.seconds) == 1:
        return told
    ends = dict.fromkeys(f"{seconds:,.0f}" for seconds in (there[0], there[-1]))
    return f"{told} ({' to '.join(ends)} s)"


def _share(arrival: Arrival) -> str:
    return f"{arrival.reached} of {len(arrival.seconds)}"


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
    found = races(rows, settings)
    if not found:
        return None
    latest = found[-1][1][-1]
    return {
        "commit": latest.commit,
        "date": latest.date,
        "machine": latest.machine,
        "figures": [
            figure
            for setting, mine, target in found
            for figure in _figures(setting, arrivals(mine, target.cost))
        ],
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
