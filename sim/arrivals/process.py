"""What every process of arrivals can say and do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidParameters


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalStream:
    """The customers of one run, block by block, so that an endless run needs no endless memory."""

    day: int
    """The kind of day, a row of `Arrivals.expected`; 0 where there is one kind."""
    blocks: Iterator[Float[np.ndarray, "block"]]
    """Minutes since opening, rising within and across blocks; may never end, may be empty."""

    def until(self, minutes: float) -> Float[np.ndarray, "customer"]:
        """Every arrival before so many minutes; uses up the blocks that it looks at."""
        found = [np.zeros(0)]
        for block in self.blocks:
            found.append(block[block < minutes])
            if len(block) and block[-1] >= minutes:
                break
        return np.concatenate(found)


@runtime_checkable
class Arrivals(Protocol):
    """A process of arrivals that can be scaled by a parameter."""

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        """Begin one run, which alone may draw from `random`; `scale` multiplies every rate."""
        ...

    def expected(self, boundaries: tuple[float, ...]) -> Float[np.ndarray, "day epoch"]:
        """Expected arrivals between the boundaries, for each kind of day, at scale 1."""
        ...

    @property
    def mean_rate(self) -> float:
        """Customers per minute in the long run, at scale 1; over opening hours where days end."""
        ...


def refuse_scale(scale: float) -> None:
    """Raise InvalidParameters for a scale that no rate can be multiplied by."""
    if not 0 < scale < math.inf:
        raise InvalidParameters(f"arrival scale {scale}: give a finite number above 0")


def at_rate(rate: float, boundaries: tuple[float, ...]) -> Float[np.ndarray, "1 epoch"]:
    """Expected arrivals between the boundaries where the mean rate is always the same."""
    return rate * np.diff(np.asarray(boundaries))[None, :]


def rising(now: float, gaps: Float[np.ndarray, "block"]) -> Float[np.ndarray, "block"]:
    """Times that follow `now` with the given gaps; the same sums however gaps come in blocks."""
    return np.cumsum(np.concatenate(([now], gaps)))[1:]


BLOCK = 1024
"""Gaps drawn at once: enough that drawing costs little, few enough for short days."""
