"""PPO learns in every space of actions, and what it learned acts with numpy."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import VectorEnv

from tests.fakes import Dials, MakeChain, Thermostat
from training.heads import GaussianNumbers, JointChoice, LeverChoices
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.batched_runner import BatchedEnvRunner, UnsupportedEnvironment
from training.rllib.build import build_config, built_algorithm
from training.rllib.learner import Annealing
from training.rllib.session import quiet_ray
from training.rllib.settings import Budget, PPOSettings
from training.rllib.train import train_ppo

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = PPOSettings(
    hidden=(32,), num_envs=64, rollout_length=16, minibatch_size=256, learning_rate=3e-3
)
ITERATION = SETTINGS.transitions_per_iteration


def train(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]],
    iterations: int,
    warm_start: NetworkPolicy | None = None,
) -> NetworkPolicy:
    budget = Budget(steps=iterations * ITERATION)
    return train_ppo(make_env, SETTINGS, budget, warm_start=warm_start).policy


@pytest.mark.parametrize("masks", [False, True])
def test_dials_are_learned_each_for_itself(masks: bool) -> None:
    """Every light says where its dial belongs, so that nothing less than all right will do."""
    policy = train(partial(Dials, masks=masks), 15)
    assert policy.head == LeverChoices(sizes=(3, 2))
    env = Dials(64, masks=masks)
    seen, infos = env.reset(seed=9)
    for _ in range(4):
        lights = env.lights.copy()
        actions = policy.act(seen, infos.get("action_mask"))
        np.testing.assert_array_equal(actions, lights)
        seen, _, _, _, infos = env.step(actions)


def test_a_thermostat_is_learned_to_a_degree() -> None:
    """The best setting is linear in what is seen; an untrained policy is 2.5 degrees off and more.

    Half a degree in the mean is a thirtieth of the range, which the shrinking deviation allows.
    """
    policy = train(Thermostat, 40)
    assert isinstance(policy.head, GaussianNumbers)
    assert policy.head.low == (15.0,)
    env = Thermostat(256)
    seen, _ = env.reset(seed=9)
    actions = policy.act(seen)
    assert env.action_space.contains(actions)
    assert np.abs(actions[:, 0] - env.wanted()).mean() < 0.5
    assert policy.head.log_deviations[0] < 0.0
    again = train(Thermostat, 1, warm_start=policy)
    assert isinstance(again.head, GaussianNumbers)
    assert again.head.log_deviations[0] == pytest.approx(policy.head.log_deviations[0], abs=0.1)


def test_a_reference_holds_numbers_too() -> None:
    """The divergence from the loaded policy is 0 where nothing has changed yet."""
    settings = replace(SETTINGS, num_epochs=1, minibatch_size=ITERATION)
    with built_algorithm(Thermostat, settings) as algorithm:
        policy = algorithm.to_policy("start")
    with built_algorithm(Thermostat, settings, policy) as algorithm:
        held = Annealing(learning_rate=1e-3, entropy_coefficient=0.0, reference_weight=1.0)
        algorithm.iterate(held)
        losses = algorithm.learner._losses
    assert losses["reference_kl"].item() == pytest.approx(0.0, abs=1e-6)


def test_a_policy_of_another_form_is_no_start() -> None:
    """Five logits of dials might be five joint decisions by their number alone."""
    dials = train(Dials, 1)
    joint = replace(dials, head=JointChoice())
    with pytest.raises(InconsistentNetwork, match="cannot start from JointChoice"):
        train(Dials, 1, warm_start=joint)
    with pytest.raises(InconsistentNetwork, match="cannot start from LeverChoices"):
        train(MakeChain(), 1, warm_start=dials)


class Locked(Dials):
    """Allows no position of the second dial."""

    def allowed(self) -> np.ndarray:
        return super().allowed() & (np.arange(5) < 3)


class Limited(Thermostat):
    """Masks its degrees."""

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        observations, _ = super().reset(seed=seed, options=options)
        return observations, {"action_mask": np.ones((self.num_envs, 1), dtype=bool)}


@pytest.mark.parametrize(
    ("make_env", "told"), [(partial(Locked, masks=True), "allows nothing"), (Limited, "in a Box")]
)
def test_a_mask_that_cannot_be_obeyed_is_refused(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]], told: str
) -> None:
    """Each dial needs a position, however many others the other one has."""
    with quiet_ray():
        runner = BatchedEnvRunner(config=build_config(make_env, SETTINGS), worker_index=0)
    with pytest.raises(UnsupportedEnvironment, match=told):
        runner.collect(1)
