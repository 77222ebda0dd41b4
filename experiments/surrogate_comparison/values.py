"""What policies cost per minute, on the simulator and on a surrogate, and how alike they rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import kendalltau

from envs.objective import Objective
from experiments.surrogate_comparison.policies import Decide
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.interface import Surrogate

_RESAMPLES = 400


def simulated_values(
    simulator: Simulator, objective: Objective, policies: Sequence[Decide], seeds: Sequence[int]
) -> Float[np.ndarray, "policy"]:
    """Cost per minute of each policy at nominal parameters, every one on the same seeds."""
    return np.array([_simulated(simulator, objective, decide, seeds) for decide in policies])


def _simulated(
    simulator: Simulator, objective: Objective, decide: Decide, seeds: Sequence[int]
) -> float:
    cost = minutes = 0.0
    for seed in seeds:
        state, is_last = simulator.reset(seed), False
        while not is_last:
            epoch = simulator.advance(decide(state[None])[0])
            state, is_last = epoch.state, epoch.is_last
            last = np.array([is_last])
            cost += float(objective.cost(epoch.outputs[None], state[None], last)[0])
            minutes += epoch.duration
    return cost / minutes


def sampled_values(
    surrogate: Surrogate,
    objective: Objective,
    policies: Sequence[Decide],
    episodes: int,
    random: np.random.Generator,
) -> Float[np.ndarray, "policy"]:
    """The same on a surrogate, all policies side by side; opening states are drawn."""
    description, openings = surrogate.description, surrogate.openings
    opened = openings[random.integers(len(openings), size=episodes)]
    states = np.tile(opened, (len(policies), 1))
    parameters = np.tile(description.nominal, (len(states), 1))
    cost, minutes = np.zeros(len(states)), np.zeros(len(states))
    for number in range(description.epochs):
        parts = np.split(states, len(policies))
        decisions = np.concatenate(
            [decide(part) for decide, part in zip(policies, parts, strict=True)]
        )
        epochs = surrogate.sample(states, decisions, parameters, random)
        is_last = np.full(len(states), number == description.epochs - 1)
        cost += objective.cost(epochs.outputs, epochs.state, is_last)
        minutes += epochs.duration
        states = epochs.state
    total = cost.reshape(len(policies), episodes).sum(axis=1)
    result: Float[np.ndarray, "policy"] = total / minutes.reshape(len(policies), episodes).sum(
        axis=1
    )
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Kendall's tau-b of two lists of policy values, with a bootstrap interval over policies."""

    tau: float
    low: float
    high: float


def rank(
    values_true: Float[np.ndarray, "policy"], values_surrogate: Float[np.ndarray, "policy"]
) -> Rank:
    """How alike two worlds rank policies: 1 in the same order, 0 where one tells nothing."""
    random = stream(0, "resamples")
    count = len(values_true)
    drawn = [random.integers(count, size=count) for _ in range(_RESAMPLES)]
    taus = [_tau(values_true[rows], values_surrogate[rows]) for rows in drawn]
    low, high = np.quantile(taus, [0.025, 0.975])
    return Rank(tau=_tau(values_true, values_surrogate), low=float(low), high=float(high))


def _tau(left: Float[np.ndarray, "policy"], right: Float[np.ndarray, "policy"]) -> float:
    tau = float(kendalltau(left, right).statistic)
    return 0.0 if np.isnan(tau) else tau
