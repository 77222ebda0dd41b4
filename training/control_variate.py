"""The long-run cost of a rule as a function of the state, and what a decision does to it.

Least-squares temporal differences (Bradtke and Barto 1996; Boyan 2002) fit the cost to come under
a rule on a basis for queueing networks: quadratics, as fluid limits have (Chen and Meyn 1999), and
terms that fade as a class grows, for servers that run dry. As a fitted race knows the mean of what
comes next, the change of that function can be taken into the reward exactly. It adds up to nothing
over time whatever the policy, so it moves no optimum; but most of what is random in the costs to
come leaves the advantages. This is the martingale control variate of Henderson and Glynn (2002),
used with PPO by Dai and Gluzman (2022); as a shaping of the reward (Ng, Harada and Russell 1999) it
needs no other learner.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from envs.caution import Judgement
from envs.endless import EndlessWorld, lasting
from envs.objective import Objective
from envs.observation import Viewpoint
from envs.problem import Problem
from surrogates.interface import Surrogate
from training.foresight import Foresight
from training.heuristics import Controller

_SINGULAR = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """How much less what comes later counts, by minutes."""

    discount: float = 0.99
    minutes: float
    """For which the discount counts."""

    def over(self, minutes: Float[np.ndarray, "batch"]) -> Float[np.ndarray, "batch"]:
        """Weight of what follows so many minutes."""
        return np.asarray(self.discount ** (minutes / self.minutes))


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueBasis:
    """Functions of the numbers present: a constant, quadratics, and terms for short queues."""

    usual: Float[np.ndarray, "kind"]
    """Numbers are of these units."""
    fades: tuple[float, ...] = (1.5, 5.0)
    """Customers over which what a dry server means fades."""

    def __call__(
        self, present: Float[np.ndarray, "batch kind"]
    ) -> Float[np.ndarray, "batch feature"]:
        """Each function of each row; the first is the constant."""
        share = present / self.usual
        upper = np.triu_indices(share.shape[1])
        parts = [np.ones((len(share), 1)), share, share[:, upper[0]] * share[:, upper[1]]]
        for fade in self.fades:
            dry = np.exp(-present / fade)
            beside = (dry[:, :, None] * share[:, None, :]).reshape(len(share), -1)
            parts += [dry, beside, dry[:, upper[0]] * dry[:, upper[1]]]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostToCome:
    """Discounted cost to come by the numbers present, on a basis."""

    basis: QueueBasis
    weights: Float[np.ndarray, "feature"]

    def __call__(self, present: Float[np.ndarray, "batch kind"]) -> Float[np.ndarray, "batch"]:
        """Of each row."""
        return np.asarray(self.basis(present) @ self.weights)


def settled_states(
    surrogate: Surrogate,
    controller: Controller,
    openings: Float[np.ndarray, "opening state"],
    random: np.random.Generator,
    *,
    copies: int,
    steps: int,
) -> Float[np.ndarray, "copy state"]:
    """Where a controller has taken copies of the surrogate after so many epochs."""
    description = surrogate.description
    states = openings[random.integers(len(openings), size=copies)]
    parameters = np.tile(description.nominal, (copies, 1))
    for _ in range(steps):
        decisions = description.decisions[controller.decide(states)]
        states = surrogate.sample(states, decisions, parameters, random).state
    return states


def fit_cost_to_come(
    foresight: Foresight,
    controller: Controller,
    objective: Objective,
    horizon: Horizon,
    openings: Float[np.ndarray, "opening state"],
    random: np.random.Generator,
    *,
    fades: tuple[float, ...] | None = None,
    copies: int = 512,
    steps: int = 400,
) -> CostToCome:
    """Least-squares temporal differences along runs of the controller on the surrogate.

    Expected features stand in for sampled ones, and mean durations for drawn ones, so that half of
    the usual noise is missing.
    """
    description, law = foresight.description, foresight.law
    states = openings[random.integers(len(openings), size=copies)]
    parameters = np.tile(description.nominal, (copies, 1))
    basis = QueueBasis(usual=np.maximum(foresight.present(openings).mean(axis=0), 1.0))
    if fades is not None:
        basis = replace(basis, fades=fades)
    seen, changes, paid = [], [], []
    for _ in range(steps):
        decisions = description.decisions[controller.decide(states)]
        ahead = foresight.look(states, decisions, parameters, basis)
        seen.append(basis(ahead.present))
        changes.append(seen[-1] - horizon.over(ahead.minutes)[:, None] * ahead.after)
        epochs = law.sample(states, decisions, parameters, random)
        outputs = lasting(description, epochs.outputs, epochs.duration, ahead.minutes)
        paid.append(objective.cost(outputs, epochs.state, np.zeros(copies, dtype=bool)))
        states = epochs.state
    weights = solve_differences(np.concatenate(seen), np.concatenate(changes), np.concatenate(paid))
    return CostToCome(basis=basis, weights=weights)


def solve_differences(
    seen: Float[np.ndarray, "row feature"],
    changes: Float[np.ndarray, "row feature"],
    paid: Float[np.ndarray, "row"],
) -> Float[np.ndarray, "feature"]:
    """Weights whose `changes` account for what was paid, as seen from every feature.

    Columns are brought to one size first, for a constant changes a thousand times less than others.
    """
    left = 1.0 / np.sqrt((seen**2).mean(axis=0))
    width = 1.0 / np.sqrt(np.maximum((changes**2).mean(axis=0), np.finfo(float).tiny))
    matrix = left[:, None] * (seen.T @ changes) * width / len(seen)
    right = left * (seen.T @ paid) / len(seen)
    solved, *_ = np.linalg.lstsq(matrix, right, rcond=_SINGULAR)
    return np.asarray(width * solved)


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """Takes the mean change of a cost to come off the reward; cuts where too many are present."""

    foresight: Foresight
    cost_to_come: CostToCome
    horizon: Horizon
    cost_unit: float
    """Of the problem's rewards."""
    most: float
    """Customers in all beyond which an episode is cut short."""

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """A penalty for each row, less than usual where the decision improves on the rule."""
        ahead = self.foresight.look(states, decisions, parameters, self.cost_to_come.basis)
        later = self.horizon.over(ahead.minutes) * (ahead.after @ self.cost_to_come.weights)
        penalties = (later - self.cost_to_come(ahead.present)) / self.cost_unit
        return Judgement(penalties=penalties, stops=ahead.present.sum(axis=1) > self.most)


def endless_problem(
    surrogate: Surrogate,
    rule: Controller,
    objective: Objective,
    observation: Viewpoint,
    horizon: Horizon,
    openings: Float[np.ndarray, "opening state"],
    random: np.random.Generator,
    *,
    cost_unit: float,
    fades: tuple[float, ...] | None = None,
    most: float = 1000.0,
    warm_up: int = 1500,
) -> Problem:
    """The long-run problem of a network on its fitted race, with what a rule costs as the measure.

    Copies begin where the rule takes the system, never end, pay mean durations, and are rewarded by
    how much better they do than the rule is fitted to do.
    """
    foresight = Foresight.of(surrogate)
    settled = settled_states(surrogate, rule, openings, random, copies=512, steps=warm_up)
    cost_to_come = fit_cost_to_come(
        foresight, rule, objective, horizon, settled, random, fades=fades
    )
    return Problem(
        build_world=lambda copies: EndlessWorld(surrogate, copies, settled, foresight.minutes),
        objective=objective,
        observation=observation,
        cost_unit=cost_unit,
        caution=Foreseen(
            foresight=foresight,
            cost_to_come=cost_to_come,
            horizon=horizon,
            cost_unit=cost_unit,
            most=most,
        ),
    )
