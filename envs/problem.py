"""The decision problem: a world, an objective and an observation, stepped in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from envs.objective import Objective
from envs.observation import Viewpoint
from envs.world import World

BuildWorld = Callable[[int], World]
"""Makes a world with the given number of copies; must be picklable to train in other processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Everything but the world's copies; builds the same problem over either world."""

    build_world: BuildWorld
    objective: Objective
    observation: Viewpoint
    cost_unit: float = 1000.0
    """Rewards are minus the cost in these units, so that a network sees numbers near 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One batched step, before any automatic reset."""

    states: Float[np.ndarray, "batch state"]
    rewards: Float[np.ndarray, "batch"]
    costs: Float[np.ndarray, "batch"]
    is_last: Bool[np.ndarray, "batch"]


class Rollouts:
    """Copies of a problem in progress; the environments are thin doors to it."""

    def __init__(self, problem: Problem, copies: int) -> None:
        self.problem = problem
        self.world = problem.build_world(copies)
        self.copies = copies
        self.decisions = self.world.description.decisions
        self.states = np.zeros((copies, len(self.world.description.state_names)))

    def begin(self, rows: Int[np.ndarray, "rows"], random: np.random.Generator) -> None:
        """Start new episodes in the given rows."""
        self.states[rows] = self.world.begin(rows, random)

    def step(self, choices: Int[np.ndarray, "batch"], random: np.random.Generator) -> Step:
        """Apply joint choices by number and account for what happened."""
        answers = self.world.advance(self.decisions[choices], random)
        costs = self.problem.objective.cost(answers.outputs, answers.state, answers.is_last)
        self.states = answers.state.copy()
        return Step(
            states=answers.state,
            rewards=-costs / self.problem.cost_unit,
            costs=costs,
            is_last=answers.is_last,
        )
