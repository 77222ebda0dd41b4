"""Collecting experience from environments that step as one batch."""

import math
from collections import defaultdict
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from jaxtyping import Bool, Float, Int, Shaped
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.callbacks.utils import make_callback
from ray.rllib.core.columns import Columns
from ray.rllib.env.single_agent_env_runner import SingleAgentEnvRunner
from ray.rllib.env.single_agent_episode import SingleAgentEpisode
from ray.rllib.utils.metrics import (
    EPISODE_LEN_MEAN,
    EPISODE_RETURN_MAX,
    EPISODE_RETURN_MEAN,
    EPISODE_RETURN_MIN,
)

from sim.errors import SurrogymError
from training.rllib.distributions import Distribution, distribution_over, with_mask
from training.rllib.episodes import EpisodeCutter
from training.rllib.recurrent import RecurrentModule
from training.rllib.rollout import Memories, Rollout

MAKE_ENV = "make_env"
"""Key of `env_config` under which the runner finds the function from `num_envs` to a VectorEnv."""

MASK, DURATION = "action_mask", "duration"
"""Keys of `infos` that are learnt from: which decisions are allowed next, and minutes passed."""


_LOOK_STEPS = 16
"""Between two looks at whether enough episodes have ended."""


class UnsupportedEnvironment(SurrogymError):
    """An environment or network that the batched runner would collect wrongly from."""


def build_batched_env(env_config: dict[str, Any]) -> VectorEnv[Any, Any, Any]:
    """The environment for RLlib's registry; `env_config` holds `make_env` and `num_envs`."""
    env: VectorEnv[Any, Any, Any] = env_config[MAKE_ENV](env_config["num_envs"])
    return env


class BatchedEnvRunner(SingleAgentEnvRunner):
    """Steps a natively batched VectorEnv and keeps arrays until someone asks for episodes.

    RLlib's own runner walks through every environment at every step in Python; this one does not,
    which makes it several times faster. The price, all of it bypassed: the env-to-module and
    module-to-env connectors, action clipping and normalisation, per-step and per-episode
    callbacks, random actions, and the restart of an environment that raised (the exception reaches
    the caller). Metrics are means over the episodes that ended in one call, not a smoothed window.

    The environment comes from `env_config["make_env"](num_envs)`, has flat Box observations and
    actions that are Discrete, flat MultiDiscrete or a flat Box, and declares SAME_STEP autoreset
    with `infos["final_obs"]`: where an episode ends, the step returns the next episode's first
    observation. Anything else raises UnsupportedEnvironment, and so does a network with state,
    unless it is a RecurrentModule, whose memory is carried from step to step. Where
    `infos["action_mask"]` tells which decisions are allowed, no other is taken; with MultiDiscrete
    it has the choices of one lever after another.

    It overrides private methods of RLlib, so a new Ray release needs the tests to pass first.
    """

    # RLlib declares these as possibly None, which they are not once the runner is built.
    env: Any
    module: Any
    metrics: Any

    def __init__(self, *, config: AlgorithmConfig, **kwargs: Any) -> None:
        """Build environment and network as RLlib asks for them."""
        super().__init__(config=config, **kwargs)
        if self.module is not None and self.module.is_stateful():
            raise UnsupportedEnvironment("BatchedEnvRunner cannot carry the state of a network")
        self._generator = torch.Generator()
        if self._seed is not None:
            self._generator.manual_seed(self._seed)
        self._current: np.ndarray | None = None
        self._allowed: np.ndarray | None = None
        self._memory: torch.Tensor | None = None
        self._returns = np.zeros(self.num_envs)
        self._lengths = np.zeros(self.num_envs, dtype=np.int64)

    def make_env(self) -> None:
        """Build the environment and refuse what cannot be collected from."""
        if self.env is not None:
            self.env.close()
        envs = self.config.num_envs_per_env_runner
        self.env = self.config.env_config[MAKE_ENV](envs)
        check_environment(self.env, envs)
        self.num_envs = envs
        decides = getattr(self.config, "distribution_over", distribution_over)
        self._distribution: Distribution = decides(self.env.single_action_space)
        self._needs_initial_reset = True
        self._cutter = EpisodeCutter(
            self.env.single_observation_space, self.env.single_action_space
        )
        make_callback(
            "on_environment_created",
            callbacks_objects=self._callbacks,
            callbacks_functions=self.config.callbacks_on_environment_created,
            kwargs={
                "env_runner": self,
                "metrics_logger": self.metrics,
                "env": self.env,
                "env_context": self.config.env_config,
            },
        )

    def collect(self, steps: int, *, explore: bool = True, force_reset: bool = False) -> Rollout:
        """Step every environment `steps` times with the present network."""
        rollout = self._collect(steps, explore=explore, force_reset=force_reset)
        self._log(rollout.transitions, rollout.episode_returns, rollout.episode_lengths)
        self._cutter.advance(rollout.ended)
        return rollout

    def _sample(
        self,
        *,
        num_timesteps: int | None = None,
        num_episodes: int | None = None,
        explore: bool,
        random_actions: bool = False,
        force_reset: bool = False,
    ) -> list[SingleAgentEpisode]:
        """The experience as episode chunks, for RLlib's stock algorithms and for evaluations.

        Episodes that are asked for by number begin anew and are shared out evenly among the
        environments, so that long ones count as often as short ones; what came after is left out.
        """
        if random_actions:
            raise UnsupportedEnvironment(
                "random_actions=True: BatchedEnvRunner decides by the network; for random "
                "decisions build the config's to_stock()"
            )
        if num_episodes is not None:
            return self._whole_episodes(num_episodes, explore=explore)
        steps = math.ceil((num_timesteps or 0) / self.num_envs)
        rollout = self._collect(steps, explore=explore, force_reset=force_reset)
        self._log(rollout.transitions, rollout.episode_returns, rollout.episode_lengths)
        return self._cutter.cut(rollout)

    def _whole_episodes(self, count: int, *, explore: bool) -> list[SingleAgentEpisode]:
        left = np.full(self.num_envs, count // self.num_envs)
        left[: count % self.num_envs] += 1
        chunks: list[SingleAgentEpisode] = []
        while left.any():
            rollout = self._collect(_LOOK_STEPS, explore=explore, force_reset=not chunks)
            chunks += self._cutter.cut(rollout, left)
        returns: dict[str, float] = defaultdict(float)
        lengths: dict[str, int] = defaultdict(int)
        for chunk in chunks:
            returns[chunk.id_] += float(chunk.get_return())
            lengths[chunk.id_] += len(chunk)
        ended = np.array(list(lengths.values()))
        self._log(int(ended.sum()), np.array(list(returns.values())), ended)
        return chunks

    def get_metrics(self) -> Any:
        """What was counted since the last call, in RLlib's form."""
        return self.metrics.reduce()

    @torch.no_grad()
    def _collect(self, steps: int, *, explore: bool, force_reset: bool) -> Rollout:
        current = self._start(force_reset)
        record = _Record(steps, self.num_envs, current.shape[1])
        before = self._memory
        for step in range(steps):
            record.observations[step] = current
            actions = self._distribution.action(self._decide(record, step, explore))
            current, rewards, terminated, truncated, infos = self.env.step(actions)
            self._hear(record, step, infos)
            record.rewards[step] = rewards
            record.terminated[step], record.truncated[step] = terminated, truncated
            self._returns += record.rewards[step]
            self._lengths += 1
            ended = terminated | truncated
            if ended.any():
                self._finish(record, ended, infos)
        self._current = current
        last = np.array(current, dtype=np.float32)
        return record.to_rollout(last, self._allowed, self._remembered(record, before, last))

    def _start(self, force_reset: bool) -> np.ndarray:
        if self._current is not None and not (force_reset or self._needs_initial_reset):
            return self._current
        # A seed is for the first reset only: later ones must not repeat the same episodes.
        seed = self._seed if self._needs_initial_reset else None
        observations, infos = self.env.reset(seed=seed)
        self._allowed = infos.get(MASK)
        if isinstance(self.module, RecurrentModule):
            self._memory = torch.zeros(self.num_envs, self.module.units)
        self._needs_initial_reset = False
        self._returns[:] = 0.0
        self._lengths[:] = 0
        self._cutter.restart(self.num_envs)
        started: np.ndarray = observations
        return started

    def _decide(
        self, record: "_Record", step: int, explore: bool
    ) -> Shaped[np.ndarray, "envs *action"]:
        allowed = None
        if self._allowed is not None:
            record.allowed.append(_checked(self._allowed, self._distribution, self.num_envs))
            allowed = torch.from_numpy(record.allowed[-1])
        logits = with_mask(self._look(record, step, explore, allowed), allowed)
        if explore:
            chosen = self._distribution.draw(logits, self._generator)
        else:
            chosen = self._distribution.likeliest(logits)
        decided: np.ndarray = chosen.numpy()
        record.logits.append(logits.numpy())
        record.log_probabilities[step] = self._distribution.judge(logits, chosen).log_probability
        record.actions.append(decided)
        return decided

    def _look(
        self, record: "_Record", step: int, explore: bool, allowed: torch.Tensor | None
    ) -> torch.Tensor:
        seen = torch.from_numpy(record.observations[step])
        if self._memory is not None:
            inputs, remembered = self.module.look(seen, self._memory)
            record.memories.append(remembered.numpy())
            self._memory = remembered
            return torch.as_tensor(inputs)
        batch = {Columns.OBS: seen}
        if allowed is not None:
            # For networks that look for the best of what is allowed themselves.
            batch[MASK] = allowed
        if explore:
            runners = max(self.config.num_env_runners, 1)
            elapsed = self.num_env_steps_sampled_lifetime + step * self.num_envs * runners
            outputs = self.module.forward_exploration(batch, t=elapsed)
        else:
            outputs = self.module.forward_inference(batch)
        return torch.as_tensor(outputs[Columns.ACTION_DIST_INPUTS])

    def _hear(self, record: "_Record", step: int, infos: dict[str, Any]) -> None:
        """Keep what the environment tells beside its answers: durations and the next mask."""
        if DURATION in infos:
            record.durations.append(np.asarray(infos[DURATION], dtype=np.float32))
        if (self._allowed is None) != (MASK not in infos):
            raise UnsupportedEnvironment(
                f"infos[{MASK!r}] must come with every reset and every step, or never; it came "
                f"{'only before' if MASK not in infos else 'not before'} step {step}"
            )
        self._allowed = infos.get(MASK)

    def _finish(
        self, record: "_Record", ended: Bool[np.ndarray, " envs"], infos: dict[str, Any]
    ) -> None:
        record.finals.append(final_observations(infos, ended))
        told = infos.get("final_info", {}).get(MASK)
        if told is not None:
            record.final_allowed.append(np.stack([told[env] for env in np.flatnonzero(ended)]))
        if self._memory is not None:
            finals = torch.from_numpy(record.finals[-1])
            _, remembered = self.module.look(finals, self._memory[torch.from_numpy(ended)])
            record.final_memories.append(remembered.numpy())
            self._memory = self._memory * torch.from_numpy(~ended)[:, None]
        record.returns.append(self._returns[ended])
        record.lengths.append(self._lengths[ended])
        self._returns[ended] = 0.0
        self._lengths[ended] = 0

    def _remembered(
        self, record: "_Record", before: torch.Tensor | None, last: np.ndarray
    ) -> Memories | None:
        if before is None or self._memory is None:
            return None
        _, after_last = self.module.look(torch.from_numpy(last), self._memory)
        nothing = np.empty((0, before.shape[1]), dtype=np.float32)
        return Memories(
            before=before.numpy(),
            after=np.stack(record.memories),
            after_final=np.concatenate([nothing, *record.final_memories]),
            after_last=after_last.numpy(),
        )

    def _log(
        self, steps: int, returns: Float[np.ndarray, " ends"], lengths: Int[np.ndarray, " ends"]
    ) -> None:
        counting: Any = self._increase_sampled_metrics
        counting(steps, returns.size)
        if returns.size:
            self.metrics.log_value(EPISODE_RETURN_MEAN, float(returns.mean()), window=1)
            self.metrics.log_value(EPISODE_RETURN_MIN, float(returns.min()), window=1)
            self.metrics.log_value(EPISODE_RETURN_MAX, float(returns.max()), window=1)
            self.metrics.log_value(EPISODE_LEN_MEAN, float(lengths.mean()), window=1)


def check_environment(env: VectorEnv[Any, Any, Any], num_envs: int) -> None:
    """Raise UnsupportedEnvironment unless the batched runner can collect correctly from `env`."""
    mode = env.metadata.get("autoreset_mode")
    if mode is not AutoresetMode.SAME_STEP:
        raise UnsupportedEnvironment(
            f"metadata['autoreset_mode'] is {mode}: BatchedEnvRunner needs SAME_STEP"
        )
    observation, action = env.single_observation_space, env.single_action_space
    if not isinstance(observation, gym.spaces.Box) or len(observation.shape) != 1:
        raise UnsupportedEnvironment(f"observations must be a flat Box, not {observation}")
    distribution_over(action)
    if env.num_envs != num_envs:
        raise UnsupportedEnvironment(f"make_env({num_envs}) built {env.num_envs} environments")


def _checked(
    allowed: np.ndarray, distribution: Distribution, envs: int
) -> Bool[np.ndarray, "envs decisions"]:
    sizes = distribution.sizes
    if not sizes:
        raise UnsupportedEnvironment(f"infos[{MASK!r}] cannot mask actions in a Box: leave it out")
    shape = (envs, sum(sizes))
    if allowed.shape != shape or allowed.dtype != np.bool_:
        raise UnsupportedEnvironment(
            f"infos[{MASK!r}] is {allowed.dtype} of shape {allowed.shape}: give bools of shape "
            f"{shape}, a row for each environment"
        )
    some = np.logical_or.reduceat(allowed, np.cumsum((0, *sizes[:-1])), axis=1)
    stuck = np.flatnonzero(~some.all(axis=1))
    if len(stuck):
        raise UnsupportedEnvironment(
            f"infos[{MASK!r}] allows nothing in environments {stuck[:5].tolist()}"
        )
    return allowed.copy()


def final_observations(
    infos: dict[str, Any], ended: Bool[np.ndarray, " envs"]
) -> Float[np.ndarray, "ends features"]:
    """Last observations of the episodes that ended, from either form that gymnasium knows.

    `infos["final_obs"]` has one row per environment: an array, or objects with None where
    nothing ended.
    """
    if "final_obs" not in infos:
        raise UnsupportedEnvironment("an episode ended without infos['final_obs']")
    rows = infos["final_obs"]
    if len(rows) != len(ended):
        raise UnsupportedEnvironment(
            f"infos['final_obs'] has {len(rows)} rows for {len(ended)} environments"
        )
    return np.stack([rows[env] for env in np.flatnonzero(ended)]).astype(np.float32)


class _Record:
    """Arrays being filled; a Rollout when full."""

    def __init__(self, steps: int, envs: int, features: int) -> None:
        self.observations = np.empty((steps, envs, features), dtype=np.float32)
        self.actions: list[np.ndarray] = []
        self.logits: list[np.ndarray] = []
        self.log_probabilities = np.empty((steps, envs), dtype=np.float32)
        self.rewards = np.empty((steps, envs), dtype=np.float32)
        self.terminated = np.empty((steps, envs), dtype=np.bool_)
        self.truncated = np.empty((steps, envs), dtype=np.bool_)
        self.allowed: list[np.ndarray] = []
        self.final_allowed: list[np.ndarray] = []
        self.durations: list[np.ndarray] = []
        self.memories: list[np.ndarray] = []
        self.final_memories: list[np.ndarray] = []
        self.finals = [np.empty((0, features), dtype=np.float32)]
        self.returns = [np.empty(0)]
        self.lengths = [np.empty(0, dtype=np.int64)]

    def to_rollout(
        self,
        last_observations: np.ndarray,
        last_allowed: np.ndarray | None,
        memories: Memories | None,
    ) -> Rollout:
        return Rollout(
            observations=self.observations,
            actions=np.stack(self.actions),
            logits=np.stack(self.logits),
            log_probabilities=self.log_probabilities,
            rewards=self.rewards,
            terminated=self.terminated,
            truncated=self.truncated,
            final_observations=np.concatenate(self.finals),
            last_observations=last_observations,
            allowed=np.stack(self.allowed) if self.allowed else None,
            final_allowed=np.concatenate(self.final_allowed) if self.final_allowed else None,
            last_allowed=None if last_allowed is None else last_allowed.copy(),
            durations=np.stack(self.durations)
            if len(self.durations) == len(self.rewards)
            else None,
            memories=memories,
            episode_returns=np.concatenate(self.returns),
            episode_lengths=np.concatenate(self.lengths),
        )
