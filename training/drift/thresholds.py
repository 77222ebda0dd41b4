"""Thresholds of cumulative sums, set by simulation to a wanted run length.

In control everything but the threshold is estimated from finitely many days, which shortens the
true run length (Jones, Champ and Rigdon 2004); the threshold allows for it by resampling the days
that standardise and estimating anew from them, after Gandy and Kvaloy (2013).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from training.drift.cusum import advance
from training.drift.settings import DetectorSettings, RunLength

LONGEST_RUN = 4
"""Simulated days per chain, in wanted run lengths; longer runs are counted as unfinished."""
_RESAMPLE_BAND = (0.05, 0.95)
StandardisedBy = Callable[[Int[np.ndarray, "row"]], Float[np.ndarray, "day watched"]]
"""All days in control, standardised by what the days of these rows show.

Everything that a detector estimates from days in control must be estimated here from the rows: what
is not, the threshold takes for known.
"""


def set_threshold(
    standardised_by: StandardisedBy,
    days: int,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> tuple[float, RunLength]:
    """Threshold that gives the wanted run length in the assured share of resampled sets.

    `days` is the number of days in control. The sets say how wrong what they standardise by may be;
    tails that no day in control has shown they cannot foretell, so the true run length may still be
    shorter than the band.
    """
    sets = np.stack(
        [standardised_by(random.integers(days, size=days)) for _ in range(settings.resamples)]
    )
    steps = int(np.ceil(LONGEST_RUN * settings.run_length))
    peaks = simulate_peaks(sets, settings.allowance, settings.clip, steps, settings.chains, random)
    threshold = bisect(
        lambda h: float(np.quantile(_run_lengths(peaks, h), 1.0 - settings.assurance)),
        settings.run_length,
        peaks.highest,
    )
    each = _run_lengths(peaks, threshold)
    low, high = np.quantile(each, _RESAMPLE_BAND)
    achieved = RunLength(mean=float(np.mean(each)), low=float(low), high=float(high))
    return threshold, achieved


@dataclass(frozen=True, slots=True)
class Peaks:
    """Largest two-sided sum so far along chains, told where it rises, which it does seldom.

    All of a chain's days would take a gibibyte where false alarms are to be years apart.
    """

    steps: int
    shape: tuple[int, int]
    """Resamples and chains."""
    at: Int[np.ndarray, "rise"]
    """Steps from 0, never falling."""
    chain: Int[np.ndarray, "rise"]
    height: Float[np.ndarray, "rise"]

    @property
    def highest(self) -> float:
        """Of all chains."""
        return float(self.height.max(initial=0.0))

    def crossings(self, threshold: float) -> Int[np.ndarray, "resample chain"]:
        """First step at which each chain is there; `steps` where it never is."""
        first = np.full(self.shape[0] * self.shape[1], self.steps)
        # Latest ones first, so that the earliest stays.
        is_there = np.flatnonzero(self.height >= threshold)[::-1]
        first[self.chain[is_there]] = self.at[is_there]
        return first.reshape(self.shape)


def simulate_peaks(
    sets: Float[np.ndarray, "resample day watched"],
    allowance: float,
    clip: float,
    steps: int,
    chains: int,
    random: np.random.Generator,
) -> Peaks:
    """Follow chains that draw their days from each set."""
    resamples, count, hidden = sets.shape
    sums = np.zeros((resamples, chains, 2 * hidden))
    peak = np.zeros(resamples * chains)
    both = np.concatenate([sets, -sets], axis=2)
    rows = np.arange(resamples)[:, None]
    rises, heights = [], []
    for _ in range(steps):
        days = random.integers(count, size=(resamples, chains))
        sums = advance(sums, both[rows, days], allowance, clip)
        now = sums.max(axis=2).reshape(-1)
        risen = np.flatnonzero(now > peak)
        peak[risen] = now[risen]
        rises.append(risen)
        heights.append(now[risen])
    return Peaks(
        steps=steps,
        shape=(resamples, chains),
        at=np.repeat(np.arange(steps), [len(risen) for risen in rises]),
        chain=np.concatenate(rises),
        height=np.concatenate(heights),
    )


def run_length(peaks: Peaks, threshold: float) -> float:
    """Mean days to an alarm: all days until alarm or end over the number of alarms."""
    return _mean(peaks.crossings(threshold), peaks.steps)


def _mean(first: Int[np.ndarray, "*chains"], steps: int) -> float:
    has_alarm = first < steps
    days = np.where(has_alarm, first + 1, steps)
    return float(days.sum() / max(1, int(has_alarm.sum())))


def mean_run_length(alarms: Sequence[int | None], longest: int) -> float:
    """The same from the day of each chain's alarm; None for a chain that ended without one."""
    days = sum(longest if day is None else day for day in alarms)
    return days / max(1, sum(day is not None for day in alarms))


def _run_lengths(peaks: Peaks, threshold: float) -> list[float]:
    return [_mean(first, peaks.steps) for first in peaks.crossings(threshold)]


def bisect(of: Callable[[float], float], wanted: float, most: float, halvings: int = 30) -> float:
    """Least threshold whose run length is the wanted one; run lengths rise with it."""
    low, high = 0.0, most
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if of(middle) >= wanted else (middle, high)
    return high
