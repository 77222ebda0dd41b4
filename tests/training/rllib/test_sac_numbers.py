"""SAC of numbers in a box: its losses, and trainings from the environment to the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from tests.fakes import Thermostat
from training.heads import SquashedNumbers
from training.policies import InconsistentNetwork
from training.rllib.build import build_sac_config, built_algorithm
from training.rllib.experience import WEIGHT
from training.rllib.off_policy_settings import SACSettings
from training.rllib.sac_learner import SACAnnealing
from training.rllib.sac_networks import NOISE, NOISE_NEXT, entropy_to_keep
from training.rllib.session import one_torch_thread, quiet_ray
from training.rllib.settings import Budget, PPOSettings
from training.rllib.train import Training, train_ppo, train_sac

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

ROWS, FEATURES, NUMBERS, DISCOUNT = 32, 5, 2, 0.99
MODULE = "default_policy"
SETTINGS = SACSettings(
    hidden=(32, 32),
    num_envs=64,
    rollout_length=8,
    updates_per_iteration=16,
    learning_starts=1024,
    learning_rate=3e-3,
    entropy_share=0.1,
)
ITERATION = SETTINGS.transitions_per_iteration
ANNEALING = SACAnnealing(learning_rate=1e-3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With more, threads would wait for each other: the networks are small."""
    with one_torch_thread():
        yield


@pytest.fixture(scope="module")
def solved(ray_cluster: None) -> Training:
    """A training that later ones and claims about it start from."""
    return train_sac(Thermostat, SETTINGS, Budget(steps=30 * ITERATION), name="thermostat")


def degrees_off(training: Training) -> float:
    """Of the greedy policy, on average; an even choice is 4 degrees off and more."""
    env = Thermostat(256)
    seen, _ = env.reset(seed=9)
    actions = training.policy.act(seen)
    assert env.action_space.contains(actions)
    return float(np.abs(actions[:, 0] - env.wanted()).mean())


def test_a_thermostat_is_learned_to_a_degree(solved: Training) -> None:
    """As exactly as PPO is asked to: half a degree in the mean, a thirtieth of the range."""
    assert degrees_off(solved) < 0.5
    assert solved.policy.head == SquashedNumbers(low=(15.0,), high=(30.0,))
    assert solved.policy.name == "thermostat"


def test_several_steps_and_a_single_network_learn_it_too() -> None:
    """Both are settings, so both must work; who sums steps of older policies needs more of them."""
    settings = replace(SETTINGS, n_step=2, twin_q=False)
    training = train_sac(Thermostat, settings, Budget(steps=40 * ITERATION))
    assert degrees_off(training) < 1.0


def test_the_same_seed_gives_the_same_policy() -> None:
    """Also what is drawn within the updates has its seed."""
    budget = Budget(steps=4 * ITERATION)
    first, second = (train_sac(Thermostat, SETTINGS, budget).policy for _ in range(2))
    other = train_sac(Thermostat, replace(SETTINGS, seed=1), budget).policy
    for name, tensor in first.to_tensors().items():
        np.testing.assert_array_equal(tensor, second.to_tensors()[name])
    assert not np.array_equal(first.weights[0], other.weights[0])


@pytest.mark.parametrize("runners", [0, 1])
def test_a_warm_start_acts_from_the_first_rollout(solved: Training, runners: int) -> None:
    """It goes as the last rollout of the training that gave the policy, deviations included."""
    still = replace(SETTINGS, num_env_runners=runners, learning_rate=1e-9, learning_starts=512)
    budget = Budget(steps=ITERATION)
    training = train_sac(Thermostat, still, budget, warm_start=solved.policy)
    first, late = training.curve[0].mean_return, solved.curve[-1].mean_return
    assert first is not None
    assert late is not None
    fresh = solved.curve[0].mean_return
    assert fresh is not None
    assert first > late - 0.1 * (late - fresh)
    seen, _ = Thermostat(32).reset(seed=2)
    np.testing.assert_allclose(training.policy.act(seen), solved.policy.act(seen), atol=1e-3)


def test_a_policy_of_unsquashed_numbers_is_no_warm_start() -> None:
    """PPO's numbers are clipped and have deviations of their own."""
    settings = PPOSettings(hidden=(32, 32), num_envs=64, rollout_length=8, minibatch_size=256)
    policy = train_ppo(Thermostat, settings, Budget(steps=1)).policy
    with pytest.raises(InconsistentNetwork, match=r"GaussianNumbers.*by PPO"):
        train_sac(Thermostat, SETTINGS, Budget(steps=1), warm_start=policy)


def test_a_checkpoint_restores_what_numbers_are_drawn_by(tmp_path: Path) -> None:
    """Else the next updates of a restored training would lead elsewhere."""

    def go_on(algorithm: Any) -> dict[str, np.ndarray]:
        batches = algorithm.replay.draw(5, 64, algorithm._random)
        steps = {"num_env_steps_sampled_lifetime": algorithm.lifetime_steps}
        algorithm.learner.learn(batches, timesteps=steps, annealing=ANNEALING)
        state: dict[str, np.ndarray] = algorithm.learner.module[MODULE].get_state()
        return {name: np.array(tensor) for name, tensor in state.items()}

    with built_algorithm(Thermostat, SETTINGS) as algorithm:
        for _ in range(2):
            algorithm.iterate(ANNEALING)
        algorithm.save_to_path(str(tmp_path))
        expected = go_on(algorithm)
    with built_algorithm(Thermostat, replace(SETTINGS, seed=5)) as algorithm:
        restore: Any = algorithm.restore_from_path
        restore(str(tmp_path))
        found = go_on(algorithm)
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor)


def test_the_entropy_to_keep_is_that_of_an_even_draw() -> None:
    """From three tenths of a range that is 2 wide: log 0.6 each; RLlib's -1 each is a share."""
    box = gymnasium.spaces.Box(0.0, 5.0, (3,))
    assert entropy_to_keep(box, 0.3) == pytest.approx(3 * np.log(0.6))
    assert entropy_to_keep(box, np.exp(-1.0) / 2) == pytest.approx(-3.0)
    assert entropy_to_keep(gymnasium.spaces.Discrete(4), 0.5) == pytest.approx(np.log(2.0))


def build_learner(config: Any) -> Any:
    observation = gymnasium.spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
    spaces: Any = (observation, gymnasium.spaces.Box(-1.0, 1.0, (NUMBERS,), np.float32))
    with quiet_ray():
        learner: Any = config.build_learner(spaces={MODULE: spaces, "__env__": spaces})
    return learner


def make_batch() -> dict[str, torch.Tensor]:
    random = np.random.default_rng(0)
    columns = {
        Columns.OBS: random.normal(size=(ROWS, FEATURES)),
        Columns.ACTIONS: random.uniform(-1, 1, size=(ROWS, NUMBERS)),
        Columns.REWARDS: random.normal(size=ROWS),
        Columns.NEXT_OBS: random.normal(size=(ROWS, FEATURES)),
        WEIGHT: np.where(random.random(ROWS) < 0.3, 0.0, DISCOUNT),
    }
    return {name: torch.from_numpy(column.astype(np.float32)) for name, column in columns.items()}


def test_losses_and_gradients_are_rllib_s_own() -> None:
    """Whoever comes from RLlib must find the same algorithm: equal weights and draws, equal loss.

    RLlib draws from torch's own stream, first now and then next; ours is given those numbers.
    """
    settings = SACSettings(hidden=(16,), reward_scale=1.0, initial_temperature=0.5)
    config = build_sac_config(Thermostat, settings)
    config.training(target_entropy=-1.5)
    lean = build_learner(config)
    stock_config = build_sac_config(Thermostat, settings)
    stock_config.rl_module(rl_module_spec=RLModuleSpec(module_class=DefaultSACTorchRLModule))
    stock_config.training(learner_class=SACTorchLearner, target_entropy=-1.5)
    stock = build_learner(stock_config)
    torch.manual_seed(3)
    for _, present in lean._target_pairs:
        present.data += 0.3 * torch.randn_like(present)
    stock.module.set_state(lean.module.get_state())
    batch = make_batch()
    theirs = {
        **{name: column for name, column in batch.items() if name != WEIGHT},
        Columns.TERMINATEDS: batch[WEIGHT] == 0.0,
        "n_step": torch.ones(ROWS),
        "weights": torch.ones(ROWS),
    }
    torch.manual_seed(7)
    zeros, ones = torch.zeros(ROWS, NUMBERS), torch.ones(ROWS, NUMBERS)
    ours = {**batch, NOISE: torch.normal(zeros, ones), NOISE_NEXT: torch.normal(zeros, ones)}
    torch.manual_seed(7)
    losses = []
    for learner, told in ((lean, ours), (stock, theirs)):
        whole = {MODULE: told}
        outputs = learner.module.forward_train(whole)
        loss = learner.compute_losses(fwd_out=outputs, batch=whole)[MODULE]
        losses.append(float(loss.detach()))
        if learner is lean:
            loss.backward()
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    gradients = [weight.grad for weight in lean.module[MODULE].unwrapped().parameters()]
    present = [gradient for gradient in gradients if gradient is not None]
    assert present
    assert all(bool(torch.isfinite(gradient).all()) for gradient in present)


def test_the_policy_s_loss_leaves_the_values_alone() -> None:
    """Values that are pushed up to please the policy would promise whatever it likes."""
    settings = SACSettings(hidden=(16,), reward_scale=1.0)
    lean = build_learner(build_sac_config(Thermostat, settings))
    network = lean.module[MODULE].unwrapped()
    batch = lean._prepared(make_batch())
    outlook = network.form.outlook(batch, network._forward_train(batch), 0.3)
    (-outlook.value).mean().backward()
    moved = {name for name, weight in network.named_parameters() if weight.grad is not None}
    assert moved
    assert all(name.startswith(("pi.", "pi_encoder.")) for name in moved)
    assert all(weight.requires_grad for weight in network.qf.parameters())
