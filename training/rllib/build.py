"""From our settings to an RLlib algorithm that is ready to train."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from gymnasium.vector import VectorEnv
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.dqn import DQNConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from training.policies import NetworkPolicy
from training.rllib.batched_runner import MAKE_ENV, build_batched_env
from training.rllib.dqn import LeanDQNConfig
from training.rllib.lean import LeanAlgorithm, LeanConfig
from training.rllib.off_policy import UNIFORM
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.ppo import LeanPPOConfig
from training.rllib.sac import LeanSACConfig
from training.rllib.settings import PPOSettings, TrainingSettings

ENVIRONMENT = "surrogym-batched"

MakeEnv = Callable[[int], VectorEnv[Any, Any, Any]]
C = TypeVar("C", bound=LeanConfig)


def build_config(make_env: MakeEnv, settings: PPOSettings) -> LeanPPOConfig:
    """RLlib's config for these settings; `make_env` is pickled when runners are remote."""
    config = _lean(LeanPPOConfig(), make_env, settings)
    apply_settings(config, settings)
    config.training(grad_clip_by="norm")
    return config.remember(settings.memory)


def build_dqn_config(make_env: MakeEnv, settings: DQNSettings) -> LeanDQNConfig:
    """RLlib's config for these settings; `make_env` is pickled when runners are remote."""
    config = _lean(LeanDQNConfig(), make_env, settings)
    apply_dqn_settings(config, settings)
    return config.update_times(settings.updates_per_iteration)


def build_sac_config(make_env: MakeEnv, settings: SACSettings) -> LeanSACConfig:
    """RLlib's config for these settings; `make_env` is pickled when runners are remote."""
    config = _lean(LeanSACConfig(), make_env, settings)
    apply_sac_settings(config, settings)
    config.keep_entropy(settings.entropy_share)
    return config.update_times(settings.updates_per_iteration)


def apply_settings(config: PPOConfig, settings: PPOSettings) -> None:
    """Tell RLlib's config of the network and of how to learn, whoever collects."""
    _apply_common(config, settings)
    config.training(
        lr=settings.learning_rate,
        lambda_=settings.gae_lambda,
        clip_param=settings.clip,
        entropy_coeff=settings.entropy_coefficient,
        vf_loss_coeff=settings.value_coefficient,
        train_batch_size_per_learner=settings.transitions_per_iteration,
        minibatch_size=settings.minibatch_size,
        num_epochs=settings.num_epochs,
    )


def apply_dqn_settings(config: DQNConfig, settings: DQNSettings) -> None:
    """Tell RLlib's config of the network and of how to learn, whoever collects.

    The chance of a random decision falls with the budget, which RLlib does not know: its schedule
    of steps is left alone.
    """
    _apply_common(config, settings)
    _apply_replay(config, settings)
    config.training(lr=settings.learning_rate, double_q=settings.double_q, dueling=settings.dueling)


def apply_sac_settings(config: SACConfig, settings: SACSettings) -> None:
    """Tell RLlib's config of the networks and of how to learn, whoever collects."""
    _apply_common(config, settings)
    _apply_replay(config, settings)
    config.training(
        actor_lr=settings.learning_rate,
        critic_lr=settings.learning_rate,
        alpha_lr=settings.temperature_learning_rate,
        initial_alpha=settings.initial_temperature,
        twin_q=settings.twin_q,
    )


@contextmanager
def built_algorithm(
    make_env: MakeEnv, settings: TrainingSettings, warm_start: NetworkPolicy | None = None
) -> Iterator[LeanAlgorithm]:
    """An algorithm with its environments and processes, stopped at the end of the block."""
    config = _CONFIGS[type(settings)](make_env, settings)
    algorithm = cast(LeanAlgorithm, config.build_algo())
    try:
        if warm_start is not None:
            algorithm.load_policy(warm_start)
        yield algorithm
    finally:
        algorithm.close()


_CONFIGS: dict[type[TrainingSettings], Callable[..., LeanConfig]] = {
    PPOSettings: build_config,
    DQNSettings: build_dqn_config,
    SACSettings: build_sac_config,
}


def _lean(config: C, make_env: MakeEnv, settings: TrainingSettings) -> C:
    """The config with everything told that lean algorithms share."""
    register_env(ENVIRONMENT, build_batched_env)
    config.environment(ENVIRONMENT, env_config={MAKE_ENV: make_env})
    config.env_runners(
        num_env_runners=settings.num_env_runners,
        num_envs_per_env_runner=settings.num_envs // max(settings.num_env_runners, 1),
        rollout_fragment_length=settings.rollout_length,
    )
    # A runner that fails must end the training, not leave it waiting for data that never comes.
    config.fault_tolerance(restart_failed_env_runners=False)
    return config.scale_rewards(settings.reward_scale).discount_time(settings.discount_minutes)


def _apply_common(config: AlgorithmConfig, settings: TrainingSettings) -> None:
    config.rl_module(
        # Spelled out, because this class overrides PPO's own default of separate networks.
        model_config=DefaultModelConfig(
            fcnet_hiddens=list(settings.hidden),
            fcnet_activation="tanh",
            vf_share_layers=False,
            # Where values are those of numbers too, one layer joins both; RLlib's has two of 256.
            fusionnet_hiddens=[],
        )
    )
    config.training(gamma=settings.discount, grad_clip=settings.gradient_norm)
    config.debugging(seed=settings.seed, log_level="ERROR")


def _apply_replay(config: DQNConfig | SACConfig, settings: OffPolicySettings) -> None:
    config.training(
        train_batch_size_per_learner=settings.batch_size,
        num_steps_sampled_before_learning_starts=settings.learning_starts,
        n_step=settings.n_step,
        tau=settings.target_rate,
        target_network_update_freq=settings.target_steps,
        replay_buffer_config={"type": UNIFORM, "capacity": settings.replay_capacity},
    )
