"""Fitting arrivals to a series of volumes."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sim.arrivals.modulated import DoublyStochasticArrivals
from sim.errors import InvalidVolumes
from sim.volumes import Volumes, refuse_weekends


def fit_doubly_stochastic(
    volumes: Volumes, *, smoothing_slots: int = 6
) -> DoublyStochasticArrivals:
    """Fit profile, day factor, slot noise and its persistence by moments.

    Ratios of counts to their weekday's mean have covariance
    `day_variance + slot_variance * persistence**lag` between slots `lag` apart, plus 1/mean on the
    diagonal (Poisson). The off-diagonal is fitted by least squares; the diagonal's excess gives a
    slot deviation per half hour, so that the rough hours stay rough. Needs at least two days of
    each weekday, and refuses weekends.
    """
    refuse_weekends(volumes.days, "volumes to fit")
    weekdays = volumes.weekdays
    numbers = np.bincount(weekdays, minlength=5)
    if volumes.counts.shape[1] < 4:
        raise InvalidVolumes(f"{volumes.counts.shape[1]} slots a day: at least 4 are needed")
    if numbers.min() < 2:
        raise InvalidVolumes(f"days per weekday {numbers.tolist()}: at least 2 of each are needed")
    profile = np.array([volumes.counts[weekdays == day].mean(axis=0) for day in range(5)])
    if profile.min() <= 0:
        raise InvalidVolumes("a slot without a single customer on some weekday: widen the slots")
    ratios = volumes.counts / profile[weekdays] - 1.0
    covariance = ratios.T @ ratios / (len(ratios) - 5)
    day_variance, slot_variance, persistence = _fit_lags(covariance)
    excess = np.diag(covariance) - (1.0 / profile[weekdays]).mean(axis=0) - day_variance
    smooth = np.maximum(_block_means(excess, smoothing_slots), slot_variance / 10)
    return DoublyStochasticArrivals(
        profile=profile,
        day_sd=float(np.sqrt(np.log1p(day_variance))),
        slot_sd=np.sqrt(np.log1p(smooth)),
        persistence=persistence,
        slot_minutes=volumes.slot_minutes,
    )


def _fit_lags(covariance: Float[np.ndarray, "slot slot"]) -> tuple[float, float, float]:
    lags = np.arange(1, min(85, len(covariance) - 1))
    values = np.array([np.diagonal(covariance, lag).mean() for lag in lags])
    weights = np.sqrt(len(covariance) - lags)
    best: tuple[float, float, float, float] = (np.inf, 0.0, 0.0, 0.0)
    for persistence in np.linspace(0.5, 0.995, 100):
        design = np.column_stack([np.ones(len(lags)), persistence**lags])
        fitted, *_ = np.linalg.lstsq(design * weights[:, None], values * weights, rcond=None)
        day_variance, slot_variance = np.maximum(fitted, 1e-8)
        misfit = float((design @ [day_variance, slot_variance] - values) ** 2 @ weights**2)
        best = min(best, (misfit, float(day_variance), float(slot_variance), float(persistence)))
    return best[1], best[2], best[3]


def _block_means(values: Float[np.ndarray, "slot"], width: int) -> Float[np.ndarray, "slot"]:
    edges = np.arange(0, len(values), width)
    sizes = np.diff(np.append(edges, len(values)))
    return np.repeat(np.add.reduceat(values, edges) / sizes, sizes)
