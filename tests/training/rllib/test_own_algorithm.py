"""RLlib's own algorithms stand in where a lean one cannot follow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.algorithms.sac import SAC
from ray.rllib.connectors.env_to_module import MeanStdFilter
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig

from tests.fakes import Counter, MakeChain, MaskedChain
from training.rllib.batched_runner import UnsupportedEnvironment
from training.rllib.build import build_config, build_dqn_config, build_sac_config
from training.rllib.lean import LeanAlgorithm, UnsupportedConfig
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.own_algorithm import OneByOne
from training.rllib.ppo import LeanPPOConfig
from training.rllib.settings import PPOSettings

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_cluster"),
    # RLlib registers its environment anew for every algorithm, of which gymnasium warns.
    pytest.mark.filterwarnings("ignore:.*Overriding environment rllib-"),
]

REPLAYING: dict[str, Any] = {
    "hidden": (8,), "num_envs": 4, "rollout_length": 4, "batch_size": 8, "learning_starts": 16,
    "updates_per_iteration": 3,
}  # fmt: skip
LSTM = DefaultModelConfig(
    fcnet_hiddens=[16], use_lstm=True, lstm_cell_size=8, max_seq_len=4, vf_share_layers=False
)


def ppo(**changes: Any) -> LeanPPOConfig:
    told: dict[str, Any] = {"hidden": (16,), "num_envs": 4, "rollout_length": 32}
    return build_config(
        MakeChain(), PPOSettings(**{**told, "minibatch_size": 32, "learning_rate": 5e-3, **changes})
    )


def returns_of(algorithm: Any, iterations: int) -> list[float]:
    try:
        results = [algorithm.train() for _ in range(iterations)]
    finally:
        algorithm.stop()
    return [result["env_runners"].get("episode_return_mean", np.nan) for result in results]


def test_a_network_of_rllib_that_remembers_is_trained_by_rllib() -> None:
    """Chance earns a third of 8; the right action of every place is to be learned."""
    config = ppo().rl_module(model_config=LSTM)
    with pytest.warns(UserWarning, match="use_lstm: RLlib's own PPOConfig stands in for LeanPPO"):
        algorithm = config.build_algo()
    assert type(algorithm) is PPO
    found = returns_of(algorithm, 25)
    assert found[0] < 4.0
    assert found[-1] > 6.0


class Seen(MeanStdFilter):
    """Remembers that it was asked, as any connector of a user's."""

    calls = 0

    def __call__(self, **told: Any) -> Any:
        Seen.calls += 1
        return super().__call__(**told)


def test_a_connector_is_asked_by_rllib() -> None:
    """A filter that is set and never asked would be believed in."""
    config = ppo().env_runners(env_to_module_connector=lambda *_: Seen())
    with pytest.warns(UserWarning, match=r"env_to_module_connector: .* one by one"):
        algorithm = config.build_algo()
    returns_of(algorithm, 1)
    assert Seen.calls >= 32


def test_replaying_algorithms_keep_their_updates_and_their_entropy() -> None:
    """RLlib counts updates by rows a step, and its own target entropy is out of reach."""
    dqn: Any = build_dqn_config(MakeChain(), DQNSettings(**REPLAYING)).to_stock()
    assert dqn.training_intensity == 3 * 8 / (4 * 4)
    config: Any = build_sac_config(MakeChain(), SACSettings(**REPLAYING))
    config.env_runners(env_to_module_connector=lambda *_: Seen())
    assert config.to_stock().target_entropy == pytest.approx(0.3 * np.log(3))
    with pytest.warns(UserWarning, match="RLlib's own SACConfig stands in for LeanSAC"):
        algorithm: Any = config.build_algo()
    assert type(algorithm) is SAC
    assert np.isfinite(returns_of(algorithm, 4)[-1])


def test_what_is_obeyed_stays_lean_and_what_neither_follows_is_refused() -> None:
    """No setting may be lost on the way to the other algorithm."""
    algorithm = ppo().build_algo()
    assert isinstance(algorithm, LeanAlgorithm)
    algorithm.close()
    both = ppo().rl_module(model_config=LSTM).training(use_critic=False)
    with pytest.raises(UnsupportedConfig, match="use_critic=False"):
        both.build_algo()
    with pytest.raises(UnsupportedConfig, match="discount_minutes=5"):
        ppo(discount_minutes=5.0).to_stock()
    with pytest.raises(UnsupportedConfig, match=r"memory_units=4.*remember\(0\)"):
        ppo(memory=4).to_stock()
    replayed = build_dqn_config(MakeChain(), DQNSettings(**REPLAYING)).rl_module(model_config=LSTM)
    for ask in (replayed.build_algo, replayed.to_stock):
        with pytest.raises(UnsupportedConfig, match=r"train LeanPPO with remember"):
            ask()


def test_the_way_out_of_a_refusal_is_one_call() -> None:
    """What the message says is run as it stands there."""
    config = ppo().training(use_kl_loss=True)
    with pytest.raises(UnsupportedConfig, match=r"config.to_stock\(\).build_algo\(\)"):
        config.validate()
    stock = config.to_stock()
    assert stock.kl_coeff > 0.0
    assert stock.total_train_batch_size == 4 * 32
    assert len(returns_of(stock.build_algo(), 1)) == 1
    assert config.env == "surrogym-batched"


def test_one_by_one_no_observation_is_lost_or_seen_twice() -> None:
    """The batch begins the next episode by itself, which the reset then hands out."""
    environment = OneByOne(Counter)
    seen = [environment.reset(seed=0)[0]]
    for _ in range(7):
        observation, reward, terminated, truncated, _ = environment.step(np.int64(0))
        seen.append(observation)
        assert reward == observation[2]
        if terminated or truncated:
            seen.append(environment.reset()[0])
    told = [tuple(row[1:].astype(int)) for row in seen]
    assert told == [
        (0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)
    ]  # fmt: skip


def test_masked_decisions_are_refused_one_by_one() -> None:
    """RLlib's networks would take what the environment forbids."""
    with pytest.raises(UnsupportedEnvironment, match="forbids decisions"):
        OneByOne(MaskedChain).reset(seed=0)
