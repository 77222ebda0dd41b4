"""The way out to RLlib's own algorithms: the same settings, on environments one by one."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.tune.registry import register_env

from training.rllib.batched_runner import (
    MAKE_ENV,
    MASK,
    UnsupportedEnvironment,
    check_environment,
    final_observations,
)

ENVIRONMENT = "surrogym-one-by-one"
_KEPT = ("algo_class", "env_runner_cls", "gym_env_vectorize_mode", "_is_frozen")
"""What is not taken over, because it is what makes an algorithm lean, or RLlib's own affair."""

S = TypeVar("S", bound=AlgorithmConfig)


class OneByOne(gym.Env[Any, Any]):
    """A batch of one as a plain environment, which RLlib's own runner can step.

    Raises UnsupportedEnvironment where decisions are masked, which RLlib's networks cannot obey.
    """

    def __init__(self, make_env: Callable[[int], VectorEnv[Any, Any, Any]]) -> None:
        """Build the batch."""
        self._batch = make_env(1)
        check_environment(self._batch, 1)
        self.observation_space = self._batch.single_observation_space
        self.action_space = self._batch.single_action_space
        self._begun: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The episode that the batch began by itself when the last one ended, else a new one."""
        begun, self._begun = self._begun, None
        if begun is None or seed is not None:
            observations, infos = self._batch.reset(seed=seed, options=options)
            _refuse_mask(infos)
            begun = observations[0]
        return begun.astype(np.float32), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step of the batch."""
        observations, rewards, terminated, truncated, infos = self._batch.step(np.array([action]))
        _refuse_mask(infos)
        seen, ended = observations[0], np.asarray(terminated | truncated)
        self._begun = None
        if ended[0]:
            self._begun, seen = seen, final_observations(infos, ended)[0]
        return (
            seen.astype(np.float32), float(rewards[0]), bool(terminated[0]), bool(truncated[0]), {}
        )  # fmt: skip

    def close(self) -> None:
        """Close the batch."""
        self._batch.close()


def own_config(config: Any, stock: S) -> S:
    """`stock` with all that another config says and both know, on its environments one by one."""
    for name in vars(stock).keys() - set(_KEPT):
        setattr(stock, name, copy(getattr(config, name)))
    make_env = stock.env_config.get(MAKE_ENV)
    if make_env is not None:
        register_env(ENVIRONMENT, lambda told: OneByOne(told[MAKE_ENV]))
        stock.environment(ENVIRONMENT, env_config={MAKE_ENV: make_env})
    return stock


def _refuse_mask(infos: dict[str, Any]) -> None:
    if MASK in infos:
        raise UnsupportedEnvironment(
            f"infos[{MASK!r}] forbids decisions, which RLlib's own networks would take: use a "
            "lean algorithm without connectors or an LSTM"
        )
