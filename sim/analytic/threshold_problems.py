"""Two problems whose best policy is a threshold: admission, and when to use a slow server.

Their thresholds can also be tried one by one in closed form, which value iteration must meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import ceil, log

import numpy as np
from jaxtyping import Bool, Float
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import spsolve

from sim.analytic.birth_death import birth_and_death
from sim.analytic.stability import refuse_if_negative, refuse_overload, refuse_unless_positive
from sim.analytic.value_iteration import relative_value_iteration
from sim.errors import InvalidSystem

_MOST_SWEEPS = 1_000_000
_NEGLIGIBLE = 37.0
"""Logarithm of about 1e16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdOptimum:
    """The best average of a problem with two decisions, and where each is taken."""

    average: float
    """Per minute: a cost or a reward, as the problem says."""
    error: float
    """The optimum is no farther away than this."""
    acts: Bool[np.ndarray, "number"]
    """Whether to act (admit, dispatch) at each number of customers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionProblem:
    """Whom to admit to a queue with several agents, each worth a reward but costly to keep.

    A Poisson customer may be turned away at no cost. The averages are rewards less holding costs.
    Source: Naor (1969); Stidham (1985).
    """

    arrival_rate: float
    service_rate: float
    agents: int
    places: int
    """In service or waiting; who finds them taken is lost."""
    reward: float
    """Of each customer admitted."""
    holding_cost: float
    """Per customer in system and minute."""

    def __post_init__(self) -> None:
        refuse_unless_positive(
            arrival_rate=self.arrival_rate,
            service_rate=self.service_rate,
            agents=self.agents,
            places=self.places,
        )
        refuse_if_negative(reward=self.reward, holding_cost=self.holding_cost)

    def average_reward(self, threshold: int) -> float:
        """Reward per minute when customers are admitted below the threshold, and then no more."""
        if not 0 <= threshold <= self.places:
            raise InvalidSystem(f"threshold {threshold}: from 0 to the {self.places} places")
        present = birth_and_death(
            lambda _: self.arrival_rate,
            lambda number: min(number, self.agents) * self.service_rate,
            least=threshold,
            most=threshold,
        )
        admitted = self.arrival_rate * float(present[:-1].sum())
        return admitted * self.reward - self.holding_cost * float(np.arange(len(present)) @ present)

    def optimum(self, tolerance: float = 1e-9) -> ThresholdOptimum:
        """The best policy by value iteration, which does not know that it is a threshold."""
        rate = self.arrival_rate + self.agents * self.service_rate
        start = np.zeros(self.places + 1)
        solved = relative_value_iteration(self._drift, start, rate, tolerance, _MOST_SWEEPS)
        return ThresholdOptimum(
            average=-solved.average_cost,
            error=solved.error,
            acts=np.append(np.diff(solved.values) <= self.reward, False),
        )

    def _drift(self, values: Float[np.ndarray, "number"]) -> Float[np.ndarray, "number"]:
        """Holding cost less rewards, and the change of the values, under the best admissions."""
        numbers = np.arange(self.places + 1)
        steps = np.diff(values)
        change = self.holding_cost * numbers
        change[:-1] += self.arrival_rate * np.minimum(steps - self.reward, 0.0)
        change[1:] -= self.service_rate * np.minimum(numbers[1:], self.agents) * steps
        return change


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowServerProblem:
    """When to send a waiting customer to a slow server instead of waiting for the fast one.

    One queue; who is sent to the slow server stays there. The averages are numbers in system. The
    fast server never idles while somebody waits. Source: Lin and Kumar (1984).
    """

    arrival_rate: float
    fast_rate: float
    slow_rate: float

    def __post_init__(self) -> None:
        refuse_unless_positive(
            arrival_rate=self.arrival_rate, fast_rate=self.fast_rate, slow_rate=self.slow_rate
        )
        if self.slow_rate > self.fast_rate:
            raise InvalidSystem(f"slow_rate {self.slow_rate:g} above fast_rate {self.fast_rate:g}")
        refuse_overload(self.arrival_rate / (self.fast_rate + self.slow_rate), "both servers")

    def mean_number(self, threshold: int) -> float:
        """Mean number in system when the slow server is used above the threshold.

        That is when more than `threshold` customers, at least 1, wait or are at the fast server.
        Solves the chain's balance, cut where a state is 1e-16 times as likely as at the threshold.
        """
        if threshold < 1:
            raise InvalidSystem(f"threshold {threshold}: at least 1, who is at the fast server")
        decay = self.arrival_rate / (self.fast_rate + self.slow_rate)
        level = threshold + ceil(_NEGLIGIBLE / -log(decay))
        present = _stationary(self._rates(threshold, level))
        numbers = np.add.outer([0, 1], np.arange(level + 1)).ravel()
        return float(numbers @ present)

    def optimum(self, level: int = 200, tolerance: float = 1e-7) -> ThresholdOptimum:
        """The best dispatching by value iteration, which does not know that it is a threshold.

        `acts` says for each number who wait or are at the fast server whether to use an idle slow
        one. Takes at most `level` such customers; near it, losses distort the policy.
        """
        rate = self.arrival_rate + self.fast_rate + self.slow_rate
        start = np.zeros((2, level + 1))
        solved = relative_value_iteration(self._drift, start, rate, tolerance, _MOST_SWEEPS)
        idle, busy = solved.values
        acts = np.append(False, idle[1:] > busy[:-1])
        acts[1] = False
        return ThresholdOptimum(average=solved.average_cost, error=solved.error, acts=acts)

    def _drift(self, values: Float[np.ndarray, "2 number"]) -> Float[np.ndarray, "2 number"]:
        """Number in system and the change of the values, by whether the slow server is busy."""
        after = values.copy()
        after[0, 2:] = np.minimum(values[0, 2:], values[1, 1:-1])
        change = np.add.outer([0.0, 1.0], np.arange(values.shape[1]))
        change[:, :-1] += self.arrival_rate * (after[:, 1:] - values[:, :-1])
        change[:, 1:] += self.fast_rate * (after[:, :-1] - values[:, 1:])
        change[1] += self.slow_rate * (after[0] - values[1])
        return change

    def _rates(self, threshold: int, level: int) -> csc_array:
        """Rates from the state of each column to that of each row, an idle slow server first."""
        moves = []
        for busy, number in product((0, 1), range(level + 1)):
            here = busy, number
            if number < level:
                moves.append((here, _dispatched(busy, number + 1, threshold), self.arrival_rate))
            if number > 0:
                moves.append((here, _dispatched(busy, number - 1, threshold), self.fast_rate))
            if busy:
                moves.append((here, _dispatched(0, number, threshold), self.slow_rate))
        before, after, rates = zip(*moves, strict=True)
        shape = (2, level + 1)
        places = [np.ravel_multi_index(np.transpose(states), shape) for states in (after, before)]
        return csc_array((rates, tuple(places)), shape=(2 * level + 2,) * 2)


def _dispatched(busy: int, number: int, threshold: int) -> tuple[int, int]:
    """The state after a customer, if the policy says so, has gone to the slow server."""
    return (1, number - 1) if not busy and number > threshold else (busy, number)


def _stationary(rates: csc_array) -> Float[np.ndarray, "state"]:
    """Solve the balance of a chain that always returns to its first state."""
    balance = csc_array(rates - diags_array(rates.sum(axis=0)))
    weights = np.append(1.0, spsolve(balance[1:, 1:], -balance[1:, [0]].toarray().ravel()))
    return np.asarray(weights / weights.sum())
