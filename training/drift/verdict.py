"""What a detector says after a day, and what any detector can be asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset

State = TypeVar("State")
Seen = Float[np.ndarray, "..."]
"""What a detector looks at of one day: a value for each name, or a row of them for each sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a detector says of the world after one more day."""

    names: tuple[str, ...]
    """What is watched, hidden parameters or components, in the order of the vectors here."""
    up: Float[np.ndarray, "watched"]
    """Evidence that each has risen, such as its cumulative sum."""
    down: Float[np.ndarray, "watched"]
    threshold: float
    residuals: Float[np.ndarray, "watched"]
    """The day's standardised values, not clipped."""
    alarm: bool
    drifted: tuple[str, ...]
    """Names over the threshold, the clearest first; empty without an alarm."""
    since_days: int
    """Days the drift has lasted, today included, by the clearest evidence; 0 without any."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            **arrays_to_record(self),
            "names": list(self.names),
            "drifted": list(self.drifted),
            "threshold": self.threshold,
            "alarm": self.alarm,
            "since_days": self.since_days,
        }


@runtime_checkable
class Detector(Protocol[State]):
    """Watches days go by; holds no state of its own, so a restart is a fresh `begin`."""

    @property
    def name(self) -> str:
        """What tables call it; its key in `DETECTORS` where it stands there."""
        ...

    def begin(self) -> State:
        """The state before the first day, and after a restart."""
        ...

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """What it looks at of each day, whatever came before."""
        ...

    def step(self, state: State, seen: Seen) -> tuple[State, Verdict]:
        """Take in what `measure` gave of one more day."""
        ...

    def observe(self, state: State, day: Transitions) -> tuple[State, Verdict]:
        """Take in the telemetry of one day. Raises InvalidDataset for more than one."""
        ...

    def restore(self, record: dict[str, Any]) -> State:
        """The state whose `to_record` gave this."""
        ...


def only_day(measured: Sequence[Seen]) -> Seen:
    """What was measured of a single day; refuses more."""
    if len(measured) != 1:
        raise InvalidDataset(f"telemetry of {len(measured)} days: observe one at a time")
    return measured[0]


def arrays_to_record(holder: Any) -> dict[str, Any]:
    """The arrays among a dataclass's fields, as JSON takes them."""
    values = {name: getattr(holder, name) for name in holder.__dataclass_fields__}
    return {name: v.tolist() for name, v in values.items() if isinstance(v, np.ndarray)}
