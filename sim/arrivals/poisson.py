"""Poisson arrivals, at a constant rate or at one that follows the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int

from sim.arrivals.process import BLOCK, ArrivalStream, at_rate, refuse_scale, rising
from sim.choices import Limit, NotNegative, Positive, refuse_outside_limits
from sim.errors import InvalidSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PoissonArrivals:
    """A constant rate per minute, without end; days do not differ."""

    rate: Positive

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin with the first of many exponential gaps."""
        refuse_scale(scale)
        return ArrivalStream(day=0, blocks=self._blocks(random, 1.0 / (self.rate * scale)))

    @staticmethod
    def _blocks(
        random: np.random.Generator, mean_gap: float
    ) -> Iterator[Float[np.ndarray, "block"]]:
        now = 0.0
        while True:
            times = rising(now, random.exponential(mean_gap, BLOCK))
            now = float(times[-1])
            yield times

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Rate times duration."""
        return at_rate(self.rate, boundaries)

    @property
    def mean_rate(self) -> float:
        """The rate."""
        return self.rate


def _thinned(
    random: np.random.Generator,
    peak: float,
    rate_at: Callable[[Float[np.ndarray, "block"]], Float[np.ndarray, "block"]],
) -> Iterator[Float[np.ndarray, "block"]]:
    """Poisson times at the peak rate, of which each stays with probability rate/peak.

    Source: Lewis and Shedler (1979). Exact for every rate that never exceeds the peak.
    """
    now = 0.0
    while True:
        # Two numbers a candidate, side by side, so that the size of a block does not matter.
        uniforms = random.random((BLOCK, 2))
        times = rising(now, -np.log1p(-uniforms[:, 0]) / peak)
        now = float(times[-1])
        yield times[uniforms[:, 1] * peak < rate_at(times)]


def _are_rates(rates: tuple[float, ...]) -> bool:
    return all(0 <= rate < np.inf for rate in rates) and sum(rates) > 0


Rates = Annotated[
    tuple[float, ...],
    Limit(wanted="finite rates per minute, 0 or more and not all 0", holds=_are_rates),
]

_RISES: dict[str, Callable[[Float[np.ndarray, "slot"]], Float[np.ndarray, "slot"]]] = {
    "constant": np.zeros_like,
    "linear": lambda rates: np.roll(rates, -1) - rates,
}
"""By how much the rate rises within each slot."""

_Kind = Annotated[str, Limit(wanted="'constant' or 'linear'", holds=lambda kind: kind in _RISES)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeVaryingArrivals:
    """Poisson arrivals whose rate follows a table of slots and begins anew when it ends."""

    rates: Rates
    """Per minute, at the beginning of each slot."""
    slot_minutes: Positive
    kind: _Kind = "constant"
    """Between slots the rate jumps ("constant") or moves evenly to the next one ("linear")."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin at the first slot."""
        refuse_scale(scale)
        peak = max(self.rates) * scale
        return ArrivalStream(
            day=0, blocks=_thinned(random, peak, lambda times: self._rate_at(times) * scale)
        )

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The rate's integral over each epoch."""
        return np.diff(self._integral_to(np.asarray(boundaries, dtype=float)))[None, :]

    @property
    def mean_rate(self) -> float:
        """Mean over the period."""
        return float(np.mean(self.rates))

    def _rate_at(self, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        _, slot, part = self._place(times)
        rates = np.array(self.rates)
        rate: Float[np.ndarray, "time"] = rates[slot] + _RISES[self.kind](rates)[slot] * part
        return rate

    def _integral_to(self, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        period, slot, part = self._place(times)
        rates = np.array(self.rates)
        rises = _RISES[self.kind](rates)
        whole = np.concatenate(([0.0], np.cumsum(rates + rises / 2)))
        within = rates[slot] * part + rises[slot] * part**2 / 2
        integral: Float[np.ndarray, "time"] = period * whole[-1] + whole[slot] + within
        return integral * self.slot_minutes

    def _place(
        self, times: Float[np.ndarray, "time"]
    ) -> tuple[Float[np.ndarray, "time"], Int[np.ndarray, "time"], Float[np.ndarray, "time"]]:
        """Periods gone by, the slot within the period, and the part of the slot gone by."""
        slots = times / self.slot_minutes
        passed = np.floor(slots)
        period, slot = np.divmod(passed, len(self.rates))
        return period, slot.astype(int), slots - passed


_Angle = Annotated[float, Limit(wanted="a finite number of radians", holds=np.isfinite)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SinusoidalArrivals:
    """Poisson arrivals at rate `mean_rate + amplitude * sin(2 pi t / period + phase)`."""

    mean_rate: Positive
    """Per minute."""
    amplitude: NotNegative
    """Per minute; at most the mean rate."""
    period: Positive
    """In minutes."""
    phase: _Angle = 0.0
    """In radians, at opening."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)
        if self.amplitude > self.mean_rate:
            raise InvalidSettings(
                f"SinusoidalArrivals: amplitude is {self.amplitude}: give at most the mean rate "
                f"{self.mean_rate}, since no rate is below 0"
            )

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin at the phase."""
        refuse_scale(scale)
        peak = (self.mean_rate + self.amplitude) * scale
        return ArrivalStream(
            day=0, blocks=_thinned(random, peak, lambda times: self._rate_at(times) * scale)
        )

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The rate's integral over each epoch."""
        times = np.asarray(boundaries, dtype=float)
        swing = np.cos(self._angle(times)) * self.amplitude * self.period / (2 * np.pi)
        integral: Float[np.ndarray, "boundary"] = self.mean_rate * times - swing
        return np.diff(integral)[None, :]

    def _rate_at(self, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        swing: Float[np.ndarray, "time"] = self.amplitude * np.sin(self._angle(times))
        return self.mean_rate + swing

    def _angle(self, times: Float[np.ndarray, "time"]) -> Float[np.ndarray, "time"]:
        angle: Float[np.ndarray, "time"] = 2 * np.pi * times / self.period + self.phase
        return angle
