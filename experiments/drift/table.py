"""The analysis: tables and figures, made from stored rows and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.drift.analysis import Block, blocks, over_calibrations, wrong_names
from experiments.drift.analysis import median_delay as median
from experiments.drift.arms import RAW
from experiments.drift.iid import SAMPLES
from experiments.drift.rows import IN_CONTROL, Row
from experiments.drift.settings import SHIFT, Setting
from experiments.drift.study import EXPLAINED
from experiments.rows import origin_of
from sim.output import Estimate

CHIEF = "residual cusum"
"""The detector whose figures are kept: it asks least of a surrogate and names parts."""
_LARGE = 0.2
"""Changes from which on one that is named wrongly was not merely met by a false alarm."""


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """The results as Markdown."""
    found = tuple(blocks(rows, settings))
    if not found:
        return "Nothing has been measured yet.\n"
    used = [row for block in found for part in block.rows.values() for row in part]
    parts = [*_in_control(found)]
    for block in found:
        parts += ["", *_delays(block)]
        if block.setting.kinds != (SHIFT,):
            parts += ["", *_names(block), "", *_structure(block)]
    return "\n".join([*parts, "", f"Measured at {origin_of(used)}."]) + "\n"


def _in_control(found: Sequence[Block]) -> list[str]:
    wanted = found[0].setting.detector.run_length
    lines = [
        f"**In control:** days to a false alarm over the wanted {wanted:g}, with a 95% bootstrap",
        "interval over calibrations.",
        "",
        f"| detector | {' | '.join(block.setting.scenario for block in found)} |",
        f"| --- |{' ---: |' * len(found)}",
    ]
    for arm in _arms(found):
        cells = [_ratio(block, arm) for block in found]
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def _arms(found: Sequence[Block]) -> list[str]:
    return list(dict.fromkeys(arm for block in found for arm in block.rows))


def _ratio(block: Block, arm: str) -> str:
    if arm not in block.rows:
        return ""
    ratio = block.run_length(arm)
    return "no alarm" if ratio is None else f"{ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]"


def _delays(block: Block) -> list[str]:
    s = block.setting
    unit = "deviations" if s.kinds == (SHIFT,) else "changes of " + _sizes(s)
    lines = [
        f"**{s.scenario}, delay:** median days to notice {unit}; in brackets the share of runs",
        f"that miss a change for {s.longest_delay} days, where there are any.",
        "",
        f"| detector | {' | '.join(s.kinds)} | calibrations |",
        f"| --- |{' --- |' * len(s.kinds)} ---: |",
    ]
    for arm in block.rows:
        if arm not in RAW:
            cells = [_cell(block, arm, kind) for kind in s.kinds]
            lines.append(f"| {arm} | {' | '.join(cells)} | {_calibrations(block, arm)} |")
    return lines


def _sizes(setting: Setting) -> str:
    return " / ".join(f"{size:.0%}" for size in setting.sizes)


def _cell(block: Block, arm: str, kind: str) -> str:
    return " / ".join(_delay(block, arm, kind, size) for size in block.setting.sizes)


def _delay(block: Block, arm: str, kind: str, size: float) -> str:
    days, missed = block.delay(arm, kind, size), block.missed(arm, kind, size)
    told = f"{days:.0f}" if np.isfinite(days) else "missed"
    return f"{told} ({missed:.0%})" if missed and np.isfinite(days) else told


def _calibrations(block: Block, arm: str) -> int:
    return len({row.seed for row in block.rows[arm]})


def _names(block: Block) -> list[str]:
    s = block.setting
    lines = [
        f"**{s.scenario}, names:** share of alarms since changes of {_sizes(s)} whose clearest",
        "name is of another kind. Small changes are met by false alarms first.",
        "",
        f"| detector | {' | '.join(s.kinds)} |",
        f"| --- |{' --- |' * len(s.kinds)}",
    ]
    for arm in block.rows:
        if arm not in RAW and arm != "never alarm":
            cells = [
                " / ".join(_named(block.of(arm, kind, size)) for size in s.sizes)
                for kind in s.kinds
            ]
            lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def _named(rows: Sequence[Row]) -> str:
    alarms = sum(row.named_right + row.named_wrong for row in rows)
    return f"{wrong_names(rows):.0%}" if alarms else "no alarm"


def _structure(block: Block) -> list[str]:
    s = block.setting
    lines = [
        f"**{s.scenario}, parameters or structure:** alarms that the test takes for a change of",
        f"structure, of those it was asked about, after changes of {_sizes(s)}.",
        "",
        f"| alarms of | {' | '.join(s.kinds)} |",
        f"| --- |{' --- |' * len(s.kinds)}",
    ]
    for arm in EXPLAINED:
        if arm in block.rows:
            cells = [
                " / ".join(_told(block.of(arm, kind, size)) for size in s.sizes) for kind in s.kinds
            ]
            lines.append(f"| {arm} | {' | '.join(cells)} |")
    return lines


def _told(rows: Sequence[Row]) -> str:
    return f"{sum(row.structure for row in rows)} of {sum(row.explained for row in rows)}"


def summary(rows: Sequence[Row], settings: Sequence[Setting]) -> dict[str, Any] | None:
    """The figures of the chief detector, each with its goal; None where nothing was measured."""
    found = [block for block in blocks(rows, settings) if CHIEF in block.rows]
    figures = [figure for block in found for figure in _figures(block)]
    named = [
        row
        for block in found
        if block.setting.route is not None
        for row in block.rows[CHIEF]
        if row.kind != IN_CONTROL
    ]
    for name, least in (("wrong_name_rate", 0.0), ("wrong_name_rate_of_large", _LARGE)):
        large = [row for row in named if row.size >= least]
        if large:
            wrong = over_calibrations(large, wrong_names, name)
            figures.append(_figure(name, wrong, "share of alarms", "<= 0.05"))
    if not figures:
        return None
    last = max((row for block in found for row in block.rows[CHIEF]), key=lambda row: row.date)
    return {
        "commit": last.commit,
        "date": last.date,
        "machine": last.machine,
        "figures": figures,
    }


def _figures(block: Block) -> list[dict[str, Any]]:
    name, told = block.setting.scenario, []
    ratio = block.run_length(CHIEF)
    if ratio is not None:
        told.append(_figure(f"{name}_arl0_ratio", ratio, "ratio to the wanted", "0.8-1.25"))
    if block.setting.kinds == (SHIFT,):
        for size, word, goal in ((0.5, "half", "<= 139"), (1.0, "one", "<= 43")):
            rows = block.of(CHIEF, SHIFT, size)
            if rows:
                days = over_calibrations(rows, median, f"delay {word}")
                samples = Estimate(
                    value=days.value * SAMPLES,
                    low=days.low * SAMPLES,
                    high=days.high * SAMPLES,
                    count=days.count,
                )
                told.append(_figure(f"delay_{word}_sd", samples, "samples", goal))
    return told


def _figure(name: str, value: Estimate, unit: str, goal: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": value.value,
        "low": value.low,
        "high": value.high,
        "n": value.count,
        "unit": unit,
        "goal": goal,
    }
