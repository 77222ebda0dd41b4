"""Null cases: a detector that never alarms, and one that always does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from surrogates.dataset import Transitions
from training.drift.cusum import DetectorState
from training.drift.verdict import Seen, Verdict
from training.likelihood import first_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class NeverAlarm:
    """Null case: the world never changes."""

    names: tuple[str, ...] = ()
    name: str = "never alarm"

    def begin(self) -> DetectorState:
        """Empty: nothing is remembered."""
        return DetectorState.empty(len(self.names))

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """Nothing of any day."""
        return _nothing(self.names, days)

    def step(self, state: DetectorState, seen: Seen) -> tuple[DetectorState, Verdict]:
        """No alarm."""
        return state, _constant_verdict(self.names, alarm=False)

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """No alarm."""
        return state, _constant_verdict(self.names, alarm=False)

    def restore(self, record: dict[str, Any]) -> DetectorState:
        """What was written."""
        return DetectorState.from_record(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlwaysAlarm:
    """Null case: the world changes every day, in everything."""

    names: tuple[str, ...] = ()
    name: str = "always alarm"

    def begin(self) -> DetectorState:
        """Empty: nothing is remembered."""
        return DetectorState.empty(len(self.names))

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """Nothing of any day."""
        return _nothing(self.names, days)

    def step(self, state: DetectorState, seen: Seen) -> tuple[DetectorState, Verdict]:
        """An alarm that names everything."""
        return state, _constant_verdict(self.names, alarm=True)

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """An alarm that names everything."""
        return state, _constant_verdict(self.names, alarm=True)

    def restore(self, record: dict[str, Any]) -> DetectorState:
        """What was written."""
        return DetectorState.from_record(record)


def _nothing(names: tuple[str, ...], days: Transitions) -> Sequence[Seen]:
    return list(np.zeros((len(first_rows(days)), len(names))))


def _constant_verdict(names: tuple[str, ...], *, alarm: bool) -> Verdict:
    none = np.zeros(len(names))
    return Verdict(
        names=names,
        up=none,
        down=none,
        threshold=0.0,
        residuals=none,
        alarm=alarm,
        drifted=names if alarm else (),
        since_days=int(alarm),
    )
