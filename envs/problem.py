"""The decision problem: a world, an objective and an observation, stepped in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from envs.actions import ActionForm, find_actions
from envs.caution import Caution, NoCaution
from envs.masks import Mask, find_mask
from envs.objective import Objective
from envs.observation import Viewpoint
from envs.preferences import Preferences
from envs.world import World
from sim.errors import InvalidSystem

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
    history: int = 1
    """Epochs that are seen at once, for learners without a memory: the last so many."""
    actions: ActionForm = "joint"
    """What an action is: a joint choice, a level for each lever, or numbers from -1 to 1."""
    mask: Mask | None = None
    """Which joint choices `infos["action_mask"]` allows; nobody is told where it is None."""
    preferences: Preferences | None = None
    """Where given, objectives are drawn for each episode; `objective` is then not asked."""
    caution: Caution = field(default_factory=NoCaution)
    """What is taken off the rewards, and what is cut short, where answers are not to be trusted."""

    def __post_init__(self) -> None:
        if self.history < 1:
            raise InvalidSystem(f"a history of {self.history} epochs: at least 1, the present one")
        if not (np.isfinite(self.cost_unit) and self.cost_unit > 0):
            raise InvalidSystem(f"a cost unit of {self.cost_unit}: give a number above 0")
        if self.mask is not None:
            find_mask(self.mask)
        find_actions(self.actions)
        if self.mask is not None and self.actions != "joint":
            raise InvalidSystem(
                f"mask {self.mask!r} tells of joint choices and actions are {self.actions!r}: "
                "leave out the mask, or choose jointly"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One batched step, before any automatic reset; a row for each row that was stepped."""

    states: Float[np.ndarray, "batch state"]
    rewards: Float[np.ndarray, "batch"]
    costs: Float[np.ndarray, "batch"]
    durations: Float[np.ndarray, "batch"]
    """Minutes."""
    penalties: Float[np.ndarray, "batch"]
    is_last: Bool[np.ndarray, "batch"]
    """Whether the episode came to its end."""
    is_cut: Bool[np.ndarray, "batch"]
    """Whether it was cut short before that."""


class Rollouts:
    """Copies of a problem in progress; the environments are thin doors to it."""

    def __init__(self, problem: Problem, copies: int) -> None:
        self.problem = problem
        self.world = problem.build_world(copies)
        self.copies = copies
        self.actions = find_actions(problem.actions)(self.world.description)
        self.states = np.zeros((copies, len(self.world.description.state_names)))
        self.numbers = np.tile((problem.preferences or problem).objective.numbers, (copies, 1))
        """Numbers of each episode's objective."""

    def begin(self, rows: Int[np.ndarray, "rows"], random: np.random.Generator) -> None:
        """Start new episodes in the given rows."""
        # Whoever was given the states keeps them as they were.
        self.states = self.states.copy(order="K")
        self.states[rows] = self.world.begin(rows, random)
        if self.problem.preferences is not None:
            self.numbers[rows] = self.problem.preferences.draw(len(rows), random)

    def step(
        self,
        actions: Shaped[np.ndarray, "rows *action"],
        random: np.random.Generator,
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Step:
        """Take the problem's actions, in every row or the given ones, and account for them."""
        decisions = self.actions.levels(actions)
        chosen = slice(None) if rows is None else rows
        judged = self.problem.caution.judge(
            self.states[chosen], decisions, self.world.parameters[chosen]
        )
        answers = self.world.advance(decisions, random, rows)
        costs = self._cost(chosen, answers.outputs, answers.state, answers.is_last)
        if rows is None:
            self.states = answers.state
        else:
            self.states = self.states.copy(order="K")
            self.states[rows] = answers.state
        return Step(
            states=answers.state,
            rewards=-costs / self.problem.cost_unit - judged.penalties,
            costs=costs,
            durations=answers.duration,
            penalties=judged.penalties,
            is_last=answers.is_last,
            is_cut=judged.stops & ~answers.is_last,
        )

    def facts(self, step: Step) -> dict[str, Float[np.ndarray, "batch"]]:
        """What environments tell of a step beside its reward."""
        told = {"cost": step.costs, "duration": step.durations}
        if not isinstance(self.problem.caution, NoCaution):
            told["penalty"] = step.penalties
        return told

    def _cost(
        self,
        chosen: slice | Int[np.ndarray, "rows"],
        outputs: Float[np.ndarray, "rows output"],
        states: Float[np.ndarray, "rows state"],
        is_last: Bool[np.ndarray, "rows"],
    ) -> Float[np.ndarray, "rows"]:
        preferences = self.problem.preferences
        if preferences is None:
            return self.problem.objective.cost(outputs, states, is_last)
        return preferences.objective.cost(outputs, states, is_last, self.numbers[chosen])
