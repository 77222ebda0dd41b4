"""From our settings to an RLlib algorithm that is ready to train."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from gymnasium.vector import VectorEnv
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from training.policies import NetworkPolicy
from training.rllib.batched_runner import MAKE_ENV, build_batched_env
from training.rllib.ppo import LeanPPO, LeanPPOConfig
from training.rllib.settings import PPOSettings

ENVIRONMENT = "surrogym-batched"


def build_config(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]], settings: PPOSettings
) -> LeanPPOConfig:
    """RLlib's config for these settings; `make_env` is pickled when runners are remote."""
    register_env(ENVIRONMENT, build_batched_env)
    config = LeanPPOConfig()
    config.environment(ENVIRONMENT, env_config={MAKE_ENV: make_env})
    config.env_runners(
        num_env_runners=settings.num_env_runners,
        num_envs_per_env_runner=settings.num_envs // max(settings.num_env_runners, 1),
        rollout_fragment_length=settings.rollout_length,
    )
    apply_settings(config, settings)
    config.training(grad_clip_by="norm")
    # A runner that fails must end the training, not leave it waiting for data that never comes.
    config.fault_tolerance(restart_failed_env_runners=False)
    config.remember(settings.memory)
    return config.scale_rewards(settings.reward_scale).discount_time(settings.discount_minutes)


def apply_settings(config: PPOConfig, settings: PPOSettings) -> None:
    """Tell RLlib's config of the network and of how to learn, whoever collects."""
    config.rl_module(
        # Spelled out, because this class overrides PPO's own default of separate networks.
        model_config=DefaultModelConfig(
            fcnet_hiddens=list(settings.hidden), fcnet_activation="tanh", vf_share_layers=False
        )
    )
    config.training(
        lr=settings.learning_rate,
        gamma=settings.discount,
        lambda_=settings.gae_lambda,
        clip_param=settings.clip,
        entropy_coeff=settings.entropy_coefficient,
        vf_loss_coeff=settings.value_coefficient,
        grad_clip=settings.gradient_norm,
        train_batch_size_per_learner=settings.transitions_per_iteration,
        minibatch_size=settings.minibatch_size,
        num_epochs=settings.num_epochs,
    )
    config.debugging(seed=settings.seed, log_level="ERROR")


@contextmanager
def built_algorithm(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]],
    settings: PPOSettings,
    warm_start: NetworkPolicy | None = None,
) -> Iterator[LeanPPO]:
    """An algorithm with its environments and processes, stopped at the end of the block."""
    algorithm = cast(LeanPPO, build_config(make_env, settings).build_algo())
    try:
        if warm_start is not None:
            algorithm.load_policy(warm_start)
        yield algorithm
    finally:
        algorithm.close()
