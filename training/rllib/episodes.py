"""A rollout cut into RLlib's episode objects, for algorithms that learn from those."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import gymnasium as gym
import numpy as np
from jaxtyping import Bool, Int
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_episode import SingleAgentEpisode

from training.rllib.rollout import Rollout


@dataclass(slots=True)
class EpisodeCutter:
    """Cuts rollouts at episode ends, remembering the unfinished episodes between rollouts."""

    observation_space: gym.Space[Any]
    """Space of one environment's observation."""
    action_space: gym.Space[Any]
    """Space of one environment's action."""
    _identities: list[str] = field(default_factory=list)
    _ages: list[int] = field(default_factory=list)

    def restart(self, envs: int) -> None:
        """Forget unfinished episodes: the environments were reset."""
        self._identities = [uuid4().hex for _ in range(envs)]
        self._ages = [0] * envs

    def advance(self, ended: Bool[np.ndarray, "steps envs"]) -> None:
        """Account for a rollout that nobody needs as episodes."""
        for env, start, stop, is_end in _chunks(ended):
            self._close(env, stop - start, is_end)

    def cut(
        self, rollout: Rollout, left: Int[np.ndarray, " envs"] | None = None
    ) -> list[SingleAgentEpisode]:
        """One chunk per piece of an episode; a continuation keeps its identity and its time.

        Where `left` is given, no more than so many episodes of each environment; those that end
        here are taken off it.
        """
        finals = _final_positions(rollout.ended)
        chunks = []
        for env, start, stop, is_end in _chunks(rollout.ended):
            if left is None or left[env] > 0:
                chunks.append(self._chunk(rollout, env, slice(start, stop), finals))
                if left is not None:
                    left[env] -= is_end
            self._close(env, stop - start, is_end)
        return chunks

    def _chunk(
        self, rollout: Rollout, env: int, steps: slice, finals: Int[np.ndarray, "steps envs"]
    ) -> SingleAgentEpisode:
        last = steps.stop - 1
        following = _following(rollout, env, last, finals)
        outputs = {
            Columns.ACTION_LOGP: rollout.log_probabilities[steps, env],
            Columns.ACTION_DIST_INPUTS: rollout.logits[steps, env],
        }
        chunk = SingleAgentEpisode(
            self._identities[env],
            observations=[*rollout.observations[steps, env], following],
            observation_space=self.observation_space,
            actions=list(rollout.actions[steps, env]),
            action_space=self.action_space,
            rewards=rollout.rewards[steps, env].tolist(),
            terminated=bool(rollout.terminated[last, env]),
            truncated=bool(rollout.truncated[last, env]),
            extra_model_outputs={name: list(values) for name, values in outputs.items()},
            t_started=self._ages[env],
            len_lookback_buffer=0,
        )
        return chunk.to_numpy()

    def _close(self, env: int, steps: int, is_end: bool) -> None:
        self._ages[env] = 0 if is_end else self._ages[env] + steps
        if is_end:
            self._identities[env] = uuid4().hex


def _chunks(ended: np.ndarray) -> Iterator[tuple[int, int, int, bool]]:
    """Each piece as (environment, first step, step past the last, whether the episode ended)."""
    steps, envs = ended.shape
    for env in range(envs):
        start = 0
        for end in np.flatnonzero(ended[:, env]) + 1:
            yield env, start, int(end), True
            start = int(end)
        if start < steps:
            yield env, start, steps, False


def _final_positions(ended: np.ndarray) -> np.ndarray:
    """Row of `final_observations` that belongs to each step that ended an episode."""
    return ended.cumsum().reshape(ended.shape) - 1


def _following(rollout: Rollout, env: int, last: int, finals: np.ndarray) -> np.ndarray:
    if rollout.ended[last, env]:
        row: np.ndarray = rollout.final_observations[finals[last, env]]
    else:
        row = rollout.last_observations[env]
    return row
