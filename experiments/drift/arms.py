"""The arms: every detector of the product, and two as river sets them, on raw queues."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from training.drift import (
    DETECTORS,
    RIVER_CHARTS,
    Detector,
    RawQueues,
    Setting,
    StreamDetector,
    Verdict,
    calibrate,
    with_default,
)

Alarm = tuple[int, Verdict]
"""The number of the day of an alarm, counted from 1, and what was said."""
Calibrate = Callable[[Setting, np.random.Generator], Detector[Any]]


def _raw(chart: str, setting: Setting, random: np.random.Generator) -> Detector[Any]:
    del random
    return with_default(RIVER_CHARTS[chart], RawQueues(description=setting.surrogate.description))


RAW: Mapping[str, Calibrate] = {
    f"{name} on raw queues": partial(_raw, name) for name in ("page-hinkley", "kswin")
}
"""Watched in control only: what cries wolf every few days has no delay worth a name."""
ARMS: Mapping[str, Calibrate] = {**{name: partial(calibrate, name) for name in DETECTORS}, **RAW}


def first_alarms(
    detector: Detector[Any], paths: Sequence[Sequence[np.ndarray]]
) -> list[Alarm | None]:
    """Of each path of measured days the first alarm, from a fresh beginning."""
    if isinstance(detector, StreamDetector):
        return list(detector.first_alarms(paths))
    return [_first_alarm(detector, path) for path in paths]


def _first_alarm(detector: Detector[Any], path: Sequence[np.ndarray]) -> Alarm | None:
    state = detector.begin()
    for number, seen in enumerate(path, start=1):
        state, verdict = detector.step(state, seen)
        if verdict.alarm:
            return number, verdict
    return None
