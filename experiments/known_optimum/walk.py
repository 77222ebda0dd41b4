"""Average cost of a controller on a Markov network too large for a grid, with a tight interval.

The chain itself is simulated, many copies side by side, by uniformisation: controllers meet the
same arrivals and the same potential services, as long as they do the same. What is averaged is the
cost rate plus the mean change of a function of the state per minute. In the long run that change
averages to 0 for any function, so the mean is the same; with a function near to the costs to come
of the very controller nearly nothing is left to vary (Henderson and Glynn 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.known_optimum.networks import Network
from experiments.known_optimum.rules import states_of
from sim.analytic import MarkovNetwork
from sim.description import SystemDescription
from sim.output import Estimate, mean_interval
from training.control_variate import QueueBasis
from training.heuristics import Controller

_EVERY = 25
"""Events between two looks at the mean change, which costs as much as many events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """How long to walk."""

    copies: int = 1024
    warm_up: int = 15_000
    """Events, potential ones among them, before anything is averaged."""
    events: int = 100_000

    def average_cost(
        self, network: Network, description: SystemDescription, controller: Controller, seed: int
    ) -> Estimate:
        """Cost per minute, with an interval over the copies.

        The function is fitted to the copies of one half and used on the other, and the other way.
        """
        chain = _Chain(network=network, description=description, controller=controller)
        random, present = (
            np.random.default_rng(seed),
            np.zeros((self.copies, network.chain.classes)),
        )
        for _ in range(self.warm_up):
            present = chain.step(present, random)
        basis = QueueBasis(usual=np.maximum(present.mean(axis=0), 1.0))
        sums = _Sums.empty(self.copies, basis(present[:1]).shape[1])
        costs = np.array(network.chain.holding_costs)
        for number in range(self.events):
            present = chain.step(present, random)
            if number % _EVERY == 0:
                sums.add(basis(present), chain.drift(present, basis), present @ costs)
        return mean_interval(sums.controlled())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Means over time, of each copy or of each half of the copies."""

    cost: Float[np.ndarray, "copy"]
    drift: Float[np.ndarray, "copy feature"]
    matrix: Float[np.ndarray, "half feature feature"]
    right: Float[np.ndarray, "half feature"]
    widths: Float[np.ndarray, "two feature"]
    count: list[int]

    @classmethod
    def empty(cls, copies: int, features: int) -> _Sums:
        return cls(
            cost=np.zeros(copies),
            drift=np.zeros((copies, features)),
            matrix=np.zeros((2, features, features)),
            right=np.zeros((2, features)),
            widths=np.zeros((2, features)),
            count=[0],
        )

    def add(
        self,
        now: Float[np.ndarray, "copy feature"],
        drift: Float[np.ndarray, "copy feature"],
        cost: Float[np.ndarray, "copy"],
    ) -> None:
        # A constant has no drift: its place is taken by the average cost.
        change = drift.copy()
        change[:, 0] = -1.0
        for half, rows in enumerate((slice(0, None, 2), slice(1, None, 2))):
            self.matrix[half] += now[rows].T @ change[rows]
            self.right[half] += now[rows].T @ cost[rows]
        self.widths[0] += (now**2).sum(axis=0)
        self.widths[1] += (change**2).sum(axis=0)
        self.cost[:] += cost
        self.drift[:] += drift
        self.count[0] += 1

    def controlled(self) -> Float[np.ndarray, "copy"]:
        """Average cost of each copy less what the function explains."""
        left, width = 1.0 / np.sqrt(np.maximum(self.widths, 1e-12))
        means = self.cost.copy()
        for half, rows in enumerate((slice(1, None, 2), slice(0, None, 2))):
            matrix = left[:, None] * self.matrix[half] * width
            solved = np.linalg.lstsq(matrix, -left * self.right[half], rcond=1e-10)[0]
            means[rows] += self.drift[rows, 1:] @ (width * solved)[1:]
        return np.asarray(means / self.count[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chain:
    network: Network
    description: SystemDescription
    controller: Controller

    @property
    def chain(self) -> MarkovNetwork:
        return self.network.chain

    def served(self, present: Float[np.ndarray, "copy kind"]) -> Int[np.ndarray, "copy server"]:
        numbers = present.astype(int)
        choices = self.controller.decide(states_of(self.description, numbers))
        return self.network.served(numbers, choices)

    def moves(
        self, present: Float[np.ndarray, "copy kind"]
    ) -> list[tuple[float, Bool[np.ndarray, "copy"], Float[np.ndarray, "kind"]]]:
        """Each event as its rate, where it may happen, and what it changes."""
        served, unit = self.served(present), np.eye(self.chain.classes)
        found = [
            (rate, np.ones(len(present), dtype=bool), unit[kind])
            for kind, rate in enumerate(self.chain.arrival_rates)
            if rate > 0
        ]
        for activity in self.chain.activities:
            here = served[:, activity.server] == activity.customer_class
            for entered, probability in activity.destinations:
                change = -unit[activity.customer_class]
                if entered is not None:
                    change = change + unit[entered]
                found.append((activity.rate * probability, here, change))
        return found

    def step(
        self, present: Float[np.ndarray, "copy kind"], random: np.random.Generator
    ) -> Float[np.ndarray, "copy kind"]:
        """One potential event; where it is none that may happen, nothing does."""
        moves = self.moves(present)
        rates = np.array([rate for rate, _, _ in moves])
        which = np.searchsorted(np.cumsum(rates), random.random(len(present)) * rates.sum())
        which = np.minimum(which, len(moves) - 1)
        happens = np.stack([here for _, here, _ in moves], axis=1)[np.arange(len(present)), which]
        changes = np.stack([change for _, _, change in moves])[which]
        return np.asarray(present + changes * happens[:, None])

    def drift(
        self, present: Float[np.ndarray, "copy kind"], basis: QueueBasis
    ) -> Float[np.ndarray, "copy feature"]:
        """Mean change of the features per minute."""
        now = basis(present)
        total = np.zeros_like(now)
        for rate, here, change in self.moves(present):
            after = basis(np.maximum(present + change, 0.0))
            total += rate * here[:, None] * (after - now)
        return total
