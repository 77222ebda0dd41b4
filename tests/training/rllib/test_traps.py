"""What goes wrong in RLlib without a word, and does not here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ray import tune
from ray.rllib.core import DEFAULT_MODULE_ID

from tests.fakes import MakeChain
from training.rllib.batched_runner import BatchedEnvRunner
from training.rllib.build import build_config, built_algorithm
from training.rllib.learner import ORDERED, Annealing, LeanPPOLearner
from training.rllib.ppo import LeanPPO
from training.rllib.session import RayExecutor, one_torch_thread, quiet_ray, ray_session
from training.rllib.settings import PPOSettings

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = PPOSettings(
    hidden=(16,), num_envs=16, rollout_length=16, minibatch_size=64, learning_rate=3e-3
)
STEADY = Annealing(learning_rate=3e-3, entropy_coefficient=0.01)


def build_runner() -> BatchedEnvRunner:
    with quiet_ray():
        return BatchedEnvRunner(config=build_config(MakeChain(), SETTINGS), worker_index=0)


def build_learner(runner: BatchedEnvRunner, settings: PPOSettings = SETTINGS) -> LeanPPOLearner:
    with quiet_ray():
        config = build_config(MakeChain(), settings)
        get_spaces: Any = runner.get_spaces
        learner: Any = config.build_learner(env=runner.env, spaces=get_spaces())
    assert isinstance(learner, LeanPPOLearner)
    return learner


def weights_of(learner: LeanPPOLearner) -> dict[str, np.ndarray]:
    return {
        name: array.copy() for name, array in learner.module[DEFAULT_MODULE_ID].get_state().items()
    }


def test_policy_and_value_share_no_layer() -> None:
    """RLlib's model settings share layers unless told otherwise, which halved what PPO earned."""
    network: Any = build_learner(build_runner())._network
    batch = {"obs": torch.randn(8, 5)}
    network._forward_train(batch)["action_dist_inputs"].sum().backward()
    decides = {name for name, weight in network.named_parameters() if weight.grad is not None}
    network.zero_grad(set_to_none=True)
    network.compute_values(batch).sum().backward()
    judges = {name for name, weight in network.named_parameters() if weight.grad is not None}
    assert len(decides) == len(judges) == 4
    assert not decides & judges


def threads() -> int:
    return torch.get_num_threads()


def test_torch_has_one_thread_wherever_small_networks_are_trained() -> None:
    """With more, threads wait for each other: training was eighteen times slower with two."""
    with ray_session(), RayExecutor() as executor:
        assert threads() == 1
        assert executor.submit(threads).result(timeout=60) == 1
    before = threads()
    torch.set_num_threads(3)
    with one_torch_thread():
        assert threads() == 1
    assert threads() == 3
    torch.set_num_threads(before)


@pytest.mark.parametrize("runners", [0, 1])
def test_the_first_rollout_after_a_restore_is_by_the_restored_weights(
    runners: int, tmp_path: Path
) -> None:
    """A remote runner may be told of weights in another order than they are asked for.

    So they come with the request; logits agree to single precision.
    """
    settings = replace(SETTINGS, num_env_runners=runners)
    with built_algorithm(MakeChain(), SETTINGS) as algorithm:
        algorithm.iterate(replace(STEADY, learning_rate=0.05))
        saved = algorithm.to_policy("saved")
        algorithm.save_to_path(str(tmp_path))
    with built_algorithm(MakeChain(), replace(settings, seed=7)) as algorithm:
        restore: Any = algorithm.restore_from_path
        restore(str(tmp_path))
        (rollout,) = algorithm._collect(SETTINGS.rollout_length)
    expected = saved.logits(rollout.observations.reshape(-1, 5)).reshape(rollout.logits.shape)
    np.testing.assert_allclose(rollout.logits, expected, atol=1e-5)


def test_a_restored_learner_learns_as_the_one_that_was_saved(tmp_path: Path) -> None:
    """RLlib's own PPO comes back without its coefficient of KL: what the update needs must not.

    From the same rollout both learn the same, also what comes in which minibatch.
    """
    runner = build_runner()
    first, second = build_learner(runner), build_learner(runner)
    first.learn([runner.collect(16)], timesteps={}, annealing=STEADY)
    first.save_to_path(str(tmp_path))
    second.restore_from_path(str(tmp_path))
    assert first.reward_scale == second.reward_scale != 1.0
    rollout = runner.collect(16)
    for learner in (first, second):
        learner.learn([rollout], timesteps={}, annealing=STEADY)
    after = weights_of(second)
    for name, weight in weights_of(first).items():
        np.testing.assert_array_equal(weight, after[name])


def test_a_state_from_before_the_order_was_kept_loads() -> None:
    """Checkpoints of earlier versions have no order of rows in them."""
    runner = build_runner()
    first, second = build_learner(runner), build_learner(runner)
    first.learn([runner.collect(16)], timesteps={}, annealing=STEADY)
    second.set_state({name: kept for name, kept in first.get_state().items() if name != ORDERED})
    after = weights_of(second)
    for name, weight in weights_of(first).items():
        np.testing.assert_array_equal(weight, after[name])


def test_there_is_no_coefficient_of_kl_that_could_be_forgotten() -> None:
    """RLlib's adapts while it learns and begins anew after a restore, whatever it had come to.

    Ours is held to the policy that was loaded, by a weight that the caller sets every time.
    """
    config = build_config(MakeChain(), SETTINGS)
    assert (config.use_kl_loss, config.kl_coeff) == (False, 0.0)


@pytest.mark.parametrize("annealing", [None, replace(STEADY, learning_rate=1e-9)])
def test_the_step_size_is_the_new_one_from_the_first_update_on(
    annealing: Annealing | None, tmp_path: Path
) -> None:
    """An optimiser brings its old step size along, with which one update can undo a good policy."""
    runner = build_runner()
    eager = build_learner(runner)
    eager.learn([runner.collect(16)], timesteps={}, annealing=STEADY)
    eager.save_to_path(str(tmp_path))
    calm = build_learner(runner, replace(SETTINGS, learning_rate=1e-9))
    calm.restore_from_path(str(tmp_path))
    before = weights_of(calm)
    calm.learn([runner.collect(16)], timesteps={}, annealing=annealing)
    optimiser: Any = calm.get_optimizer(DEFAULT_MODULE_ID)
    assert optimiser.param_groups[0]["lr"] == 1e-9
    for name, weight in weights_of(calm).items():
        np.testing.assert_allclose(weight, before[name], atol=1e-6)


def test_tune_trains_it_and_its_checkpoint_is_the_policy(tmp_path: Path) -> None:
    """A search over settings must be able to hand on what it found."""
    with quiet_ray():
        space: Any = build_config(MakeChain(), SETTINGS)
        tuner: Any = tune.Tuner(
            LeanPPO,
            param_space=space,
            run_config=tune.RunConfig(
                name="smoke",
                storage_path=str(tmp_path),
                stop={"training_iteration": 2},
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=True),
                verbose=0,
            ),
        )
        (result,) = tuner.fit()
    assert result.error is None
    assert result.metrics is not None
    assert result.metrics["num_env_steps_sampled_lifetime"] == 512
    assert result.checkpoint is not None
    with built_algorithm(MakeChain(), replace(SETTINGS, seed=7)) as algorithm:
        fresh = algorithm.to_policy("fresh")
        restore: Any = algorithm.restore_from_path
        restore(result.checkpoint.path)
        found = algorithm.to_policy("found")
    assert algorithm.iteration == 2
    assert not np.array_equal(found.weights[0], fresh.weights[0])
