"""One copy of a decision problem as a gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from jaxtyping import Float32

from envs.problem import Problem, Rollouts
from sim.streams import stream

_ONE = np.zeros(1, dtype=int)


class Environment(gymnasium.Env[Float32[np.ndarray, "observation"], np.int64]):
    """A `gymnasium.Env` over the true simulator or a surrogate; `info` has the cost in money."""

    def __init__(self, problem: Problem) -> None:
        self._rollouts = Rollouts(problem, 1)
        self.action_space = gymnasium.spaces.Discrete(len(self._rollouts.decisions))
        self.observation_space = observation_space(problem)
        self._random = stream(0, "environment")

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float32[np.ndarray, "observation"], dict[str, Any]]:
        """Begin an episode; the same seed begins the same one."""
        super().reset(seed=seed)
        if seed is not None:
            self._random = stream(seed, "environment")
        self._rollouts.begin(_ONE, self._random)
        return self._observe(), {}

    def step(
        self, action: np.int64
    ) -> tuple[Float32[np.ndarray, "observation"], float, bool, bool, dict[str, Any]]:
        """Apply a joint choice for one epoch."""
        step = self._rollouts.step(np.array([action]), self._random)
        info = {"cost": float(step.costs[0])}
        return self._observe(), float(step.rewards[0]), bool(step.is_last[0]), False, info

    def _observe(self) -> Float32[np.ndarray, "observation"]:
        seen: Float32[np.ndarray, "observation"] = self._rollouts.problem.observation(
            self._rollouts.states
        )[0]
        return seen


def observation_space(problem: Problem) -> gymnasium.spaces.Box:
    """Unbounded, one number for each observed name."""
    shape = (len(problem.observation.names),)
    return gymnasium.spaces.Box(-np.inf, np.inf, shape=shape, dtype=np.float32)
