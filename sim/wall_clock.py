"""Opening hours on the local clock, and where a user's timestamps fall in them.

A day is a day of the wall clock. Where clocks go forward, the slots that the clock jumps over do
not exist; where they go back, an hour passes twice and both passes share its slots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from sim.errors import InvalidVolumes, suggestion
from sim.tables import Table

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_OFFSET = r"^(?P<local>.+[T ]\d.*?)\s*(?P<offset>[Zz]|[+-]\d\d(?::?\d\d)?)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """So many slots a day from the opening on; they may pass midnight."""

    opening: str
    """HH:MM on the local clock."""
    slots: int
    slot_minutes: float
    time_zone: str | None = None
    """IANA name. Without it every stamp is local, whatever offset is written behind it; with it,
    stamps with an offset are converted and stamps without one are local."""

    def __post_init__(self) -> None:
        if not _CLOCK.fullmatch(self.opening):
            raise InvalidVolumes(f"opening {self.opening!r} is no time of day: write HH:MM")
        if self.slots < 1 or not 0 < self.slot_minutes < np.inf or self.minutes > 24 * 60:
            raise InvalidVolumes(
                f"{self.slots} slots of {self.slot_minutes:g} minutes a day: "
                "give at least one and at most 24 hours of them"
            )
        if self.time_zone is not None and self.time_zone not in available_timezones():
            raise InvalidVolumes(
                f"time zone {self.time_zone!r}{suggestion(self.time_zone, available_timezones())}"
            )

    @property
    def minutes(self) -> float:
        """From opening to close."""
        return self.slots * self.slot_minutes

    @property
    def opened(self) -> pd.Timedelta:
        """From midnight to opening."""
        return pd.Timedelta(f"{self.opening}:00")

    def __str__(self) -> str:
        return f"the {self.slots} slots of {self.slot_minutes:g} minutes begin at {self.opening}"

    def skipped(self, days: tuple[date, ...]) -> Bool[np.ndarray, "day slot"]:
        """Slots whose beginning the local clock jumps over."""
        shape = (len(days), self.slots)
        if self.time_zone is None:
            return np.zeros(shape, dtype=bool)
        openings = pd.DatetimeIndex(days).to_numpy() + self.opened.to_numpy()
        into = (np.arange(self.slots) * self.slot_minutes * 60e6).astype("timedelta64[us]")
        starts = pd.Series((openings[:, None] + into).ravel())
        return _is_skipped(starts, ZoneInfo(self.time_zone)).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stamps:
    """When each row of a table happened; NaT and NaN where that cannot be read."""

    local: pd.Series
    """Date and time on the local clock."""
    instants: pd.Series
    """In UTC, so that the two passes of a repeated hour differ; local without a time zone."""
    days: pd.Series
    """Midnight of the day at whose opening the stamp's day began."""
    minutes: Float[np.ndarray, "row"]
    """Since that opening, on the local clock."""


def read_stamps(table: Table, column: str, hours: OpeningHours) -> Stamps:
    """Read a column of timestamps, noting those that are none and those that cannot have been."""
    local, instants = _on_clocks(table.columns[column], hours.time_zone)
    unread = local.isna().to_numpy()
    table.note(unread, lambda row: f"time {table.shown(column, row)}: give an ISO 8601 timestamp")
    table.note(
        ~unread & instants.isna().to_numpy(),
        lambda row: (
            f"time {table.shown(column, row)} does not exist in {hours.time_zone}, where clocks "
            "go forward: write its offset, or drop the row"
        ),
    )
    shifted = local - hours.opened
    days = shifted.dt.normalize()
    minutes = ((shifted - days).dt.total_seconds() / 60).to_numpy(dtype=float)
    return Stamps(local=local, instants=instants, days=days, minutes=minutes)


def _on_clocks(column: pd.Series, time_zone: str | None) -> tuple[pd.Series, pd.Series]:
    """Local times and instants, both without a zone attached."""
    column = column.reset_index(drop=True)
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        if time_zone is None:
            local = column.dt.tz_localize(None)
            return local, local
        return _local(column, time_zone), _instants(column)
    if pd.api.types.is_datetime64_any_dtype(column):
        return column, _placed(column, time_zone)
    return _from_text(column.astype(str), time_zone)


def _from_text(text: pd.Series, time_zone: str | None) -> tuple[pd.Series, pd.Series]:
    parts = text.str.extract(_OFFSET)
    has_offset = parts["offset"].notna()
    local = _parsed(parts["local"].where(has_offset, text))
    if time_zone is None:
        return local, local
    instants = _placed(local.mask(has_offset), time_zone)
    if has_offset.any():
        aware = pd.to_datetime(text[has_offset], errors="coerce", format="ISO8601", utc=True)
        local = local.mask(has_offset, _local(aware, time_zone).reindex(local.index))
        instants = instants.mask(has_offset, _instants(aware).reindex(local.index))
    return local, instants


def _parsed(text: pd.Series) -> pd.Series:
    return pd.to_datetime(text, errors="coerce", format="ISO8601").astype("datetime64[us]")


def _local(aware: pd.Series, time_zone: str) -> pd.Series:
    local: pd.Series = aware.dt.tz_convert(time_zone).dt.tz_localize(None)
    return local.astype("datetime64[us]")


def _instants(aware: pd.Series) -> pd.Series:
    return _local(aware, "UTC")


def _placed(local: pd.Series, time_zone: str | None) -> pd.Series:
    """Instants of local times; NaT for what the clock jumps over.

    In a repeated hour the first row with a time is its first pass, every later one the second.
    """
    if time_zone is None:
        return local
    is_first = (local.groupby(local).cumcount() == 0).to_numpy()
    aware = local.dt.tz_localize(ZoneInfo(time_zone), ambiguous=is_first, nonexistent="NaT")
    return _instants(aware)


def _is_skipped(local: pd.Series, zone: ZoneInfo) -> Bool[np.ndarray, "time"]:
    first_pass = np.ones(len(local), dtype=bool)
    aware = local.dt.tz_localize(zone, ambiguous=first_pass, nonexistent="NaT")
    skipped: Bool[np.ndarray, "time"] = aware.isna().to_numpy()
    return skipped
