"""The analysis: verdicts, the table and the figures, made from stored rows and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.rows import origin_of
from experiments.truths.catalogue import TRUTHS
from experiments.truths.rows import Row
from experiments.truths.setting import Setting
from experiments.truths.truth import Truth, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One truth with the rows that speak of it; none where it has not been measured whole."""

    truth: Truth
    rows: tuple[Row, ...]
    verdict: Verdict | None


def lines(rows: Sequence[Row], truths: Sequence[Truth] = TRUTHS) -> tuple[Line, ...]:
    """Every truth with its deepest complete measurement."""
    by_key = {row.key: row for row in rows}
    settings = {truth.setting.name: truth.setting for truth in truths}
    deepest = {name: _deepest(setting, by_key) for name, setting in settings.items()}
    return tuple(_line(truth, deepest[truth.setting.name]) for truth in truths)


def _deepest(setting: Setting, by_key: Mapping[tuple[str, str, int], Row]) -> tuple[Row, ...]:
    for depth in setting.depths:
        digest, seeds = setting.digest(depth), setting.seeds(depth)
        keys = [(setting.name, digest, seed) for seed in seeds]
        if all(key in by_key for key in keys):
            return tuple(by_key[key] for key in keys)
    return ()


def _line(truth: Truth, rows: tuple[Row, ...]) -> Line:
    if not rows or any(truth.name not in row.values for row in rows):
        return Line(truth=truth, rows=(), verdict=None)
    values = np.array([row.values[truth.name] for row in rows])
    return Line(truth=truth, rows=rows, verdict=truth.judge(values, rows[0].depth))


_HEAD = """# Truths and what the simulator measures

Every closed form and every exact value that the simulator can be held against. `python -m
experiments.truths` measures what is missing and writes this file from `rows.jsonl`; `--quick`
measures as briefly as the tests do. The simulated mean is over independent replications, each
after a warm-up; in brackets stands its 99.9% Student interval. A truth is met when the two
intervals leave room for one value.

"""


def render(rows: Sequence[Row]) -> str:
    """The table as a Markdown page."""
    found = lines(rows)
    judged = [line for line in found if line.verdict is not None]
    met = sum(line.verdict.holds for line in judged if line.verdict is not None)
    verdict = f"**{met} of {len(judged)} truths are met**; {len(found) - len(judged)} unmeasured."
    parts = [
        _HEAD + verdict,
        "",
        "| truth | what | expected | simulated | replications | met |",
        "| --- | --- | ---: | ---: | ---: | --- |",
        *(_row(line) for line in found),
        "",
        "## Where the values come from",
        "",
        "| truth | source |",
        "| --- | --- |",
        *(f"| `{line.truth.name}` | {line.truth.source} |" for line in found),
        "",
        _origins(judged),
    ]
    return "\n".join(parts) + "\n"


def _row(line: Line) -> str:
    truth, verdict = line.truth, line.verdict
    error = f" ± {truth.uncertainty:.2g}" if truth.uncertainty else ""
    head = f"| `{truth.name}` | {truth.quantity} | {truth.value:.6g}{error} "
    if verdict is None:
        return f"{head}| not measured | | |"
    measured = verdict.measured
    effort = f"{measured.count} × {line.rows[0].minutes:,.0f} min, {line.rows[0].depth}"
    return (
        f"{head}| {measured.value:.5g} [{measured.low:.5g}, {measured.high:.5g}] | {effort} | "
        f"{'yes' if verdict.holds else '**no**'}{'' if verdict.is_telling else ', wide'} |"
    )


def _origins(found: Sequence[Line]) -> str:
    rows = [row for line in found for row in line.rows]
    if not rows:
        return "Nothing has been measured yet."
    return f"Measured at {origin_of(rows)}."


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The figures of one row or more, each with its goal."""
    judged = [line for line in lines(rows) if line.verdict is not None]
    last = max(rows, key=lambda row: row.date)
    met = [line.verdict.holds for line in judged if line.verdict is not None]
    share = {
        "name": "truths_met",
        "value": sum(met) / len(met) if met else None,
        "low": None,
        "high": None,
        "n": len(met),
        "unit": "share",
        "goal": "1",
    }
    return {
        "commit": last.commit,
        "date": last.date,
        "machine": last.machine,
        "figures": [share, *(_figure(line.verdict) for line in judged if line.verdict)],
    }


def _figure(verdict: Verdict) -> dict[str, Any]:
    return {
        "name": verdict.truth.name,
        "value": verdict.measured.value,
        "low": verdict.measured.low,
        "high": verdict.measured.high,
        "n": verdict.measured.count,
        "unit": verdict.truth.quantity,
        "goal": f"{verdict.truth.value:.6g}",
    }
