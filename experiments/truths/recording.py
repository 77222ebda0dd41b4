"""One replication of a setting: what was counted, timed and seen after the warm-up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from experiments.truths.setting import Setting
from sim.simulator import ServiceSystem

_ROUNDING = 1e-6
"""Minutes by which sums of durations may miss a boundary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one replication leaves of itself.

    Times spent in an epoch that lies only partly in the window count in proportion: between two
    events nothing changes, so that is exact where epochs end with events.
    """

    begin: float
    """Minute at which measuring began, the end of the warm-up."""
    end: float
    totals: Mapping[str, float]
    """Outputs summed over the window."""
    opening: Mapping[str, float]
    """The state at the last look before measuring began."""
    closing: Mapping[str, float]
    moments: Float[np.ndarray, "epoch"]
    """When each epoch ended, those of the warm-up too; empty where nothing is watched."""
    watched: Mapping[str, Float[np.ndarray, "epoch"]]
    """By name the state at the end of each epoch, or the output of each epoch."""

    @property
    def minutes(self) -> float:
        """Length of the window."""
        return self.end - self.begin

    @property
    def measured(self) -> Bool[np.ndarray, "epoch"]:
        """Which epochs ended within the window."""
        after = self.moments > self.begin + _ROUNDING
        return np.asarray(after & (self.moments <= self.end + _ROUNDING))


def record(setting: Setting, minutes: float, seed: int) -> Recording:
    """Run one replication for so many minutes after the warm-up."""
    simulator = ServiceSystem(setting.over(minutes))
    description = simulator.describe()
    decide = setting.control.begin(description)
    tape = _Tape(setting.warm_up, setting.warm_up + minutes, len(description.output_names))
    is_count = np.array([output.is_count for output in description.outputs])
    names = (*description.state_names, *description.output_names)
    columns = np.array([names.index(name) for name in setting.watched], dtype=int)
    state, is_last = simulator.reset(seed, dict(setting.parameters)), False
    tape.opening = state
    while tape.now < tape.end - _ROUNDING and not is_last:
        epoch = simulator.advance(decide(state))
        state, is_last = epoch.state, epoch.is_last
        tape.add(epoch.duration, state, epoch.outputs, is_count)
        if len(columns):
            tape.moments.append(tape.now)
            tape.rows.append(np.concatenate((state, epoch.outputs))[columns])
    rows = np.array(tape.rows).reshape(len(tape.rows), len(columns))
    return Recording(
        begin=tape.begin,
        end=tape.end,
        totals=dict(zip(description.output_names, tape.totals.tolist(), strict=True)),
        opening=dict(zip(description.state_names, tape.opening.tolist(), strict=True)),
        closing=dict(zip(description.state_names, state.tolist(), strict=True)),
        moments=np.array(tape.moments),
        watched=dict(zip(setting.watched, rows.T, strict=True)),
    )


class _Tape:
    """What has been gathered so far."""

    def __init__(self, begin: float, end: float, outputs: int) -> None:
        self.begin, self.end, self.now = begin, end, 0.0
        self.totals = np.zeros(outputs)
        self.opening = np.zeros(0)
        self.moments: list[float] = []
        self.rows: list[Float[np.ndarray, "watched"]] = []

    def add(
        self,
        duration: float,
        state: Float[np.ndarray, "state"],
        outputs: Float[np.ndarray, "output"],
        is_count: Bool[np.ndarray, "output"],
    ) -> None:
        """Count an epoch as far as it lies in the window."""
        began, self.now = self.now, self.now + duration
        if self.now <= self.begin + _ROUNDING:
            self.opening = state
        elif began >= self.begin - _ROUNDING and self.now <= self.end + _ROUNDING:
            self.totals += outputs
        else:
            inside = (min(self.now, self.end) - max(began, self.begin)) / duration
            self.totals += np.where(is_count, self.now <= self.end, inside) * outputs
