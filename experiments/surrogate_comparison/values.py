"""What policies cost per minute, on the simulator and on a surrogate, and how alike they rank."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from envs.objective import Objective
from experiments.surrogate_comparison.policies import Decide
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.fidelity.ranking import weighted_tau
from surrogates.interface import Surrogate

_RESAMPLES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What policies cost on the simulator, all of them on the same episodes."""

    cost: Float[np.ndarray, "policy episode"]
    minutes: Float[np.ndarray, "policy episode"]

    @property
    def values(self) -> Float[np.ndarray, "policy"]:
        """Cost per minute of each policy over all episodes."""
        return self._over(slice(None))

    @property
    def tau_of_halves(self) -> float:
        """Mean tau between two random halves of the episodes: the simulator against itself."""
        random, count = stream(0, "halves"), self.cost.shape[1]
        orders = [random.permutation(count) for _ in range(_RESAMPLES)]
        halves = [(order[: count // 2], order[count // 2 :]) for order in orders]
        return float(np.mean([_tau(self._over(one), self._over(other)) for one, other in halves]))

    def _over(self, episodes: Int[np.ndarray, "chosen"] | slice) -> Float[np.ndarray, "policy"]:
        cost = self.cost[:, episodes].sum(axis=1)
        return np.asarray(cost / self.minutes[:, episodes].sum(axis=1))


def simulated_values(
    simulator: Simulator, objective: Objective, policies: Sequence[Decide], seeds: Sequence[int]
) -> Truth:
    """Costs of each policy at nominal parameters, every one on the same seeds."""
    told = np.array([[_day(simulator, objective, p, seed) for seed in seeds] for p in policies])
    return Truth(cost=told[:, :, 0], minutes=told[:, :, 1])


def _day(
    simulator: Simulator, objective: Objective, decide: Decide, seed: int
) -> tuple[float, float]:
    """Cost and minutes of one episode."""
    cost = minutes = 0.0
    state, is_last = simulator.reset(seed), False
    while not is_last:
        epoch = simulator.advance(decide(state[None])[0])
        state, is_last = epoch.state, epoch.is_last
        last = np.array([is_last])
        cost += float(objective.cost(epoch.outputs[None], state[None], last)[0])
        minutes += epoch.duration
    return cost, minutes


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
    weights = [np.bincount(rows, minlength=count).astype(float) for rows in drawn]
    taus = [weighted_tau(values_true, values_surrogate, weight) for weight in weights]
    low, high = np.quantile(taus, [0.025, 0.975])
    return Rank(tau=_tau(values_true, values_surrogate), low=float(low), high=float(high))


def _tau(left: Float[np.ndarray, "policy"], right: Float[np.ndarray, "policy"]) -> float:
    return weighted_tau(left, right, np.ones(len(left)))
