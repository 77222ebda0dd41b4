"""PPO with a memory: carried by the runner, learned through whole rollouts, kept in charge."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium.vector import VectorEnv

from envs.vector import VectorEnvironment
from tests.fakes import Counter, Dials, Thermostat
from tests.training.lights import (
    BEST_WITHOUT_MEMORY,
    EPOCHS,
    OBJECTIVE,
    Lights,
    PresentLight,
    lights_problem,
)
from training.controllers import MissingMemory, PolicyController
from training.evaluation import run_days
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.batched_runner import BatchedEnvRunner
from training.rllib.build import build_config
from training.rllib.fine_tune import gentle
from training.rllib.learner import Annealing, LeanPPOLearner
from training.rllib.rollout import Rollout
from training.rllib.session import quiet_ray
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.train import train_ppo

SETTINGS = PPOSettings(
    hidden=(8,),
    memory=6,
    num_envs=4,
    rollout_length=9,
    minibatch_size=18,
    learning_rate=1e-2,
)
MakeEnv = Callable[[int], VectorEnv[Any, Any, Any]]


def built(
    make_env: MakeEnv, settings: PPOSettings = SETTINGS
) -> tuple[BatchedEnvRunner, LeanPPOLearner]:
    with quiet_ray():
        config = build_config(make_env, settings)
        runner = BatchedEnvRunner(config=config, worker_index=0)
        get_spaces: Any = runner.get_spaces
        learner: Any = config.build_learner(env=runner.env, spaces=get_spaces())
    runner.set_state({"rl_module": learner.module["default_policy"].get_state()})
    return runner, learner


def replayed(policy: NetworkPolicy, rollout: Rollout, memory: np.ndarray) -> np.ndarray:
    """Inputs of the distributions by numpy, step after step; the memory ends with an episode."""
    inputs = []
    for seen, ended in zip(rollout.observations, rollout.ended, strict=True):
        inputs.append(policy.head.spread(policy.logits(seen, memory)))
        memory = policy.remember(seen, memory) * ~ended[:, None]
    return np.array(inputs)


@pytest.mark.parametrize("make_env", [Counter, Dials, Thermostat])
def test_the_policy_remembers_in_numpy_what_the_runner_carries(make_env: MakeEnv) -> None:
    """Over two rollouts and the ends of episodes in both, whatever is decided: to 1e-5."""
    runner, learner = built(make_env)
    policy = learner.to_policy("as built")
    first, second = runner.collect(9), runner.collect(9)
    assert first.ended.any()
    assert not first.ended[-1].all()
    assert first.memories is not None
    assert second.memories is not None
    np.testing.assert_allclose(replayed(policy, first, policy.begin(4)), first.logits, atol=1e-5)
    before = second.memories.before
    np.testing.assert_allclose(replayed(policy, second, before), second.logits, atol=1e-5)
    np.testing.assert_array_equal(before[first.ended[-1]], 0.0)
    assert (before[~first.ended[-1]] != 0.0).any()


def test_values_know_what_was_remembered_when_an_episode_ended() -> None:
    """Of the episode that ended, not of the one that began in the same step."""
    runner, learner = built(Counter)
    policy, rollout = learner.to_policy("as built"), runner.collect(9)
    assert rollout.memories is not None
    ends = np.argwhere(rollout.ended)
    at_end = rollout.memories.after[ends[:, 0], ends[:, 1]]
    expected = policy.remember(rollout.final_observations, at_end)
    np.testing.assert_allclose(rollout.memories.after_final, expected, atol=1e-5)
    kept = rollout.memories.after[-1] * ~rollout.ended[-1][:, None]
    last = policy.remember(rollout.last_observations, kept)
    np.testing.assert_allclose(rollout.memories.after_last, last, atol=1e-5)
    wide = rollout.with_memories().final_observations
    np.testing.assert_allclose(
        learner._values(wide), policy.values(rollout.final_observations, at_end), atol=1e-5
    )


@pytest.mark.parametrize("make_env", [Counter, Thermostat, partial(Dials, masks=True)])
def test_before_anything_is_learned_the_learner_agrees_with_the_runner(make_env: MakeEnv) -> None:
    """Going through the sequences anew gives the chances with which was decided, for every row.

    An episode that begins in the middle, an environment or a step out of place would show.
    """
    runner, learner = built(make_env)
    runner.collect(5)
    batch = learner._to_batch([runner.collect(9), runner.collect(9)])
    rows = 0
    for minibatch in learner._minibatches(batch):
        inputs = learner._network._forward_train(minibatch)["action_dist_inputs"]
        inputs = inputs.masked_fill(~minibatch.get("allowed", torch.ones_like(inputs) > 0), -1e9)
        judged = learner._distribution.judge(inputs, minibatch["actions"])
        torch.testing.assert_close(
            judged.log_probability, minibatch["action_logp"], atol=1e-5, rtol=1e-4
        )
        rows += len(minibatch["action_logp"])
    assert rows == 2 * 9 * 4


def test_gradients_reach_back_over_epochs() -> None:
    """What to keep in mind is learned from what it was good for later."""
    runner, learner = built(Thermostat)
    batch = next(learner._minibatches(learner._to_batch([runner.collect(3)])))
    seen = batch["obs"].clone().requires_grad_()
    inputs = learner._network._forward_train({**batch, "obs": seen})["action_dist_inputs"]
    inputs[-1, 0].backward()
    assert seen.grad is not None
    assert (seen.grad[:, -1] != 0.0).all()
    assert not seen.grad[:, :-1].any()


def test_a_reference_is_refused_with_a_memory() -> None:
    """What the loaded policy would remember is not what this one does."""
    with pytest.raises(InvalidSettings, match="0 with memory=6"):
        replace(SETTINGS, reference_weight=0.1)
    assert gentle(SETTINGS).reference_weight == 0.0
    assert gentle(replace(SETTINGS, memory=0)).reference_weight > 0.0


def test_updates_fit_what_was_earned() -> None:
    """The value network sees the memory: its error on one rollout falls as it is learned from."""
    runner, learner = built(Counter, replace(SETTINGS, num_epochs=20))
    rollout, losses = runner.collect(9), []
    steady = Annealing(learning_rate=1e-2, entropy_coefficient=0.0)
    for _ in range(3):
        learner.learn([rollout], timesteps={}, annealing=steady)
        losses.append(learner._losses["vf_loss"].item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.ray
@pytest.mark.usefixtures("ray_cluster")
def test_a_memory_pays_where_the_past_tells_more() -> None:
    """On a row of lights of which only the present shows, one that remembers makes no mistake.

    Without a memory 2.5 of 6 decisions a day are wrong at best, so less than half of one is out
    of reach. The policy stays what it is when training goes on from it.
    """
    settings = replace(
        SETTINGS, hidden=(16,), memory=8, num_envs=64, rollout_length=18, minibatch_size=288,
        discount=0.0,
    )  # fmt: skip
    budget = Budget(steps=25 * settings.transitions_per_iteration)
    make_env = partial(VectorEnvironment, lights_problem())
    policy = train_ppo(make_env, settings, budget).policy
    assert policy.units == 8
    controller = PolicyController(policy=policy, observation=PresentLight(), name="remembers")
    days = run_days(Lights, controller, OBJECTIVE, tuple(range(40)), {})
    assert EPOCHS == 6
    assert np.mean([day.cost for day in days]) < 0.2 * BEST_WITHOUT_MEMORY
    with pytest.raises(MissingMemory, match="remembers 8 numbers"):
        controller.decide(np.zeros((1, 2)))
    again = train_ppo(
        make_env, replace(settings, learning_rate=1e-9), Budget(steps=1), warm_start=policy
    ).policy
    seen, before = np.ones((3, 1), dtype=np.float32), policy.begin(3)
    np.testing.assert_allclose(again.logits(seen, before), policy.logits(seen, before), atol=1e-5)
    with pytest.raises(InconsistentNetwork, match="memory of 8 units"):
        train_ppo(make_env, replace(settings, memory=0), Budget(steps=1), warm_start=policy)
