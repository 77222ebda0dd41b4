"""Small real doubles that several tests share."""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from sim.description import Description
from surrogates.interface import Epochs


class BatchedEnv(VectorEnv[Any, Any, Any]):
    """Common part of the doubles: SAME_STEP autoreset after a fixed number of steps for each."""

    def __init__(self, lengths: np.ndarray, features: int, actions: int, truncates: bool) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.num_envs = len(lengths)
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (features,), np.float32)
        self.single_action_space = gym.spaces.Discrete(actions)
        self.observation_space = gym.vector.utils.batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, self.num_envs)
        self.lengths = lengths
        self.truncates = truncates
        self.generator = np.random.default_rng(0)
        self.time = np.zeros(self.num_envs, dtype=np.int64)

    def finish(self, rewards: np.ndarray) -> tuple[Any, ...]:
        """End the episodes whose time has come, restart them and answer as gymnasium does."""
        ended = self.time == self.lengths
        never = np.zeros_like(ended)
        infos: dict[str, Any] = {}
        if ended.any():
            infos = {"final_obs": self.observe(), "_final_obs": ended}
            self.restart(ended)
        terminated, truncated = (never, ended) if self.truncates else (ended, never)
        return self.observe(), rewards, terminated, truncated, infos

    def observe(self) -> np.ndarray:
        raise NotImplementedError

    def restart(self, chosen: np.ndarray) -> None:
        raise NotImplementedError


class Chain(BatchedEnv):
    """Four places in a ring: the right action of three moves on and earns 1, others earn 0.

    The right action at place p is p modulo 3, so the best return is the length of the episode.
    """

    places = 4

    def __init__(self, num_envs: int, *, length: int = 8, truncates: bool = False) -> None:
        super().__init__(np.full(num_envs, length), self.places + 1, 3, truncates)
        self.place = np.zeros(num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.generator = np.random.default_rng(seed)
        self.restart(np.ones(self.num_envs, dtype=np.bool_))
        return self.observe(), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        is_right = actions == self.place % 3
        self.place = np.where(is_right, (self.place + 1) % self.places, self.place)
        self.time += 1
        return self.finish(is_right.astype(np.float32))

    def observe(self) -> np.ndarray:
        places = np.eye(self.places, dtype=np.float32)[self.place]
        left = (1.0 - self.time / self.lengths)[:, None]
        return np.concatenate([places, left], axis=1, dtype=np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.place[chosen] = self.generator.integers(self.places, size=int(chosen.sum()))


class Counter(BatchedEnv):
    """Shows (environment, episode, time) and earns time: every observation can be foretold.

    Environment k's episodes last 3 + k steps.
    """

    def __init__(self, num_envs: int, *, truncates: bool = False) -> None:
        super().__init__(3 + np.arange(num_envs), 3, 2, truncates)
        self.episode = np.zeros(num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.time[:] = 0
        return self.observe(), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        self.time += 1
        return self.finish(self.time.astype(np.float32))

    def observe(self) -> np.ndarray:
        return np.stack([np.arange(self.num_envs), self.episode, self.time], 1).astype(np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.episode[chosen] += 1


@dataclass(frozen=True)
class MakeChain:
    """A picklable recipe for chains."""

    length: int = 8
    truncates: bool = False

    def __call__(self, num_envs: int) -> Chain:
        return Chain(num_envs, length=self.length, truncates=self.truncates)


class Failing(Counter):
    """Breaks at its second step, as a user's simulator may."""

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        if self.time.max() == 1:
            raise ArithmeticError("the simulator broke")
        return super().step(actions)


class GuessingSurrogate:
    """Answers with small random counts, but tells day, epoch and assigned agents rightly.

    Enough for environments, which only need shapes, an end of day and a generator that is used.
    """

    name = "guessing"

    def __init__(self, description: Description) -> None:
        self.description = description

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        d = self.description
        outputs = random.poisson(5.0, (len(states), len(d.output_names))).astype(float)
        following = states.copy()
        stocks = len(d.stocks)
        following[:, :stocks] = random.poisson(2.0, (len(states), stocks))
        for i, tally in enumerate(d.tallies, start=stocks):
            came = outputs[:, d.output_names.index(tally.flow)]
            following[:, i] = came if tally.resets else following[:, i] + came
        known = d.known_ahead(states[:, -2].astype(int), states[:, -1].astype(int), parameters)
        sizes = d.team_sizes(known, decisions)
        outputs[:, -1] = d.moves(states, sizes)
        following[:, -2 - len(d.moved_teams) : -2] = sizes[:, list(d.moved_teams)]
        following[:, -1] += 1
        return Epochs(state=following, outputs=outputs)
