"""RLlib's own algorithms as they come, for comparisons: what a user would run without ours."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import gymnasium
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME
from ray.tune.registry import register_env

from training.policies import NetworkPolicy
from training.rllib.build import apply_dqn_settings, apply_sac_settings, apply_settings
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.off_policy_weights import to_action_values, to_sac_policy
from training.rllib.sac_networks import entropy_to_keep, sac_distribution
from training.rllib.session import ray_session
from training.rllib.settings import Budget, InvalidSettings, PPOSettings, TrainingSettings
from training.rllib.weights import to_network_policy

ENVIRONMENT = "surrogym-stock"

C = TypeVar("C", bound=AlgorithmConfig)

MakeEnv = Callable[[], gymnasium.Env[Any, Any]]
Hear = Callable[[NetworkPolicy, int, float], bool]
"""Hears of the policy, the steps and the seconds after every iteration; True ends the training."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StockTraining:
    """What RLlib's own algorithm came to."""

    policy: NetworkPolicy
    steps: tuple[int, ...]
    """Environment steps in all after each iteration."""
    seconds: tuple[float, ...]
    """Wall time after each iteration, from when the algorithm had been built."""
    updates: tuple[int, ...]
    """Updates in all after each iteration."""

    @property
    def steps_per_second(self) -> float:
        """Of whole training, without the first iteration, in which everything is started."""
        return (self.steps[-1] - self.steps[0]) / (self.seconds[-1] - self.seconds[0])


def train_stock_ppo(
    make_env: MakeEnv,
    settings: PPOSettings,
    budget: Budget,
    *,
    name: str = "stock PPO",
    on_policy: Hear | None = None,
) -> StockTraining:
    """Train until the budget is spent, at least two iterations.

    One environment a runner, episode objects, connectors and the KL penalty, all as RLlib has
    them; network, step size, discount and batches are those of the settings, but no schedule and
    no scale of rewards. Raises InvalidSettings for a memory, which RLlib's network would not have.
    """
    if settings.memory:
        raise InvalidSettings(f"memory={settings.memory}: RLlib's own PPO is trained without one")
    config = _configured(PPOConfig(), settings)
    apply_settings(config, settings)
    return _train(
        make_env, config, budget, partial(to_network_policy, name=name, reward_scale=1.0), on_policy
    )


def train_stock_dqn(
    make_env: MakeEnv,
    settings: DQNSettings,
    budget: Budget,
    *,
    name: str = "stock DQN",
    on_policy: Hear | None = None,
) -> StockTraining:
    """Train by RLlib's DQN, otherwise as `train_stock_ppo`.

    Environments, updates a step and exploration are as the settings say, with a uniform replay
    of episodes. The budget must be in steps, by which exploration falls.
    """
    config = _replaying(DQNConfig(), settings)
    apply_dqn_settings(config, settings)
    explored = int(settings.exploration_share * (budget.steps or 0))
    first, last = settings.initial_exploration, settings.final_exploration
    config.training(epsilon=[(0, first), (max(explored, 1), last)])
    return _train(
        make_env, config, budget, partial(to_action_values, name=name, reward_scale=1.0), on_policy
    )


def train_stock_sac(
    make_env: MakeEnv,
    settings: SACSettings,
    budget: Budget,
    *,
    name: str = "stock SAC",
    on_policy: Hear | None = None,
) -> StockTraining:
    """Train by RLlib's SAC, otherwise as `train_stock_dqn`.

    The entropy to keep is told as a number, because its own choice cannot be reached.
    """
    config = _replaying(SACConfig(), settings)
    apply_sac_settings(config, settings)
    space: Any = make_env().action_space
    config.training(target_entropy=entropy_to_keep(space, settings.entropy_share))
    to_policy = partial(to_sac_policy, name=name, head=sac_distribution(space).head(()))
    return _train(make_env, config, budget, to_policy, on_policy)


def _train(
    make_env: MakeEnv,
    config: AlgorithmConfig,
    budget: Budget,
    to_policy: Callable[..., NetworkPolicy],
    on_policy: Hear | None,
) -> StockTraining:
    register_env(ENVIRONMENT, lambda _: make_env())
    with ray_session(), warnings.catch_warnings():
        # RLlib registers its environment anew for every algorithm, of which gymnasium warns.
        warnings.filterwarnings("ignore", message=".*Overriding environment rllib-")
        algorithm: Any = config.build_algo()
        learner = algorithm.learner_group._learner

        def policy() -> NetworkPolicy:
            return to_policy(learner.module[DEFAULT_MODULE_ID].get_state())

        try:
            steps: list[int] = []
            seconds: list[float] = []
            updates: list[int] = []
            began = time.perf_counter()
            done = False
            while not done:
                result = algorithm.train()
                steps.append(int(result[ENV_RUNNER_RESULTS][NUM_ENV_STEPS_SAMPLED_LIFETIME]))
                seconds.append(time.perf_counter() - began)
                updates.append(int(learner._weights_seq_no))
                spent = budget.spent(seconds=seconds[-1], steps=steps[-1])
                done = spent >= 1.0 and len(steps) > 1
                if on_policy is not None:
                    done = on_policy(policy(), steps[-1], seconds[-1]) or done
            found = policy()
        finally:
            algorithm.stop()
    return StockTraining(
        policy=found, steps=tuple(steps), seconds=tuple(seconds), updates=tuple(updates)
    )


def _configured(config: C, settings: TrainingSettings, envs: int = 1) -> C:
    config.environment(ENVIRONMENT)
    config.env_runners(num_env_runners=settings.num_env_runners, num_envs_per_env_runner=envs)
    return config


def _replaying(config: C, settings: OffPolicySettings) -> C:
    """As many environments and updates as ours makes, in RLlib's terms for no remote runner."""
    _configured(config, settings, settings.num_envs // max(settings.num_env_runners, 1))
    config.env_runners(rollout_fragment_length=settings.rollout_length)
    replayed = settings.updates_per_iteration * settings.batch_size
    native = settings.transitions_per_iteration
    intensity: dict[str, Any] = {"training_intensity": replayed / native}
    config.training(**intensity)
    config.reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=native)
    return config
