"""The best control of a small Markov network, exactly, so that regret can be stated.

Networks of up to two classes are solved by policy iteration with a sparse direct solution, larger
ones by value iteration. Either way the answer is certified by the bounds of value iteration, and
exact only for the network as truncated: see `truncation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.analytic.markov_network import MarkovNetwork
from sim.analytic.policies import Policy, greedy_policy, max_weight_policy
from sim.analytic.policy_chain import policy_values
from sim.analytic.truncation import TruncatedNetwork
from sim.analytic.value_iteration import (
    RelativeValues,
    bounds,
    certified,
    not_settled,
    relative_value_iteration,
    sweep,
)

Values = Float[np.ndarray, "..."]
_MOST_POLICIES = 100
"""Each improvement squares the error in the end; ten are usual."""
_SWEEPS = 100
"""Sweeps after each policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The least average holding cost of a truncated network, and a policy that attains it."""

    average_cost: float
    """Per minute."""
    error: float
    """The optimum of the truncated network is no farther away than this."""
    levels: tuple[int, ...]
    """Greatest number of each class; the network without them may cost more."""
    policy: Policy
    """The class that each server serves, -1 for none, by server and then state."""
    relative_values: Values
    """How much more each state costs, in the long run, than to begin empty."""
    sweeps: int
    """Sweeps over the grid that it took."""


def find_optimum(
    network: MarkovNetwork,
    levels: Sequence[int],
    *,
    tolerance: float = 1e-5,
    most_sweeps: int = 200_000,
) -> Optimum:
    """Solve the network with at most `levels` customers of each class, within the tolerance.

    Time grows with the product of the levels and steeply with the load. Raises InvalidSystem when
    `most_sweeps` do not reach the tolerance.
    """
    grid = TruncatedNetwork(network, levels)
    method = _by_policies if network.classes <= 2 else _by_values
    solved = method(grid, tolerance, most_sweeps)
    return Optimum(
        average_cost=solved.average_cost,
        error=solved.error,
        levels=grid.levels,
        policy=greedy_policy(grid, solved.values),
        relative_values=solved.values,
        sweeps=solved.sweeps,
    )


def evaluate(
    network: MarkovNetwork,
    policy: Policy,
    *,
    tolerance: float = 1e-5,
    most_sweeps: int = 200_000,
) -> float:
    """Average holding cost per minute of a policy, on the grid whose levels its shape has.

    An unstable policy has a finite cost on every grid, which grows with the levels. Raises
    InvalidSystem for a policy that does not fit the network.
    """
    grid = TruncatedNetwork(network, [size - 1 for size in policy.shape[1:]])
    return policy_values(grid, policy, tolerance, most_sweeps).average_cost


def _by_values(grid: TruncatedNetwork, tolerance: float, most_sweeps: int) -> RelativeValues:
    start = np.zeros(grid.shape)
    return relative_value_iteration(grid.drift, start, grid.event_rate, tolerance, most_sweeps)


def _by_policies(grid: TruncatedNetwork, tolerance: float, most_sweeps: int) -> RelativeValues:
    """Improve a policy (Howard 1960) until value iteration's bounds around it meet.

    Sweeps are cheap and carry a change of policy far over the grid, so that some of them between
    two solutions save most of these.
    """
    policy = max_weight_policy(grid.network, grid.levels)
    low = high = np.nan
    for improvements in range(_MOST_POLICIES):
        values = policy_values(grid, policy, tolerance, most_sweeps).values
        change = grid.drift(values)
        low, high = bounds(change)
        if high - low <= 2 * tolerance:
            return certified(low, high, values, improvements * _SWEEPS)
        sweep(grid.drift, values, change, grid.event_rate, _SWEEPS)
        policy = greedy_policy(grid, values)
    raise not_settled(low, high, _MOST_POLICIES * _SWEEPS)
