"""Many copies of a decision problem as one natively batched gymnasium environment."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from jaxtyping import Bool, Float, Float32, Int

from envs.environment import observation_space
from envs.problem import Problem, Rollouts
from sim.streams import stream

Observations = Float32[np.ndarray, "batch observation"]


class VectorEnvironment(VectorEnv[Observations, Int[np.ndarray, "batch"], Any]):
    """A `gymnasium.vector.VectorEnv` in SAME_STEP mode.

    A row whose episode ends is begun again in the same step; its last observation is in
    `infos["final_obs"]`, where `infos["_final_obs"]` is true.
    """

    def __init__(self, problem: Problem, num_envs: int) -> None:
        self._rollouts = Rollouts(problem, num_envs)
        self._random = stream(0, "environment")
        self.num_envs = num_envs
        self.metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}
        self.single_action_space = gymnasium.spaces.Discrete(len(self._rollouts.decisions))
        self.single_observation_space = observation_space(problem)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observations, dict[str, Any]]:
        """Begin an episode in every row; the rows share one stream made from the first seed."""
        first = seed[0] if isinstance(seed, list) else seed
        if first is not None:
            self._random = stream(first, "environment")
        self._rollouts.begin(np.arange(self.num_envs), self._random)
        return self._rollouts.problem.observation(self._rollouts.states), {}

    def step(
        self, actions: Int[np.ndarray, "batch"]
    ) -> tuple[
        Observations,
        Float[np.ndarray, "batch"],
        Bool[np.ndarray, "batch"],
        Bool[np.ndarray, "batch"],
        dict[str, Any],
    ]:
        """Apply one joint choice in each row for one epoch."""
        step = self._rollouts.step(np.asarray(actions), self._random)
        infos: dict[str, Any] = {"cost": step.costs}
        if step.is_last.any():
            final = self._rollouts.problem.observation(step.states)
            ended = np.flatnonzero(step.is_last)
            infos |= {"final_obs": final, "_final_obs": step.is_last}
            self._rollouts.begin(ended, self._random)
        seen = self._rollouts.problem.observation(self._rollouts.states)
        return seen, step.rewards, step.is_last, np.zeros(self.num_envs, dtype=bool), infos
