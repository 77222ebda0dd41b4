"""Two-sided cumulative sums of standardised daily values (Page 1954), and what they say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from surrogates.dataset import Transitions
from training.drift.settings import DetectorSettings
from training.drift.verdict import Seen, Verdict, arrays_to_record, only_day


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorState:
    """What cumulative sums carry from day to day; upward sums first, downward second."""

    sums: Float[np.ndarray, "2 watched"]
    """Cumulative sums, in standard deviations."""
    days: Int[np.ndarray, "2 watched"]
    """Days since each sum was last zero."""
    shifts: Float[np.ndarray, "2 watched"]
    """Residuals added up over those days, in the sum's own direction and not clipped."""

    @classmethod
    def empty(cls, count: int) -> DetectorState:
        """Nothing seen yet."""
        none = np.zeros((2, count))
        return cls(sums=none, days=np.zeros((2, count), dtype=int), shifts=none)

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return arrays_to_record(self)

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> DetectorState:
        """Rebuild from a record."""
        return cls(
            sums=np.array(record["sums"], dtype=float),
            days=np.array(record["days"], dtype=int),
            shifts=np.array(record["shifts"], dtype=float),
        )


class SummingDetector(ABC):
    """What detectors have in common that sum a value a day for each name, with one threshold."""

    __slots__ = ()
    settings: DetectorSettings
    threshold: float

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """What is watched, in the order of the values."""

    @abstractmethod
    def measure(self, days: Transitions) -> Sequence[Seen]:
        """Standardised values of each day, one for each name."""

    def begin(self) -> DetectorState:
        """Every sum at zero."""
        return DetectorState.empty(len(self.names))

    def step(
        self, state: DetectorState, seen: Float[np.ndarray, "watched"]
    ) -> tuple[DetectorState, Verdict]:
        """Add one day's standardised values."""
        s = self.settings
        moved = np.stack([seen, -seen])
        sums = advance(state.sums, moved, s.allowance, s.clip)
        is_up = sums > 0
        after = DetectorState(
            sums=sums,
            days=np.where(is_up, state.days + 1, 0),
            shifts=np.where(is_up, state.shifts + moved, 0.0),
        )
        return after, self._judge(after, seen)

    def observe(self, state: DetectorState, day: Transitions) -> tuple[DetectorState, Verdict]:
        """Add one day; refuses telemetry of more than one."""
        return self.step(state, only_day(self.measure(day)))

    def restore(self, record: dict[str, Any]) -> DetectorState:
        """The state whose `to_record` gave this."""
        return DetectorState.from_record(record)

    def _judge(self, state: DetectorState, residuals: Float[np.ndarray, "watched"]) -> Verdict:
        is_over = state.sums.max(axis=0) >= self.threshold
        means = (state.shifts / np.maximum(state.days, 1)).max(axis=0)
        clear = is_over & (means >= self.settings.leak * np.where(is_over, means, 0.0).max())
        order = np.argsort(-means, kind="stable")
        clearest = np.unravel_index(int(state.sums.argmax()), state.sums.shape)
        return Verdict(
            names=self.names,
            up=state.sums[0],
            down=state.sums[1],
            threshold=self.threshold,
            residuals=residuals,
            alarm=bool(is_over.any()),
            drifted=tuple(self.names[i] for i in order if clear[i]),
            since_days=int(state.days[clearest]),
        )


def advance(
    sums: Float[np.ndarray, "*chains watched"],
    moved: Float[np.ndarray, "*chains watched"],
    allowance: float,
    clip: float,
) -> Float[np.ndarray, "*chains watched"]:
    """One day of cumulative sums: max(0, sum + clipped value - allowance)."""
    result: Float[np.ndarray, "*chains watched"] = np.maximum(
        0.0, sums + np.clip(moved, -clip, clip) - allowance
    )
    return result
