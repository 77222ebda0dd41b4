"""What rows come to: run lengths, delays and names, over calibrations of one setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.drift.arms import ARMS
from experiments.drift.rows import IN_CONTROL, Row
from experiments.drift.settings import Setting
from experiments.drift.study import changes_of
from sim.output import Estimate
from sim.streams import stream

_BOOTSTRAPS = 2000
_BAND = (0.025, 0.975)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One setting: by arm the rows of every calibration that is complete."""

    setting: Setting
    rows: Mapping[str, tuple[Row, ...]]

    def of(self, arm: str, kind: str, size: float | None = None) -> tuple[Row, ...]:
        """Rows of one kind of change, and of one size where it is given."""
        return tuple(row for row in self.rows[arm] if row.kind == kind and size in (None, row.size))

    def run_length(self, arm: str) -> Estimate | None:
        """Days in control per false alarm over the wanted number; None without any alarm."""
        longest, wanted = self.setting.longest_run, self.setting.detector.run_length

        def ratio(rows: Sequence[Row]) -> float:
            delays = [delay for row in rows for delay in row.delays]
            days = sum(longest if delay is None else delay for delay in delays)
            return days / max(1, sum(delay is not None for delay in delays)) / wanted

        rows = self.of(arm, IN_CONTROL)
        if all(delay is None for row in rows for delay in row.delays):
            return None
        return over_calibrations(rows, ratio, f"{self.setting.scenario} {arm}")

    def delay(self, arm: str, kind: str, size: float) -> float:
        """Median days to notice a change, infinite where most runs miss it."""
        return median_delay(self.of(arm, kind, size))

    def missed(self, arm: str, kind: str, size: float) -> float:
        """Share of runs that do not notice within the longest delay."""
        delays = [delay for row in self.of(arm, kind, size) for delay in row.delays]
        return float(np.mean([delay is None for delay in delays]))


def median_delay(rows: Sequence[Row]) -> float:
    """Over all runs of some rows; a run that missed the change took infinitely long."""
    delays = [np.inf if delay is None else delay for row in rows for delay in row.delays]
    # The lower of two middle values: a mean of a number and infinity says nothing.
    return float(np.quantile(delays, 0.5, method="lower"))


def wrong_names(rows: Sequence[Row]) -> float:
    """Share of alarms since a change whose clearest name is of a kind that did not change."""
    wrong = sum(row.named_wrong for row in rows)
    return wrong / max(1, wrong + sum(row.named_right for row in rows))


def over_calibrations(
    rows: Sequence[Row], of: Callable[[Sequence[Row]], float], purpose: str
) -> Estimate:
    """A figure of some rows with a 95% bootstrap interval over their seeds."""
    by_seed: dict[int, list[Row]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(row)
    groups, random = list(by_seed.values()), stream(1, "analysis", purpose)
    drawn = random.integers(len(groups), size=(_BOOTSTRAPS, len(groups)))
    values = [of([row for group in chosen for row in groups[group]]) for chosen in drawn]
    low, high = np.quantile(values, _BAND, method="nearest")
    return Estimate(value=of(rows), low=float(low), high=float(high), count=len(groups))


def blocks(rows: Sequence[Row], settings: Sequence[Setting]) -> Iterator[Block]:
    """Settings of which a calibration of some arm is complete."""
    for setting in settings:
        mine = [r for r in rows if (r.scenario, r.digest) == (setting.scenario, setting.digest)]
        found = {arm: _complete(mine, arm, setting) for arm in ARMS}
        if any(found.values()):
            yield Block(setting=setting, rows={arm: kept for arm, kept in found.items() if kept})


def _complete(rows: Sequence[Row], arm: str, setting: Setting) -> tuple[Row, ...]:
    mine = [row for row in rows if row.arm == arm]
    wanted = set(changes_of(setting, arm))
    seeds = {row.seed for row in mine}
    whole = {s for s in seeds if wanted <= {(r.kind, r.size) for r in mine if r.seed == s}}
    return tuple(row for row in mine if row.seed in whole)
