"""Arrivals made of something else: of intervals, or of other arrivals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int

from sim.arrivals.process import BLOCK, Arrivals, ArrivalStream, at_rate, refuse_scale, rising
from sim.choices import Limit, refuse_outside_limits
from sim.distributions import Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalArrivals:
    """Independent intervals of one distribution, the first of which begins at opening.

    A scale divides the intervals. `expected` is the long-run rate times duration: exact for
    exponential intervals only; others need some intervals from opening to forget it.
    """

    interval: Distribution
    """In minutes."""

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin with a whole interval."""
        refuse_scale(scale)
        return ArrivalStream(day=0, blocks=self._blocks(random, scale))

    def _blocks(
        self, random: np.random.Generator, scale: float
    ) -> Iterator[Float[np.ndarray, "block"]]:
        now = 0.0
        while True:
            times = rising(now, self.interval.sample(random, BLOCK) / scale)
            now = float(times[-1])
            yield times

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Long-run rate times duration."""
        return at_rate(self.mean_rate, boundaries)

    @property
    def mean_rate(self) -> float:
        """One over the mean interval."""
        return 1.0 / self.interval.mean


def _are_sizes(sizes: tuple[float, ...] | float) -> bool:
    if isinstance(sizes, tuple):
        return all(p >= 0 for p in sizes) and abs(sum(sizes) - 1) <= 1e-9
    return 1 <= sizes < np.inf


_Sizes = Annotated[
    tuple[float, ...] | float,
    Limit(
        wanted="probabilities of 1, 2, 3, ... customers that sum to 1, or the mean of a geometric "
        "number, 1 or more",
        holds=_are_sizes,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchArrivals:
    """Each arrival of another process brings several customers at the same moment."""

    arrivals: Arrivals
    sizes: _Sizes
    """Probabilities of 1, 2, 3, ... customers; or the mean of a geometric number of them."""

    def __post_init__(self) -> None:
        refuse_outside_limits(self)

    @classmethod
    def from_settings(cls, *, of: Arrivals, sizes: _Sizes) -> BatchArrivals:
        """Batches of the arrivals that a nested table describes."""
        return cls(arrivals=of, sizes=sizes)

    @property
    def mean_size(self) -> float:
        """Customers an arrival."""
        if isinstance(self.sizes, tuple):
            return float(np.dot(np.arange(1, len(self.sizes) + 1), self.sizes))
        return self.sizes

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin the other process; `scale` multiplies the rate of batches, not their sizes."""
        stream = self.arrivals.begin(random, scale)
        return ArrivalStream(day=stream.day, blocks=self._blocks(random, stream.blocks))

    def _blocks(
        self, random: np.random.Generator, blocks: Iterator[Float[np.ndarray, "block"]]
    ) -> Iterator[Float[np.ndarray, "block"]]:
        for times in blocks:
            yield np.repeat(times, self._draw_sizes(random, len(times)))

    def _draw_sizes(self, random: np.random.Generator, number: int) -> Int[np.ndarray, "batch"]:
        if isinstance(self.sizes, tuple):
            limits = np.cumsum(self.sizes)[:-1]
            return 1 + np.searchsorted(limits, random.random(number), side="right")
        return random.geometric(1.0 / self.sizes, number)

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """The other process's, times the mean size."""
        return self.mean_size * self.arrivals.expected(boundaries)

    @property
    def mean_rate(self) -> float:
        """The other process's, times the mean size."""
        return self.mean_size * self.arrivals.mean_rate
