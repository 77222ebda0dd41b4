"""What DQN and SAC share in RLlib's frame: collect, replay, update."""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

import numpy as np
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig

from sim.streams import stream
from training.rllib.experience import Joiner
from training.rllib.lean import LeanAlgorithm, LeanConfig, UnsupportedConfig
from training.rllib.lean_learner import TrainingDiverged
from training.rllib.refusals import UNHEARD_BY_REPLAY, unheard
from training.rllib.replay import Replay
from training.rllib.rollout import Rollout

C = TypeVar("C", bound="OffPolicyConfig")
UNIFORM = "EpisodeReplayBuffer"
REPLAY, DRAWING = "replay", "drawing"
_NO_PAST = "a replay of single transitions has no past; train LeanPPO with remember(...) instead"


class OffPolicyConfig(LeanConfig):
    """What the configs of lean DQN and SAC add to RLlib's: inherit from it first.

    Of `replay_buffer_config` the capacity counts, and a type that draws uniformly is asked for.
    The replay is stored in checkpoints unless `store_buffer_in_checkpoints` is switched off.
    """

    # What both of RLlib's configs have.
    n_step: Any

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from the defaults that need nothing which is not there."""
        super().__init__(algo_class=algo_class)
        self.updates_per_iteration = 1
        self.replay_buffer_config = {"type": UNIFORM, "capacity": 100_000}
        self.store_buffer_in_checkpoints = True
        self.rollout_fragment_length = 1
        self.grad_clip_by = "global_norm"
        self.min_time_s_per_iteration = None
        self.min_sample_timesteps_per_iteration = 0

    def update_times(self: C, updates: int) -> C:
        """Make so many updates after each collected rollout."""
        self.updates_per_iteration = updates
        return self

    def refused(self) -> dict[str, str]:
        """Also what needs episodes or priorities."""
        found = {**super().refused(), **unheard(self, UNHEARD_BY_REPLAY)}
        if self.replay_buffer_config["type"] != UNIFORM:
            found["replay_buffer_config"] = f"the replay is of arrays and uniform, as {UNIFORM!r}"
        if not isinstance(self.n_step, int):
            found["n_step"] = "the replay sums a fixed number of rewards: give a whole number"
        if "use_lstm" in found:
            found["use_lstm"] = _NO_PAST
        if self.grad_clip_by != "global_norm":
            found["grad_clip_by"] = "gradients are clipped by the norm of each network"
        return found

    def to_stock(self) -> AlgorithmConfig:
        """Also with as many updates after a rollout, in RLlib's terms of rows a step."""
        if self.model_config.get("use_lstm"):
            raise UnsupportedConfig(f"use_lstm=True: {_NO_PAST}")
        config: Any = super().to_stock()
        if config.training_intensity is None:
            envs = self.num_envs_per_env_runner * max(self.num_env_runners, 1)
            rows = self.updates_per_iteration * self.total_train_batch_size
            config.training(training_intensity=rows / (envs * self.rollout_fragment_length))
        return cast(AlgorithmConfig, config)


class OffPolicyAlgorithm(LeanAlgorithm):
    """Collects rollouts into a replay of arrays and learns from draws: inherit from it first.

    RLlib's replay buffers, their metrics and priorities are bypassed. Updates begin when the
    replay holds `num_steps_sampled_before_learning_starts` transitions; the first rollout is made
    as long as that needs, and chooses the scale of rewards.

    Checkpoints keep the replay, which RLlib's do not, and the state of what draws from it. Not
    kept: the episodes that were going on, and with `n_step` > 1 the last steps that waited for
    their rewards; both begin anew.
    """

    def setup(self, config: Any) -> None:
        """Build everything, with an empty replay."""
        super().setup(config)
        self.replay = Replay(int(self.config.replay_buffer_config["capacity"]))
        self._random = stream(int(self.config.seed or 0), "replay")
        self._joiners: list[Joiner] = []

    def get_state(self, *args: Any, **kwargs: Any) -> Any:
        """RLlib's state with the replay, as far as asked for, and what draws from it."""
        state = {**super().get_state(*args, **kwargs), DRAWING: self._random.bit_generator.state}
        if self.config.store_buffer_in_checkpoints:
            state[REPLAY] = self.replay.to_arrays()
        return state

    def set_state(self, state: Any) -> None:
        """Restore what `get_state` gave; without a replay in it the replay is empty."""
        super().set_state(state)
        self._joiners = []
        if DRAWING in state:
            self._random.bit_generator.state = state[DRAWING]
            self.replay.load_arrays(state.get(REPLAY, {}))

    def _create_local_replay_buffer_if_necessary(self, config: Any) -> None:
        """RLlib's own buffer, which nothing would fill."""

    def _rollout_length(self) -> int:
        envs = self.config.num_envs_per_env_runner * max(self.config.num_env_runners, 1)
        missing = self._least_rows() - len(self.replay)
        return max(super()._rollout_length(), int(-(-missing // envs)))

    def _learn(self, rollouts: Sequence[Rollout], *, timesteps: dict[str, Any]) -> Any:
        _check_rewards(rollouts)
        if self.learner.reward_scale is None:
            self.learner.choose_reward_scale(rollouts[0])
        self._remember(rollouts)
        updates = self.config.updates_per_iteration
        if len(self.replay) < self._least_rows():
            updates = 0
        batches = self.replay.draw(updates, self.config.total_train_batch_size, self._random)
        return self.learner.learn(batches, timesteps=timesteps, annealing=self.annealing)

    def _remember(self, rollouts: Sequence[Rollout]) -> None:
        if not self._joiners:
            discounting = (self.config.n_step, self.config.gamma, self.config.discount_minutes)
            self._joiners = [Joiner(*discounting) for _ in rollouts]
        for joiner, rollout in zip(self._joiners, rollouts, strict=True):
            experience = joiner.join(rollout)
            if experience is not None:
                self.replay.add(experience)

    def _least_rows(self) -> int:
        least = min(self.config.num_steps_sampled_before_learning_starts, self.replay.capacity)
        return int(max(least, 1))


def _check_rewards(rollouts: Sequence[Rollout]) -> None:
    """Their losses are straight lines far out, so that no gradient would tell."""
    rewards = np.concatenate([rollout.rewards.ravel() for rollout in rollouts])
    wrong = rewards[~np.isfinite(rewards)]
    if wrong.size:
        raise TrainingDiverged(
            f"{wrong.size} of {rewards.size} rewards are not finite, such as {wrong[0]}: nothing "
            "can be learned from them; bound them in the environment"
        )
