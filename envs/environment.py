"""One copy of a decision problem as a gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped

from envs.actions import choices_in, refuse_misshapen
from envs.masks import find_mask
from envs.problem import Problem, Rollouts
from envs.sight import Sight, observation_space
from sim.errors import InvalidDecision
from sim.streams import stream

_ONE = np.zeros(1, dtype=int)


Action = np.integer[Any] | int | Shaped[np.ndarray, "lever"]


class Environment(gymnasium.Env[Float32[np.ndarray, "observation"], Action]):
    """A `gymnasium.Env` over the true simulator or a surrogate.

    `info` has the epoch's `cost` in money and its `duration` in minutes, so that a semi-Markov
    learner can discount by time; the `penalty` on the reward where the problem has a caution; and
    the `action_mask` where it has a mask.
    """

    def __init__(self, problem: Problem) -> None:
        self._rollouts = Rollouts(problem, 1)
        self._sight = Sight(self._rollouts)
        self.metadata = {"render_modes": []}
        self.action_space = self._rollouts.actions.space
        self.observation_space = observation_space(problem)
        self._random = stream(0, "environment")
        self._has_ended = True

    @property
    def states(self) -> Float[np.ndarray, "state"]:
        """The state now, for rules that decide from it and people who watch."""
        now: Float[np.ndarray, "state"] = self._rollouts.states[0]
        return now

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, "observation"], dict[str, Any]]:
        """Begin an episode; the same seed begins the same one."""
        super().reset(seed=seed)
        if seed is not None:
            self._random = stream(seed, "environment")
        self._rollouts.begin(_ONE, self._random)
        self._sight.begin(_ONE)
        self._has_ended = False
        return self._sight.seen[0], self._masked({})

    def step(
        self, action: Action
    ) -> tuple[Float32[np.ndarray, "observation"], float, bool, bool, dict[str, Any]]:
        """Apply an action for one epoch.

        Raises InvalidDecision where no episode goes on, and for an action that there is not.
        """
        if self._has_ended:
            raise InvalidDecision("no episode goes on: call reset() first")
        told = np.asarray(action)
        refuse_misshapen(told, self.action_space)
        step = self._rollouts.step(told[None], self._random)
        self._sight.follow()
        is_last, is_cut = bool(step.is_last[0]), bool(step.is_cut[0])
        self._has_ended = is_last or is_cut
        info = {name: float(values[0]) for name, values in self._rollouts.facts(step).items()}
        return self._sight.seen[0], float(step.rewards[0]), is_last, is_cut, self._masked(info)

    def action_masks(self) -> Bool[np.ndarray, "choice"]:
        """Which choices the problem's mask allows now, as masking learners ask for it; else all.

        A bool for each joint choice, or for each level of one lever after another; none where
        actions are numbers.
        """
        description, mask = self._rollouts.world.description, self._rollouts.problem.mask
        if mask is None:
            return np.ones(choices_in(self.action_space), dtype=bool)
        allowed: Bool[np.ndarray, "choice"] = find_mask(mask)(description, self._rollouts.states)[0]
        return allowed

    def _masked(self, info: dict[str, Any]) -> dict[str, Any]:
        if self._rollouts.problem.mask is not None:
            info["action_mask"] = self.action_masks()
        return info
