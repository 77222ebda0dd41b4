"""Settings that RLlib knows and a lean algorithm would not hear are refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from ray.rllib.callbacks.callbacks import RLlibCallback
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tests.fakes import MakeChain
from training.rllib.build import build_config, build_dqn_config, build_sac_config
from training.rllib.dqn import LeanDQNConfig
from training.rllib.lean import LeanConfig, UnsupportedConfig
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.ppo import LeanPPOConfig
from training.rllib.sac import LeanSACConfig
from training.rllib.settings import PPOSettings

SETTINGS = PPOSettings(hidden=(8,), num_envs=4, rollout_length=8, minibatch_size=16)

Change = Callable[[Any], object]


class Heard(RLlibCallback):
    """Has only what is called."""

    def on_train_result(self, **told: Any) -> None:
        """Called."""

    def on_environment_created(self, **told: Any) -> None:
        """Called."""


class Unheard(Heard):
    """Waits for an event that does not come."""

    def on_episode_end(self, **told: Any) -> None:
        """Never called."""


def model(**settings: Any) -> Change:
    told = {"fcnet_hiddens": [8], "vf_share_layers": False, **settings}
    return lambda config: config.rl_module(model_config=DefaultModelConfig(**told))


ANY = [build_config, build_dqn_config, build_sac_config]
SHARED: list[tuple[str, Change]] = [
    ("env_to_module_connector", lambda c: c.env_runners(env_to_module_connector=lambda *_: [])),
    ("module_to_env_connector", lambda c: c.env_runners(module_to_env_connector=lambda *_: [])),
    ("learner_connector", lambda c: c.learners(learner_connector=lambda *_: [])),
    ("normalize_actions", lambda c: c.environment(normalize_actions=False)),
    ("clip_rewards", lambda c: c.environment(clip_rewards=True)),
    ("action_mask_key", lambda c: c.environment(action_mask_key="allowed")),
    ("observation_filter", lambda c: c.env_runners(observation_filter="MeanStdFilter")),
    ("render_env", lambda c: c.environment(render_env=True)),
    ("sample_timeout_s", lambda c: c.env_runners(sample_timeout_s=1.0)),
    ("gym_env_vectorize_mode", lambda c: c.env_runners(gym_env_vectorize_mode="async")),
    ("restart_failed", lambda c: c.fault_tolerance(restart_failed_sub_environments=True)),
    ("smoothing", lambda c: c.reporting(metrics_num_episodes_for_smoothing=5)),
    ("log_gradients", lambda c: c.reporting(log_gradients=True)),
    ("output", lambda c: c.offline_data(output="x", output_write_episodes=False)),
    ("torch_skip_nan_gradients", lambda c: c.framework(torch_skip_nan_gradients=True)),
    ("num_learners", lambda c: c.learners(num_learners=1)),
    ("policies_to_train", lambda c: c.multi_agent(policies_to_train=[])),
    ("policies", lambda c: c.multi_agent(policies={"one", "other"})),
    ("grad_clip_by='value'", lambda c: c.training(grad_clip_by="value")),
    ("on_episode_step is never", lambda c: c.callbacks(on_episode_step=lambda **_: None)),
    ("on_episode_end is never.*on_train_result", lambda c: c.callbacks(Unheard)),
    ("on_episode_end is never", lambda c: c.callbacks([Heard, partial(Unheard)])),
    ("use_lstm", model(use_lstm=True)),
]
OWN: list[tuple[Any, str, Change]] = [
    (build_config, "use_critic", lambda c: c.training(use_critic=False)),
    (build_config, "use_kl_loss", lambda c: c.training(use_kl_loss=True)),
    (build_config, "kl_coeff", lambda c: c.training(kl_coeff=0.5)),
    (build_config, "vf_clip_param", lambda c: c.training(vf_clip_param=1.0)),
    (build_config, "shuffle", lambda c: c.training(shuffle_batch_per_epoch=False)),
    (build_config, "size.*32 steps", lambda c: c.training(train_batch_size_per_learner=99_999)),
    (build_config, "vf_share_layers=True", model(vf_share_layers=True)),
    (build_config, "complete_episodes", lambda c: c.env_runners(batch_mode="complete_episodes")),
    (build_dqn_config, "num_epochs", lambda c: c.training(num_epochs=4)),
    (build_dqn_config, "num_atoms", lambda c: c.training(num_atoms=51)),
    (build_dqn_config, "adam_epsilon", lambda c: c.training(adam_epsilon=1e-3)),
    (build_sac_config, "q_model_config", lambda c: c.training(q_model_config={"x": 1})),
]


def built(build: Any) -> LeanConfig:
    kinds: dict[Any, Any] = {build_dqn_config: DQNSettings, build_sac_config: SACSettings}
    settings = kinds[build](hidden=(8,)) if build in kinds else SETTINGS
    config: LeanConfig = build(MakeChain(), settings)
    return config


@pytest.mark.parametrize(
    ("build", "told", "change"),
    [*((build, told, change) for build in ANY for told, change in SHARED), *OWN],
)
def test_settings_that_would_do_nothing_are_refused(build: Any, told: str, change: Change) -> None:
    """Who is not told would believe in them; the message says what to do instead."""
    config = built(build)
    config.validate()
    change(config)
    with pytest.raises(UnsupportedConfig, match=rf"{told}.*to_stock\(\)\.build_algo\(\)"):
        config.validate()


def test_a_memory_has_layers_of_tanh_alone() -> None:
    """Its network is our own, of which RLlib's settings know only the widths."""
    config = built(build_config)
    assert isinstance(config, LeanPPOConfig)
    config.remember(4).validate()
    model(fcnet_activation="relu")(config)
    with pytest.raises(UnsupportedConfig, match="fcnet_activation='relu'"):
        config.validate()


@pytest.mark.parametrize("kind", [LeanPPOConfig, LeanDQNConfig, LeanSACConfig])
def test_an_environment_that_is_no_batch_is_refused(kind: Any) -> None:
    """A name of gymnasium's ended with the KeyError of a process that had gone."""
    config = kind().environment("CartPole-v1").env_runners(rollout_fragment_length=16)
    with pytest.raises(UnsupportedConfig, match=r"env_config=\{\}.*'make_env'"):
        config.validate()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.callbacks(Heard),
        lambda c: c.callbacks(on_train_result=lambda **_: None),
        lambda c: c.training(train_batch_size_per_learner=32, minibatch_size=8),
        lambda c: c.env_runners(gym_env_vectorize_mode=gym.VectorizeMode.VECTOR_ENTRY_POINT),
        lambda c: c.training(grad_clip_by="norm"),
        model(fcnet_activation="relu"),
    ],
)
def test_settings_that_are_obeyed_are_not_refused(change: Change) -> None:
    """Refusing those too would take from RLlib's frame what it is kept for."""
    config = built(build_config)
    change(config)
    config.validate()


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("build", ANY)
def test_without_exploration_the_likeliest_is_decided(build: Any) -> None:
    """`explore=False` went by unheard, and decisions were drawn as ever."""
    config = built(build)
    config.env_runners(explore=False)
    algorithm: Any = config.build_algo()
    try:
        (rollout,) = algorithm._collect(16)
    finally:
        algorithm.close()
    np.testing.assert_array_equal(rollout.actions, rollout.logits.argmax(axis=2))


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
@pytest.mark.parametrize("told", [{"fcnet_activation": "relu"}, {"head_fcnet_hiddens": [8]}])
def test_networks_that_are_no_policy_are_not_told_as_one(told: dict[str, Any]) -> None:
    """Read as tanh layers and a linear head, their weights would decide otherwise."""
    config = built(build_config)
    model(**told)(config)
    algorithm: Any = config.build_algo()
    try:
        with pytest.raises(UnsupportedConfig, match="tanh layers"):
            algorithm.to_policy("other")
    finally:
        algorithm.close()
