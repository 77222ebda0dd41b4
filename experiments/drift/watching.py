"""Runs of days drawn from measured ones, in control and through a change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from experiments.drift.arms import Alarm, first_alarms
from surrogates.dataset import Transitions, concatenate
from training.drift import Detector, kind_of

Measured = Sequence[np.ndarray]
"""What a detector saw of each day of a pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """The first alarm since a change."""

    delay: int
    """Days since the change, 1 on the evening of the first."""
    kinds: tuple[str, ...]
    """What it names, the clearest first, by kind of change."""
    days: tuple[int, ...]
    """The last days before it by their numbers in the run, as many as the alarm says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Which days of the pools make up each run; the same for all arms."""

    before: Int[np.ndarray, "run day"]
    after: Int[np.ndarray, "run later_day"]

    def path(self, run: int, fresh: Measured, changed: Measured) -> list[np.ndarray]:
        """One run's days in order."""
        before = [fresh[i] for i in self.before[run]]
        return before + [changed[i] for i in self.after[run]]

    def telemetry(
        self,
        run: int,
        days: Sequence[int],
        fresh: Sequence[Transitions],
        changed: Sequence[Transitions],
    ) -> Transitions:
        """Some of a run's days; one that was drawn twice counts as two."""
        quiet = self.before.shape[1]
        found = [
            fresh[self.before[run, d]] if d < quiet else changed[self.after[run, d - quiet]]
            for d in days
        ]
        return concatenate(
            [replace(day, episode=np.full(len(day), n)) for n, day in enumerate(found)]
        )


def run_lengths(
    detector: Detector[Any], fresh: Measured, runs: Int[np.ndarray, "run day"]
) -> list[int | None]:
    """Days to the false alarm of each run; None where there was none."""
    found = first_alarms(detector, [[fresh[i] for i in run] for run in runs])
    return [None if alarm is None else alarm[0] for alarm in found]


def watch(
    detector: Detector[Any], fresh: Measured, changed: Measured, draws: Draws
) -> list[Noticed | None]:
    """The first alarm of each run since its change; after a false one the watch begins anew."""
    quiet = draws.before.shape[1]
    paths = [draws.path(run, fresh, changed) for run in range(len(draws.before))]
    begun, found = [0] * len(paths), list[Noticed | None]([None] * len(paths))
    waiting = list(range(len(paths)))
    while waiting:
        alarms = first_alarms(detector, [paths[run][begun[run] :] for run in waiting])
        again = []
        for run, alarm in zip(waiting, alarms, strict=True):
            if alarm is None:
                continue
            last = begun[run] + alarm[0]
            if last > quiet:
                found[run] = _noticed(alarm, last, begun[run], quiet)
            else:
                begun[run] = last
                again.append(run)
        waiting = again
    return found


def _noticed(alarm: Alarm, last: int, begun: int, quiet: int) -> Noticed:
    verdict = alarm[1]
    return Noticed(
        delay=last - quiet,
        kinds=tuple(dict.fromkeys(kind_of(name) for name in verdict.drifted)),
        days=tuple(range(max(begun, last - max(1, verdict.since_days)), last)),
    )
