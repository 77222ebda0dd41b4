"""How customers come: each process draws one day of arrival times, in minutes after opening."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.errors import InvalidSystem, InvalidVolumes
from sim.volumes import Volumes


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalDay:
    """One day of arrivals."""

    day: int
    """The kind of day: 0 for Monday to 4 for Friday, or 0 where days do not differ."""
    times: Float[np.ndarray, "customer"]
    """Minutes after opening, rising."""


@runtime_checkable
class Arrivals(Protocol):
    """A process of arrivals that can be scaled by a parameter."""

    def draw(self, random: np.random.Generator, scale: float) -> ArrivalDay:
        """Draw one day; `scale` multiplies every rate."""
        ...

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Expected arrivals between the boundaries, for each kind of day, at scale 1."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonArrivals:
    """A constant rate per minute over a fixed horizon; days do not differ."""

    rate: float
    minutes: float

    def __post_init__(self) -> None:
        if not (0 < self.rate < np.inf and 0 < self.minutes < np.inf):
            raise InvalidSystem(
                f"Poisson rate {self.rate} over {self.minutes} minutes: numbers above 0"
            )

    def draw(self, random: np.random.Generator, scale: float) -> ArrivalDay:
        """Draw a Poisson number of uniform times."""
        count = random.poisson(self.rate * scale * self.minutes)
        return ArrivalDay(day=0, times=np.sort(random.uniform(0.0, self.minutes, count)))

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Rate times duration."""
        return self.rate * np.diff(np.asarray(boundaries))[None, :]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoublyStochasticArrivals:
    """Poisson counts whose rate is itself random: a day factor and a persistent slot noise.

    The rate of a slot is profile[weekday, slot] x day factor x slot factor, both lognormal with
    mean 1. The log slot factor is an autoregression over slots with the given persistence, so a
    surge lasts. Nobody in the system sees either factor; they show only in who has arrived
    (Whitt 1999; Avramidis, Deslauriers and L'Ecuyer 2004).
    """

    profile: Float[np.ndarray, "day slot"]
    day_sd: float
    slot_sd: Float[np.ndarray, "slot"]
    persistence: float
    slot_minutes: float

    def __post_init__(self) -> None:
        if np.any(~np.isfinite(self.profile)) or np.any(self.profile < 0):
            raise InvalidSystem("an arrival profile must be finite and not negative")
        if not 0 <= self.persistence < 1:
            raise InvalidSystem(f"persistence {self.persistence}: at least 0 and below 1")
        if not self.day_sd >= 0 or not np.all(self.slot_sd >= 0):
            raise InvalidSystem(f"deviations {self.day_sd} and {self.slot_sd}: 0 or more")

    def draw(self, random: np.random.Generator, scale: float) -> ArrivalDay:
        """Draw the weekday, both factors, the counts, and the times within each slot."""
        day = int(random.integers(len(self.profile)))
        return _spread(day, self.draw_counts(random, day, scale), self.slot_minutes, random)

    def draw_counts(
        self, random: np.random.Generator, day: int, scale: float
    ) -> Int[np.ndarray, "slot"]:
        """Draw one weekday's counts per slot."""
        day_factor = np.exp(self.day_sd * random.standard_normal() - self.day_sd**2 / 2)
        noise = random.standard_normal(len(self.slot_sd))
        log_factor = np.empty_like(noise)
        level = noise[0]
        fresh = np.sqrt(1 - self.persistence**2)
        for slot, shock in enumerate(noise):
            level = self.persistence * level + fresh * shock if slot else shock
            log_factor[slot] = level
        slot_factor = np.exp(self.slot_sd * log_factor - self.slot_sd**2 / 2)
        counts: Int[np.ndarray, "slot"] = random.poisson(
            self.profile[day] * day_factor * slot_factor * scale
        )
        return counts

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The profile, summed over the slots of each epoch."""
        return _per_epoch(self.profile, self.slot_minutes, boundaries)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceArrivals:
    """One real day: its counts are given, only the times within each slot are drawn."""

    day: int
    counts: Int[np.ndarray, "slot"]
    slot_minutes: float
    profile: Float[np.ndarray, "day slot"]
    """What was expected of each weekday, known to whoever decides."""

    def draw(self, random: np.random.Generator, scale: float) -> ArrivalDay:
        """Spread the day's counts over their slots; a scale other than 1 is refused."""
        if scale != 1.0:
            raise InvalidVolumes(
                f"a recorded day cannot be scaled by {scale}: leave arrival scale 1"
            )
        return _spread(self.day, self.counts, self.slot_minutes, random)

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The profile, summed over the slots of each epoch."""
        return _per_epoch(self.profile, self.slot_minutes, boundaries)


def _per_epoch(
    profile: Float[np.ndarray, "day slot"], slot_minutes: float, boundaries: tuple[float, ...]
) -> Float[np.ndarray, "day epoch"]:
    slots = np.asarray(boundaries) / slot_minutes
    edges = np.rint(slots).astype(int)
    if not np.allclose(slots, edges, atol=1e-9) or edges[-1] != profile.shape[1]:
        raise InvalidSystem(
            f"epoch boundaries {boundaries} do not fit {profile.shape[1]} slots of "
            f"{slot_minutes:g} minutes: begin epochs with slots and end with the last"
        )
    return np.add.reduceat(profile, edges[:-1], axis=1)


def _spread(
    day: int, counts: Int[np.ndarray, "slot"], slot_minutes: float, random: np.random.Generator
) -> ArrivalDay:
    starts = np.repeat(np.arange(len(counts)) * slot_minutes, counts)
    times = np.sort(starts + random.uniform(0.0, slot_minutes, len(starts)))
    return ArrivalDay(day=day, times=times)


def fit_doubly_stochastic(
    volumes: Volumes, *, smoothing_slots: int = 6
) -> DoublyStochasticArrivals:
    """Fit profile, day factor, slot noise and its persistence by moments.

    Ratios of counts to their weekday's mean have covariance
    `day_variance + slot_variance * persistence**lag` between slots `lag` apart, plus 1/mean on the
    diagonal (Poisson). The off-diagonal is fitted by least squares; the diagonal's excess gives a
    slot deviation per half hour, so that the rough hours stay rough. Needs at least two days of
    each weekday.
    """
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
