"""What all lean algorithms share: RLlib's frame, with arrays from the environment to the update."""

import warnings
from collections.abc import Sequence
from functools import partial
from reprlib import Repr
from typing import Any, ClassVar, TypeVar

import gymnasium as gym
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    TIMERS,
)

from sim.errors import SurrogymError
from training.policies import NetworkPolicy
from training.rllib.batched_runner import MAKE_ENV, BatchedEnvRunner
from training.rllib.distributions import Distribution, distribution_over
from training.rllib.own_algorithm import own_config
from training.rllib.refusals import CONNECTORS, UNHEARD, uncalled, unheard
from training.rllib.rollout import Returns, Rollout

C = TypeVar("C", bound="LeanConfig")
_SHORT = Repr()
_SHORT.maxother = _SHORT.maxstring = 100
_BATCHED_MODES = ("sync", "vector_entry_point", gym.VectorizeMode.VECTOR_ENTRY_POINT)


class UnsupportedConfig(SurrogymError):
    """A setting that RLlib knows and a lean algorithm does not obey."""


class LeanConfig(AlgorithmConfig):
    """What the config of a lean algorithm adds to that of RLlib's: inherit from it first."""

    lean_class: ClassVar[type[Algorithm]]
    """The algorithm that this configures."""
    stock_class: ClassVar[type[AlgorithmConfig]]
    """RLlib's own config of it."""
    own_follows: ClassVar[tuple[str, ...]] = CONNECTORS
    """Settings for which RLlib's own algorithm stands in."""

    # What RLlib declares by its defaults alone.
    env: Any
    rollout_fragment_length: Any
    gym_env_vectorize_mode: Any
    _train_batch_size_per_learner: Any

    def __init__(self, algo_class: type | None = None) -> None:
        """Start from RLlib's defaults with the batched runner in place."""
        build: Any = super().__init__
        build(algo_class=algo_class or self.lean_class)
        self.reward_scale: float | None = None
        self.discount_minutes: float | None = None
        self.env_runners(env_runner_cls=BatchedEnvRunner)
        # As RLlib's own DQN has it: what is evaluated is the policy, not its exploration.
        self.evaluation(evaluation_config=AlgorithmConfig.overrides(explore=False))

    def scale_rewards(self: C, reward_scale: float | None) -> C:
        """Learn rewards times `reward_scale`; None chooses it from the first rollout."""
        self.reward_scale = reward_scale
        return self

    def discount_time(self: C, minutes: float | None) -> C:
        """Let gamma count for so many minutes, by `infos["duration"]`; None: for each step."""
        self.discount_minutes = minutes
        return self

    def distribution_over(self, space: gym.Space[Any]) -> Distribution:
        """How decisions in a space are explored."""
        return distribution_over(space)

    def refused(self) -> dict[str, str]:
        """By setting why it would silently do nothing, or something else than it says."""
        found = {**unheard(self, UNHEARD), **uncalled(self)}
        if self.is_multi_agent:
            found["policies"] = f"one policy is learned, {DEFAULT_MODULE_ID!r}"
        if not isinstance(self.rollout_fragment_length, int):
            found["rollout_fragment_length"] = "rollouts have a fixed length: give a whole number"
        if self.gym_env_vectorize_mode not in _BATCHED_MODES:
            found["gym_env_vectorize_mode"] = "environments are one batch"
        if self.grad_clip_by == "value":
            found["grad_clip_by"] = "gradients are clipped by the norm of each network"
        if self.env is not None and MAKE_ENV not in self.env_config:
            found["env_config"] = f"it has no {MAKE_ENV!r}, the function from num_envs to a batch"
        if self.model_config.get("use_lstm"):
            found["use_lstm"] = "the batched runner carries the memory of RecurrentModule alone"
        return found

    def validate(self) -> None:
        """Raise UnsupportedConfig for what would silently do nothing, else ask RLlib."""
        super().validate()
        if self.in_evaluation:
            return
        refused = self.refused()
        # First of all what RLlib's own algorithm would not be taken for without being asked.
        for setting in sorted(refused, key=self.own_follows.__contains__):
            raise UnsupportedConfig(self._refusal(setting, refused[setting]))

    def build_algo(self, env: Any = None, use_copy: bool = True) -> Algorithm:
        """The lean algorithm, or with a warning RLlib's own where only that can follow.

        That one trains, evaluates and stores as all of RLlib's do, but has no `to_policy`.
        """
        if env is not None:
            self.environment(env)
        refused = self.refused()
        if not refused or refused.keys() - set(self.own_follows):
            return super().build_algo(use_copy=use_copy)
        warnings.warn(
            f"{' and '.join(name.lstrip('_') for name in refused)}: RLlib's own "
            f"{self.stock_class.__name__} stands in for {self.lean_class.__name__}; it steps "
            "environments one by one through episode objects, which takes ten times as long with "
            "16 environments and thirty times with 256",
            stacklevel=2,
        )
        return self.to_stock().build_algo(use_copy=use_copy)

    def to_stock(self) -> AlgorithmConfig:
        """RLlib's own config with these settings, for what a lean algorithm cannot follow.

        Environments are then stepped one by one, and rewards are not scaled. Raises
        UnsupportedConfig where this config asks for what RLlib's own algorithm cannot follow.
        """
        if self.discount_minutes is not None:
            raise UnsupportedConfig(
                f"discount_minutes={self.discount_minutes}: RLlib's own algorithms discount by "
                "steps alone; leave it out by discount_time(None)"
            )
        return own_config(self, self.stock_class())

    def _refusal(self, setting: str, why: str) -> str:
        told = _SHORT.repr(self.model_config.get(setting, getattr(self, setting, None)))
        return (
            f"{self.lean_class.__name__} cannot follow {setting.lstrip('_')}={told}: {why}; "
            "leave the setting at its default, or train by RLlib's own algorithm: "
            "config.to_stock().build_algo()"
        )


class LeanAlgorithm(Algorithm):
    """An RLlib algorithm that moves rollouts instead of episodes: inherit from it first.

    Config, checkpoints, metrics and Tune work as usual. Weights travel with the request to
    collect, so no rollout can come from older ones, whichever process collects.
    """

    # RLlib declares these as possibly None, which they are not once the algorithm is built.
    config: Any
    metrics: Any
    learner_group: Any
    env_runner_group: Any

    annealing: Any = None
    """What rules learning rates and exploration; None leaves it to the schedules of the config."""
    returns = Returns(episodes=0, mean=None)
    """Returns of the episodes that ended in the last training step."""
    transitions = 0
    """Environment steps of the last training step."""

    def training_step(self) -> None:
        """Collect with the present weights, then learn."""
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            rollouts = self._collect(self._rollout_length())
        self.returns = Returns.of(rollouts)
        self.transitions = sum(rollout.transitions for rollout in rollouts)
        if not rollouts:
            return
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            learned = self._learn(
                rollouts, timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: self.lifetime_steps}
            )
            self.metrics.aggregate([learned], key=LEARNER_RESULTS)

    @property
    def learner(self) -> Any:
        """The learner, which lives in this process."""
        return self.learner_group._learner

    @property
    def lifetime_steps(self) -> int:
        """Environment steps since the algorithm was new, those before a restore included."""
        counted = (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME)
        return int(self.metrics.peek(counted, default=0))

    def iterate(self, annealing: Any) -> Returns:
        """One iteration of RLlib's `train` under this annealing; returns how episodes went."""
        self.annealing = annealing
        train: Any = self.train
        train()
        return self.returns

    def close(self) -> None:
        """Stop environments and processes."""
        stop: Any = self.stop
        stop()

    def load_policy(self, policy: NetworkPolicy) -> None:
        """Start from a policy's weights; the optimiser stays fresh."""
        self.learner.load_policy(policy)

    def to_policy(self, name: str) -> NetworkPolicy:
        """The present weights as a policy that acts with numpy."""
        policy: NetworkPolicy = self.learner.to_policy(name)
        return policy

    def _rollout_length(self) -> int:
        """Steps of each environment to collect next."""
        return int(self.config.rollout_fragment_length)

    def _learn(self, rollouts: Sequence[Rollout], *, timesteps: dict[str, Any]) -> Any:
        """Learn from what was just collected; returns RLlib's metrics."""
        return self.learner.learn(rollouts, timesteps=timesteps, annealing=self.annealing)

    def _collect(self, steps: int) -> list[Rollout]:
        weights = self.learner.module[DEFAULT_MODULE_ID].get_state(inference_only=True)
        request = partial(_collect_with, weights=weights, steps=steps)
        runners = self.env_runner_group
        is_local = runners.num_remote_env_runners() == 0
        answers: Any = runners.foreach_env_runner(request, local_env_runner=is_local)
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        if answers:
            self.metrics.aggregate([metrics for _, metrics in answers], key=ENV_RUNNER_RESULTS)
        return [rollout for rollout, _ in answers]


def _collect_with(
    runner: BatchedEnvRunner, *, weights: dict[str, Any], steps: int
) -> tuple[Rollout, Any] | Exception:
    # An exception is sent back as a value: raised in a remote runner, RLlib would end the
    # process and with it the message.
    try:
        runner.set_state({COMPONENT_RL_MODULE: weights})
        return runner.collect(steps, explore=runner.config.explore), runner.get_metrics()
    except Exception as error:
        return error
