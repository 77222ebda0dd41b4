"""The analysis: the table and the figures, made from stored rows and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.rows import origin_of
from experiments.where_to_simulate.arms import ARMS, BASELINE
from experiments.where_to_simulate.curves import Curves, Measure, epochs_saved
from experiments.where_to_simulate.rows import Row
from experiments.where_to_simulate.settings import Setting
from sim.output import Estimate

MEASURES: Mapping[Measure, str] = {
    "crps": "CRPS where policies go",
    "tau": "ranking of policies (tau)",
    "crps_usual": "CRPS on the baseline's own epochs",
}
_FIGURES: Mapping[Measure, str] = {
    "crps": "epochs_saved",
    "tau": "epochs_saved_at_equal_tau",
    "crps_usual": "epochs_saved_on_baseline_epochs",
}
_FEWEST_SEEDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The complete curves of one setting: by arm the rows of each seed."""

    setting: Setting
    rows: Mapping[str, tuple[Row, ...]]

    def seeds(self, arm: str) -> tuple[int, ...]:
        """The seeds with which an arm and the baseline are complete."""
        shared = {row.seed for row in self.rows[arm]} & {row.seed for row in self.rows[BASELINE]}
        return tuple(sorted(shared))

    def saved(self, arm: str, measure: Measure) -> Estimate:
        """Against the baseline."""
        seeds, purpose = self.seeds(arm), f"{self.setting.scenario} {arm} {measure}"
        slow, fast = (Curves.of(self.rows[name], measure, seeds) for name in (BASELINE, arm))
        return epochs_saved(slow, fast, purpose)


def blocks(rows: Sequence[Row], settings: Sequence[Setting]) -> Iterator[Block]:
    """Settings of which two seeds or more are complete in the baseline and in another arm."""
    for setting in settings:
        mine = [row for row in rows if row.curve[::3] == (setting.scenario, setting.digest)]
        seeds_of = {arm: _complete(mine, arm, setting) for arm in ARMS}
        shared = {arm: seeds & seeds_of[BASELINE] for arm, seeds in seeds_of.items()}
        arms = [arm for arm in ARMS if len(shared[arm]) >= _FEWEST_SEEDS]
        if len(arms) > 1:
            by_arm = {
                arm: tuple(row for row in mine if row.arm == arm and row.seed in seeds_of[arm])
                for arm in arms
            }
            yield Block(setting=setting, rows=by_arm)


def _complete(rows: Sequence[Row], arm: str, setting: Setting) -> set[int]:
    points: dict[int, set[int]] = {}
    for row in rows:
        if row.arm == arm:
            points.setdefault(row.seed, set()).add(row.episodes)
    return {seed for seed, met in points.items() if set(setting.episodes) <= met}


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """The results as Markdown."""
    found = tuple(blocks(rows, settings))
    if not found:
        return "Nothing has been measured yet.\n"
    used = [row for block in found for part in block.rows.values() for row in part]
    parts = [*_saved_table(found), "", *(line for block in found for line in _curve_table(block))]
    return "\n".join([*parts, f"Measured at {origin_of(used)}."]) + "\n"


def _saved_table(found: Sequence[Block]) -> list[str]:
    head = " | ".join(MEASURES.values())
    lines = [
        "Epochs that the baseline needs over those of the arm, at the best value that both reach;",
        "95% bootstrap interval over seeds. Above 1 saves.",
        "",
        f"| scenario | arm | {head} | seeds |",
        f"| --- | --- |{' ---: |' * len(MEASURES)} ---: |",
    ]
    for block in found:
        for arm in block.rows:
            if arm != BASELINE:
                cells = " | ".join(_told(block.saved(arm, measure)) for measure in MEASURES)
                name = f"{block.setting.scenario} ({block.setting.family})"
                lines.append(f"| {name} | {arm} | {cells} | {len(block.seeds(arm))} |")
    return lines


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def _curve_table(block: Block) -> list[str]:
    """Means over an arm's seeds at every number of episodes."""
    lines = [
        f"**{block.setting.scenario}**: CRPS where policies go / tau / CRPS on the baseline's own",
        "epochs, means over seeds.",
        "",
        f"| arm | {' | '.join(f'{n} episodes' for n in block.setting.episodes)} |",
        f"| --- |{' ---: |' * len(block.setting.episodes)}",
    ]
    for arm, rows in block.rows.items():
        cells = []
        for episodes in block.setting.episodes:
            at = [row for row in rows if row.episodes == episodes]
            means = [float(np.mean([getattr(row, m) for row in at])) for m in MEASURES]
            cells.append(f"{means[0]:.4f} / {means[1]:.3f} / {means[2]:.4f}")
        lines.append(f"| {arm} | {' | '.join(cells)} |")
    return [*lines, ""]


def summary(rows: Sequence[Row], settings: Sequence[Setting]) -> dict[str, Any] | None:
    """The figures of the active arm, each with its goal; None where nothing was measured."""
    found = tuple(blocks(rows, settings))
    figures = [
        _figure(block, measure) for block in found if "active" in block.rows for measure in MEASURES
    ]
    if not figures:
        return None
    last = max((row for b in found for part in b.rows.values() for row in part), key=_when)
    return {
        "commit": last.commit,
        "date": last.date,
        "machine": last.machine,
        "figures": figures,
    }


def _when(row: Row) -> str:
    return row.date


def _figure(block: Block, measure: Measure) -> dict[str, Any]:
    saved = block.saved("active", measure)
    return {
        "name": f"{block.setting.scenario}_{_FIGURES[measure]}",
        "value": saved.value,
        "low": saved.low,
        "high": saved.high,
        "n": saved.count,
        "unit": "ratio",
        "goal": "none" if measure == "crps_usual" else ">= 2",
    }
