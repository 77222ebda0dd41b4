"""Policies of a Markov network: what each server does in each state, and rules that make one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int8

from sim.analytic.markov_network import Activity, Assignment, MarkovNetwork
from sim.analytic.truncation import TruncatedNetwork

Values = Float[np.ndarray, "..."]
Policy = Int8[np.ndarray, "server ..."]
"""The class that each server serves, -1 for none; by server, then by the number of each class."""
IDLE = -1
_TIE = 1e-9
"""Weights nearer than this differ only by rounding."""


def c_mu_policy(network: MarkovNetwork, levels: Sequence[int]) -> Policy:
    """Each server serves what saves most holding cost per minute, whatever the numbers.

    Optimal for one server; with several it may starve one of them and be unstable.
    """
    costs = network.holding_costs
    grid = TruncatedNetwork(network, levels)
    return best_policy(grid, lambda a: np.full(grid.shape, costs[a.customer_class] * a.rate))


def max_weight_policy(network: MarkovNetwork, levels: Sequence[int]) -> Policy:
    """Each server serves the greatest product of holding cost, number present and rate.

    Stable whenever any policy is in networks of one step. It never idles when it can serve.
    """
    grid = TruncatedNetwork(network, levels)
    return best_policy(grid, lambda a: _pressure(grid, a.customer_class) * a.rate)


def max_pressure_policy(network: MarkovNetwork, levels: Sequence[int]) -> Policy:
    """As MaxWeight, less the weighted numbers of the classes that customers would enter.

    A server idles rather than add to a longer queue. Stable whenever any policy is (Dai and Lin
    2005); the same as MaxWeight where every customer leaves after one service.
    """
    grid = TruncatedNetwork(network, levels)

    def weight(activity: Activity) -> Values:
        ahead = [p * _pressure(grid, entered) for entered, p in activity.routes]
        return activity.rate * (_pressure(grid, activity.customer_class) - sum(ahead, 0.0))

    return best_policy(grid, weight)


def best_policy(grid: TruncatedNetwork, weight: Callable[[Activity], Values]) -> Policy:
    """The policy that does, in each state, what has the greatest sum of weights.

    Only what the customers present allow; idling weighs 0. Of equals it takes the one with the
    greatest sum of holding cost times rate.
    """
    network = grid.network
    policy = np.full((network.servers, *grid.shape), IDLE, dtype=np.int8)
    for crew in network.crews():
        greatest = np.full(grid.shape, -np.inf)
        for doing in _by_urgency(network, crew):
            total = sum((weight(activity) for activity in doing), np.zeros(grid.shape))
            better = grid.can_do(doing) & (total > greatest + _TIE)
            greatest[better] = total[better]
            _assign(policy, crew, doing, better)
    return policy


def greedy_policy(grid: TruncatedNetwork, values: Values) -> Policy:
    """The policy that is best against a function of the state, such as the relative values."""
    gains = grid.gains(values)
    return best_policy(grid, lambda activity: -gains[activity])


def _pressure(grid: TruncatedNetwork, kind: int) -> Values:
    """Holding cost times number present, in every state."""
    pressure = grid.network.holding_costs[kind] * grid.numbers[kind]
    return np.broadcast_to(np.asarray(pressure, dtype=float), grid.shape)


def _by_urgency(network: MarkovNetwork, crew: tuple[int, ...]) -> list[Assignment]:
    """What a crew can do, the greatest holding cost times rate first, and idling last."""
    costs = network.holding_costs

    def urgency(doing: Assignment) -> tuple[float, int]:
        return sum((costs[a.customer_class] * a.rate for a in doing), 0.0), len(doing)

    return sorted(network.assignments(crew), key=urgency, reverse=True)


def _assign(
    policy: Policy, crew: tuple[int, ...], doing: Assignment, where: Bool[np.ndarray, "..."]
) -> None:
    for server in crew:
        policy[server][where] = IDLE
    for activity in doing:
        policy[activity.server][where] = activity.customer_class
