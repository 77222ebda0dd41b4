"""Rules that look at the state at every event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Float

from experiments.truths.setting import Decide
from sim.analytic import MarkovNetwork, Policy, find_optimum
from sim.description import SystemDescription

Present = Callable[[Float[np.ndarray, "state"]], list[float]]


def present_in(description: SystemDescription, classes: Sequence[str]) -> Present:
    """How many customers of each class are there, waiting and in service."""
    names = description.state_names
    adds = np.zeros((len(classes), len(names)))
    for row, name in enumerate(classes):
        adds[row, names.index(f"{name}_waiting")] = 1.0
        for team in description.teams:
            if team.queue == f"{name}_waiting":
                adds[row, names.index(f"{team.name}_busy")] = 1.0
    return lambda state: (adds @ state).tolist()


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """A class as a rule sees it."""

    name: str
    weight: float
    """Holding cost times service rate."""
    next: str | None = None
    """Where its customers go, if that counts against serving them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LargestPressure:
    """Every station serves, of its classes that have anybody, the one of largest pressure.

    The pressure is `weight * (number present - number present in the next class)`. Without next
    classes that is MaxWeight, with them max-pressure (Dai and Lin 2005). A station works whenever
    it can, under a negative pressure too; among equals the last listed is served. The levers are
    one for each station, in this order; their levels are positions in the station's list.
    """

    stations: tuple[tuple[Buffer, ...], ...]

    def begin(self, description: SystemDescription) -> Decide:
        """Find the numbers present in the state."""
        buffers = [buffer for station in self.stations for buffer in station]
        names = [buffer.name for buffer in buffers]
        present = present_in(description, names)
        rows = [
            [
                (names.index(b.name), b.weight, -1 if b.next is None else names.index(b.next))
                for b in station
            ]
            for station in self.stations
        ]

        def decide(state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "lever"]:
            # A place behind the last for those who leave.
            number = [*present(state), 0.0]
            return np.array([_largest(station, number) for station in rows], dtype=float)

        return decide


def _largest(station: list[tuple[int, float, int]], number: list[float]) -> int:
    best, largest = 0, -np.inf
    for position, (here, weight, onward) in enumerate(station):
        pressure = weight * (number[here] - number[onward])
        if number[here] > 0 and pressure >= largest:
            best, largest = position, pressure
    return best


@dataclass(frozen=True, slots=True, kw_only=True)
class Helping:
    """When the server who can serve both classes of the N-model helps with the second one.

    There have to be two of the second class, since its own server, who is faster, takes the first
    of them. The server also helps where the first class has nobody. The level of the only lever
    is 1 while helping.
    """

    more_than: int | None = None
    """Help where so many of the second class are exceeded."""
    weights: tuple[float, float] | None = None
    """Or where the second weight times its number is no less than the first times its number."""

    def begin(self, description: SystemDescription) -> Decide:
        """Find the numbers present in the state."""
        present = present_in(description, ("class_1", "class_2"))

        def decide(state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "lever"]:
            first, second = present(state)
            wanted = first == 0 or self._is_wanted(first, second)
            return np.array([1.0 if second > 1 and wanted else 0.0])

        return decide

    def _is_wanted(self, first: float, second: float) -> bool:
        if self.more_than is not None:
            return second > self.more_than
        return self.weights is None or self.weights[1] * second >= self.weights[0] * first


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactOptimum:
    """The best policy of a small network, by value iteration; beyond its grid the edge holds."""

    network: MarkovNetwork
    levels: tuple[int, ...]
    """Greatest number of each class on the grid."""
    classes: tuple[str, ...]
    """Names of the network's classes, in its order."""
    server: int
    """The only one that has a choice."""
    level_of: tuple[tuple[int, float], ...]
    """The lever's level by the class that the server is to serve; 0 where it idles."""

    def begin(self, description: SystemDescription) -> Decide:
        """Solve the network, once for all replications of a process."""
        present = present_in(description, self.classes)
        chosen = _optimal_policy(self.network, self.levels)[self.server]
        most = self.levels
        level_of = dict(self.level_of)

        def decide(state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "lever"]:
            numbers = zip(present(state), most, strict=True)
            served = chosen[tuple(min(int(number), level) for number, level in numbers)]
            return np.array([level_of.get(int(served), 0.0)])

        return decide


@cache
def _optimal_policy(network: MarkovNetwork, levels: tuple[int, ...]) -> Policy:
    return find_optimum(network, levels, tolerance=1e-4).policy
