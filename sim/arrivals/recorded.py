"""Arrivals that really came: one recorded day, or one of many."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.arrivals.process import ArrivalStream
from sim.choices import Limit, Positive, PositiveCount, refuse_outside_limits
from sim.errors import InvalidSettings, InvalidVolumes
from sim.volumes import spread, sum_slots


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceArrivals:
    """One real day: its counts are given, only the times within each slot are drawn."""

    day: int
    counts: Int[np.ndarray, "slot"]
    slot_minutes: float
    profile: Float[np.ndarray, "day slot"]
    """What was expected of each weekday, known to whoever decides."""

    def __post_init__(self) -> None:
        if not 0 <= self.day < len(self.profile):
            raise InvalidVolumes(
                f"day {self.day}: give one of the {len(self.profile)} rows of the profile, from 0"
            )
        if (self.counts < 0).any():
            raise InvalidVolumes(f"a count of {self.counts.min()}: give 0 or more")

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Spread the day's counts over their slots; a scale other than 1 is refused."""
        _refuse_scaling(scale)
        times = spread(self.counts, self.slot_minutes, random)
        return ArrivalStream(day=self.day, blocks=iter((times,)))

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The profile, summed over the slots of each epoch."""
        return sum_slots(self.profile, self.slot_minutes, boundaries)

    @property
    def mean_rate(self) -> float:
        """The day's customers over its minutes."""
        return float(self.counts.mean() / self.slot_minutes)


@runtime_checkable
class Record(Protocol):
    """Recorded days of arrivals: `Volumes`, counted per slot, or a `Trace`, one by one."""

    @property
    def days(self) -> tuple[date, ...]:
        """The recorded days."""
        ...

    @property
    def minutes(self) -> float:
        """From opening to close."""
        ...

    @property
    def totals(self) -> Int[np.ndarray, "day"]:
        """Customers of each day."""
        ...

    def draw_times(
        self, position: int, random: np.random.Generator
    ) -> Float[np.ndarray, "customer"]:
        """One day's arrivals, minutes since opening, rising."""
        ...

    def per_epoch(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Each day's customers between the boundaries."""
        ...


_KINDS: dict[str, Callable[[date], int]] = {
    "alike": lambda _day: 0,
    "weekday": lambda day: day.weekday(),
}

_DayKinds = Annotated[str, Limit(wanted="'alike' or 'weekday'", holds=lambda name: name in _KINDS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedArrivals:
    """Many recorded days of the user's, of which each run meets one, drawn at random.

    Counts per slot are spread uniformly within their slots; exact times are kept.
    """

    record: Record
    day_kinds: _DayKinds = "alike"
    """Whoever decides knows what is usual: of all days ("alike"), or of the weekday ("weekday",
    one kind for each weekday in the record, Monday first). With few days of a weekday, the usual
    says much about the very day."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @classmethod
    def from_settings(
        cls,
        *,
        file: str,
        time_column: str,
        opening: str,
        slots: PositiveCount,
        slot_minutes: Positive,
        count_column: str | None = None,
        time_zone: str | None = None,
        gaps: str | None = None,
        day_kinds: _DayKinds = "alike",
    ) -> RecordedArrivals:
        """Read a file: counts per slot where `count_column` is named, else one row a customer."""
        # Not before a file is read: pandas takes half a second, and most processes read none.
        from sim.traces import read_trace
        from sim.volume_files import read_volumes

        if count_column is not None:
            return cls(
                record=read_volumes(
                    file,
                    time_column=time_column,
                    count_column=count_column,
                    opening=opening,
                    slots=slots,
                    slot_minutes=slot_minutes,
                    time_zone=time_zone,
                    gaps=gaps or "refuse",
                    weekends=True,
                ),
                day_kinds=day_kinds,
            )
        if gaps is not None:
            raise InvalidSettings(
                f"gaps is {gaps!r}: a file without count_column has no slots to miss; leave it out"
            )
        return cls(
            record=read_trace(
                file,
                time_column=time_column,
                opening=opening,
                slots=slots,
                slot_minutes=slot_minutes,
                time_zone=time_zone,
            ),
            day_kinds=day_kinds,
        )

    @property
    def kinds(self) -> Int[np.ndarray, "day"]:
        """The kind of each recorded day, from 0 without a gap."""
        named = [_KINDS[self.day_kinds](day) for day in self.record.days]
        return np.unique(named, return_inverse=True)[1]

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Draw a day; a scale other than 1 is refused."""
        _refuse_scaling(scale)
        position = int(random.integers(len(self.record.days)))
        times = self.record.draw_times(position, random)
        return ArrivalStream(day=int(self.kinds[position]), blocks=iter((times,)))

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Mean over the recorded days of each kind."""
        counts, kinds = self.record.per_epoch(boundaries), self.kinds
        return np.array([counts[kinds == kind].mean(axis=0) for kind in range(kinds.max() + 1)])

    @property
    def mean_rate(self) -> float:
        """Mean over all recorded days."""
        return float(self.record.totals.mean() / self.record.minutes)


def _refuse_scaling(scale: float) -> None:
    if scale != 1.0:
        raise InvalidVolumes(f"a recorded day cannot be scaled by {scale}: leave arrival scale 1")
