"""The chain of a truncated network under one policy, and its exact average cost."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Integer
from scipy.sparse import csc_array, csr_array, diags_array, eye_array
from scipy.sparse.linalg import splu

from sim.analytic.policies import IDLE, Policy
from sim.analytic.truncation import TruncatedNetwork
from sim.analytic.value_iteration import (
    RelativeValues,
    bounds,
    certified,
    relative_value_iteration,
)
from sim.errors import InvalidSystem

Values = Float[np.ndarray, "..."]
States = Integer[np.ndarray, "states"]
Moves = Iterator[tuple[States, States, float]]
"""Pairs of states, numbered in C order, and the rate per minute between them."""
_FLAT = 2
"""Up to two classes a direct solution costs little; with more it fills the memory."""
_SLOWNESS = 1e-6
_MOST_STEPS = 20


def policy_values(
    grid: TruncatedNetwork, policy: Policy, tolerance: float, most_sweeps: int
) -> RelativeValues:
    """Average cost and relative values of a policy; by sweeps when there are many classes.

    Raises InvalidSystem for a policy that does not fit the network, and for one whose average cost
    depends on the state in which it begins.
    """
    rates = generator(grid, policy)
    if len(grid.shape) <= _FLAT:
        return _values_by_long_steps(grid, rates, tolerance)

    def drift(values: Values) -> Values:
        return np.asarray(grid.costs + (rates @ values.ravel()).reshape(grid.shape))

    start = np.zeros(grid.shape)
    return relative_value_iteration(drift, start, grid.event_rate, tolerance, most_sweeps)


def generator(grid: TruncatedNetwork, policy: Policy) -> csr_array:
    """Rates between states, numbered in C order."""
    _refuse(grid, policy)
    size = grid.costs.size
    sources, targets, rates = [], [], []
    for source, target, rate in [*_arrivals(grid), *_services(grid, policy)]:
        sources.append(source)
        targets.append(target)
        rates.append(np.full(len(source), rate))
    places = (np.concatenate(sources), np.concatenate(targets))
    between = csr_array((np.concatenate(rates), places), shape=(size, size))
    return csr_array(between - diags_array(between.sum(axis=1)))


def _values_by_long_steps(
    grid: TruncatedNetwork, rates: csr_array, tolerance: float
) -> RelativeValues:
    """Value iteration in implicit steps of a million events, each a sparse solution.

    The matrix is diagonally dominant whatever the policy, so that no pivoting is needed and a
    symmetric ordering keeps it sparse. Two or three steps are enough unless the chain falls into
    parts.
    """
    slowness = _SLOWNESS * grid.event_rate
    implicit = csc_array(slowness * eye_array(grid.costs.size) - rates)
    options = {"SymmetricMode": True}
    factors = splu(implicit, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options)
    values, change = np.zeros(grid.costs.size), grid.costs.ravel()
    low = high = np.nan
    for step in range(_MOST_STEPS):
        values = values + factors.solve(change - change.mean())
        values -= values[0]
        change = grid.costs.ravel() + rates @ values
        low, high = bounds(change)
        if high - low <= 2 * tolerance:
            return certified(low, high, values.reshape(grid.shape), step + 1)
    raise InvalidSystem(
        f"the policy's average cost depends on where it begins, from {low:.6g} to {high:.6g}: "
        "let it idle less"
    )


def _arrivals(grid: TruncatedNetwork) -> Moves:
    states, numbers, strides = _numbered(grid)
    for kind, rate in enumerate(grid.network.arrival_rates):
        if rate > 0:
            taken = states[numbers[kind] < grid.levels[kind]]
            yield taken, taken + strides[kind], rate


def _services(grid: TruncatedNetwork, policy: Policy) -> Moves:
    states, _, strides = _numbered(grid)
    for activity in grid.network.activities:
        kind = activity.customer_class
        chosen = (policy[activity.server] == kind) & grid.can_do((activity,))
        served = states[chosen.ravel()]
        left = served - strides[kind]
        for entered, probability in activity.destinations:
            reached = left if entered is None else left + strides[entered]
            yield served, reached, activity.rate * probability


def _numbered(
    grid: TruncatedNetwork,
) -> tuple[States, tuple[Integer[np.ndarray, "states"], ...], list[int]]:
    """States in C order, the number of each class in them, and how far apart one more takes it."""
    states = np.arange(grid.costs.size)
    numbers = np.unravel_index(states, grid.shape)
    strides = [int(np.prod(grid.shape[kind + 1 :])) for kind in range(len(grid.shape))]
    return states, numbers, strides


def _refuse(grid: TruncatedNetwork, policy: Policy) -> None:
    """Raise InvalidSystem for what the network cannot do, with the state where it is asked."""
    expected = (grid.network.servers, *grid.shape)
    if policy.shape != expected:
        raise InvalidSystem(
            f"a policy of shape {policy.shape}: the network and levels take {expected}"
        )
    known = {(a.server, a.customer_class) for a in grid.network.activities}
    for server, choice in enumerate(policy):
        for kind in np.unique(choice).tolist():
            if kind != IDLE and (server, kind) not in known:
                raise InvalidSystem(
                    f"the policy sends server {server} to class {kind}: no activity"
                )
    for kind, present in enumerate(grid.numbers):
        crowded = (policy == kind).sum(axis=0) > present
        if crowded.any():
            state = tuple(int(i) for i in np.argwhere(crowded)[0])
            raise InvalidSystem(
                f"in state {state} the policy sends more servers to class {kind} than customers"
            )
