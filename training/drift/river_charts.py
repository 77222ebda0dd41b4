"""Which of river's detectors are used, and when each would raise its first alarm.

Everything but one number is as river sets it (Bifet and Gavalda 2007 for ADWIN, Page 1954 for
Page-Hinkley, Raab et al. 2020 for KSWIN). Until their first alarm Page-Hinkley and KSWIN forget
nothing, so that what they compare with their limit follows from the values alone, and one pass
tells of all limits; that is ten to a hundred times faster than asking river value by value.
"""

from __future__ import annotations

# KSWIN draws with it, and what it will draw has to be known.
import random as pseudorandom  # noqa: TID251
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Int
from river.base import DriftDetector
from river.drift import ADWIN, KSWIN, PageHinkley

Path = Sequence[Float[np.ndarray, "_ watched"]]
"""Consecutive days of some streams, each with samples of its own number."""
Fired = Bool[np.ndarray, "watched"]
FirstAlarms = Callable[[float], "list[tuple[int, Fired] | None]"]
"""At a sensitivity, of each path the number of days until its first alarm and which streams raised
it; None without one."""

_WINDOW, _RECENT, _SEED = 100, 30, 0
"""River's sizes of KSWIN's window and of its recent part, and the seed of what it compares with."""
_SMALLEST_DISTANCE = 0.1
"""River takes no smaller distance for a drift, however sure it is."""
_SETTLED, _SLACK, _KEPT = 30, 0.005, 1 - 0.0001
"""River's values of Page-Hinkley before it judges, of the change it allows, and its forgetting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiverChart:
    """One kind of detector."""

    name: str
    build: Callable[[float], DriftDetector]
    """A fresh one of the given sensitivity."""
    usual: float
    """River's default of the sensitivity."""
    calmest: float
    keenest: float
    first_alarms: Callable[[Sequence[Path]], FirstAlarms]

    def value_by_value(self) -> RiverChart:
        """The same, asked value by value, for streams that it knows no short way for."""
        return replace(self, first_alarms=by_running(self.build))


def _adwin(delta: float) -> DriftDetector:
    return ADWIN(delta=delta)


def _page_hinkley(threshold: float) -> DriftDetector:
    return PageHinkley(min_instances=_SETTLED, delta=_SLACK, threshold=threshold, alpha=_KEPT)


def _kswin(alpha: float) -> DriftDetector:
    return KSWIN(alpha=alpha, window_size=_WINDOW, stat_size=_RECENT, seed=_SEED)


def by_running(build: Callable[[float], DriftDetector]) -> Callable[[Sequence[Path]], FirstAlarms]:
    """First alarms of a detector that has to be run anew for each sensitivity."""

    def prepare(paths: Sequence[Path]) -> FirstAlarms:
        listed = [[day.T.tolist() for day in path] for path in paths]
        return lambda sensitivity: [_run(build, sensitivity, path) for path in listed]

    return prepare


def _run(
    build: Callable[[float], DriftDetector], sensitivity: float, path: list[list[list[float]]]
) -> tuple[int, Fired] | None:
    live = [build(sensitivity) for _ in path[0]]
    for number, day in enumerate(path, start=1):
        fired = show(live, day)
        if fired.any():
            return number, fired
    return None


def show(live: Sequence[DriftDetector], day: list[list[float]]) -> Fired:
    """Show each detector its values of one day; which of them fired on the way."""
    fired = np.zeros(len(live), dtype=bool)
    for position, (detector, values) in enumerate(zip(live, day, strict=True)):
        for value in values:
            detector.update(value)
            if detector.drift_detected:
                fired[position] = True
    return fired


def _first_over(peaks: Float[np.ndarray, "day watched"], limit: float) -> tuple[int, Fired] | None:
    over = peaks > limit
    days = np.flatnonzero(over.any(axis=1))
    return (int(days[0]) + 1, over[days[0]]) if len(days) else None


def _daily_peaks(
    values: Float[np.ndarray, "sample watched"], path: Path
) -> Float[np.ndarray, "day watched"]:
    starts = np.cumsum([0, *(len(day) for day in path[:-1])])
    return np.asarray(np.maximum.reduceat(values, starts, axis=0))


def _first_high(paths: Sequence[Path]) -> FirstAlarms:
    """First alarms of Page-Hinkley, from the largest deviation of each day."""
    peaks = [_daily_peaks(page_hinkley_deviations(np.concatenate(path)), path) for path in paths]
    return lambda threshold: [_first_over(path, threshold) for path in peaks]


def page_hinkley_deviations(
    values: Float[np.ndarray, "sample watched"],
) -> Float[np.ndarray, "sample watched"]:
    """What Page-Hinkley holds against its threshold after each sample; 0 before it judges."""
    counts = np.arange(1, len(values) + 1)[:, None]
    off = values - values.cumsum(axis=0) / counts
    found = np.zeros_like(values)
    rise, fall = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    # River begins at -1, so that a first fall is seen a little less.
    lowest, highest = np.full(values.shape[1], np.inf), np.full(values.shape[1], -1.0)
    for number, moved in enumerate(off):
        rise, fall = _KEPT * rise + moved - _SLACK, _KEPT * fall + moved + _SLACK
        lowest, highest = np.minimum(lowest, rise), np.maximum(highest, fall)
        found[number] = np.maximum(rise - lowest, highest - fall)
    found[: _SETTLED - 1] = 0.0
    return found


def _first_distant(paths: Sequence[Path]) -> FirstAlarms:
    """First alarms of KSWIN, from the largest distance of each day."""
    compared = compared_with(max(sum(len(day) for day in path) for path in paths))
    peaks = [_kswin_peaks(path, compared) for path in paths]
    jumps = np.arange(_RECENT + 1)
    certainties = np.array([certainty(int(jump)) for jump in jumps])

    def alarms(alpha: float) -> list[tuple[int, Fired] | None]:
        far = (certainties <= alpha) & (jumps > _SMALLEST_DISTANCE * _RECENT)
        least = int(jumps[far].min(initial=_RECENT + 1))
        return [_first_over(path, least - 0.5) for path in peaks]

    return alarms


def _kswin_peaks(
    path: Path, compared: Int[np.ndarray, "step recent"]
) -> Float[np.ndarray, "day watched"]:
    values = np.concatenate(path)
    distances = np.zeros_like(values)
    distances[_WINDOW - 1 :] = kswin_jumps(values, compared)
    return _daily_peaks(distances, path)


def compared_with(samples: int) -> Int[np.ndarray, "step recent"]:
    """Which of the older values KSWIN compares the recent ones with, sample by sample."""
    draw = pseudorandom.Random(_SEED)
    older = range(_WINDOW - _RECENT)
    return np.array(
        [draw.sample(older, _RECENT) for _ in range(max(0, samples - _WINDOW + 1))], dtype=int
    ).reshape(-1, _RECENT)


def kswin_jumps(
    values: Float[np.ndarray, "sample watched"], compared: Int[np.ndarray, "step recent"]
) -> Int[np.ndarray, "step watched"]:
    """Kolmogorov-Smirnov distance of recent and older values, in steps of 1 / 30.

    The first is of sample 100, when the window is full. For values without ties.
    """
    if len(values) < _WINDOW:
        return np.zeros((0, values.shape[1]), dtype=int)
    windows = np.lib.stride_tricks.sliding_window_view(values, _WINDOW, axis=0)
    steps = np.arange(len(windows))[:, None]
    old = windows.swapaxes(1, 2)[steps, compared[: len(windows)]].swapaxes(1, 2)
    both = np.concatenate([old, windows[:, :, -_RECENT:]], axis=2)
    is_old = both.argsort(axis=2) < _RECENT
    jumps: Int[np.ndarray, "step watched"] = np.abs(np.where(is_old, 1, -1).cumsum(axis=2)).max(
        axis=2
    )
    return jumps


def certainty(jump: int) -> float:
    """The exact p-value of a distance of so many thirtieths (Gnedenko and Korolyuk 1951)."""
    if jump == 0:
        return 1.0
    ways = range(1, _RECENT // jump + 1)
    total = sum((-1) ** (i + 1) * comb(2 * _RECENT, _RECENT - i * jump) for i in ways)
    return min(1.0, float(2 * total / comb(2 * _RECENT, _RECENT)))


RIVER_CHARTS: Mapping[str, RiverChart] = {
    chart.name: chart
    for chart in (
        RiverChart(
            name="adwin",
            build=_adwin,
            usual=0.002,
            calmest=1e-12,
            keenest=1.0,
            first_alarms=by_running(_adwin),
        ),
        RiverChart(
            name="page-hinkley",
            build=_page_hinkley,
            usual=50.0,
            calmest=1e4,
            keenest=1.0,
            first_alarms=_first_high,
        ),
        RiverChart(
            name="kswin",
            build=_kswin,
            usual=0.005,
            calmest=1e-16,
            keenest=0.9,
            first_alarms=_first_distant,
        ),
    )
}
"""River's detectors by name."""
