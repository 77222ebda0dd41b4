"""RLlib's own PPO as it comes, for comparisons: what a user would run without any of this."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.utils.metrics import ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME
from ray.tune.registry import register_env

from training.policies import NetworkPolicy
from training.rllib.build import apply_settings
from training.rllib.session import ray_session
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.weights import to_network_policy

ENVIRONMENT = "surrogym-stock"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StockTraining:
    """What RLlib's own PPO came to."""

    policy: NetworkPolicy
    steps: tuple[int, ...]
    """Environment steps in all after each iteration."""
    seconds: tuple[float, ...]
    """Wall time after each iteration, from when the algorithm had been built."""

    @property
    def steps_per_second(self) -> float:
        """Of whole training, without the first iteration, in which everything is started."""
        return (self.steps[-1] - self.steps[0]) / (self.seconds[-1] - self.seconds[0])


def train_stock_ppo(
    make_env: Callable[[], gymnasium.Env[Any, Any]],
    settings: PPOSettings,
    budget: Budget,
    *,
    name: str = "stock PPO",
    on_policy: Callable[[NetworkPolicy, int, float], bool] | None = None,
) -> StockTraining:
    """Train until the budget is spent, at least two iterations.

    One environment a runner, episode objects, connectors and the KL penalty, all as RLlib has
    them; network, step size, discount and batches are those of the settings, but no schedule and
    no scale of rewards. `on_policy` hears of the policy, the steps and the seconds after every
    iteration and ends the training by True. Raises InvalidSettings for a memory, which RLlib's
    network would not have.
    """
    if settings.memory:
        raise InvalidSettings(f"memory={settings.memory}: RLlib's own PPO is trained without one")
    register_env(ENVIRONMENT, lambda _: make_env())
    with ray_session():
        algorithm = _config(settings).build_algo()
        try:
            steps: list[int] = []
            seconds: list[float] = []
            began = time.perf_counter()
            done = False
            while not done:
                result = algorithm.train()
                steps.append(int(result[ENV_RUNNER_RESULTS][NUM_ENV_STEPS_SAMPLED_LIFETIME]))
                seconds.append(time.perf_counter() - began)
                spent = budget.spent(seconds=seconds[-1], steps=steps[-1])
                done = spent >= 1.0 and len(steps) > 1
                if on_policy is not None:
                    done = on_policy(_policy(algorithm, name), steps[-1], seconds[-1]) or done
            policy = _policy(algorithm, name)
        finally:
            algorithm.stop()
    return StockTraining(policy=policy, steps=tuple(steps), seconds=tuple(seconds))


def _config(settings: PPOSettings) -> PPOConfig:
    config = PPOConfig()
    config.environment(ENVIRONMENT)
    config.env_runners(num_env_runners=settings.num_env_runners, num_envs_per_env_runner=1)
    apply_settings(config, settings)
    return config


def _policy(algorithm: Any, name: str) -> NetworkPolicy:
    state = algorithm.learner_group._learner.module[DEFAULT_MODULE_ID].get_state()
    return to_network_policy(state, name=name, reward_scale=1.0)
