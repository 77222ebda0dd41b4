"""Slots without a count in a user's series, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Bool, Float

from sim.errors import InvalidVolumes
from sim.tables import refuse_all


@dataclass(frozen=True, slots=True, kw_only=True)
class GappySeries:
    """Counts by day and slot, NaN where a slot has none."""

    days: tuple[date, ...]
    counts: Float[np.ndarray, "day slot"]
    skipped: Bool[np.ndarray, "day slot"]
    """Slots that the clock jumped over, which are no gaps."""

    @property
    def gaps(self) -> Bool[np.ndarray, "day slot"]:
        """Slots that somebody forgot."""
        forgotten: Bool[np.ndarray, "day slot"] = np.isnan(self.counts) & ~self.skipped
        return forgotten

    def filled(self, values: Float[np.ndarray, "day slot"]) -> GappySeries:
        """The gaps replaced, and nobody in the slots that did not exist."""
        counts = np.where(self.gaps, values, np.nan_to_num(self.counts))
        return GappySeries(days=self.days, counts=counts, skipped=self.skipped)


def _refuse(source: str, series: GappySeries) -> GappySeries:
    missing = series.gaps.sum(axis=1)
    faults = [
        f"{number} of {series.counts.shape[1]} slots missing on {day}: fill the gaps, drop the "
        "day, or say what to do with `gaps`"
        for day, number in zip(series.days, missing, strict=True)
        if number
    ]
    refuse_all(source, faults[:5], len(faults))
    return _zero(source, series)


def _zero(_source: str, series: GappySeries) -> GappySeries:
    return series.filled(np.zeros_like(series.counts))


def _interpolate(_source: str, series: GappySeries) -> GappySeries:
    before = _carried(series.counts)
    after = _carried(series.counts[:, ::-1])[:, ::-1]
    before, after = (
        np.where(np.isnan(before), after, before),
        np.where(np.isnan(after), before, after),
    )
    return series.filled(np.rint((before + after) / 2))


def _carried(counts: Float[np.ndarray, "day slot"]) -> Float[np.ndarray, "day slot"]:
    """Each slot's count, or the nearest one before it; NaN where there is none."""
    known = np.where(np.isnan(counts), 0, np.arange(counts.shape[1]))
    return np.take_along_axis(counts, np.maximum.accumulate(known, axis=1), axis=1)


def _drop_day(source: str, series: GappySeries) -> GappySeries:
    whole = np.asarray(~series.gaps.any(axis=1))
    if not whole.any():
        raise InvalidVolumes(f"{source}: every day has a gap: none is left after dropping them")
    kept = GappySeries(
        days=tuple(day for day, keep in zip(series.days, whole.tolist(), strict=True) if keep),
        counts=series.counts[whole],
        skipped=series.skipped[whole],
    )
    return _zero(source, kept)


GAPS: dict[str, Callable[[str, GappySeries], GappySeries]] = {
    "refuse": _refuse,
    "zero": _zero,
    "interpolate": _interpolate,
    "drop_day": _drop_day,
}
"""What may be done with gaps, by the name that settings use."""
