"""The updates of DQN and SAC on batches whose losses can be computed by hand, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from ray.rllib.algorithms.dqn.torch.default_dqn_torch_rl_module import DefaultDQNTorchRLModule
from ray.rllib.algorithms.dqn.torch.dqn_torch_learner import DQNTorchLearner
from ray.rllib.algorithms.sac.torch.default_sac_torch_rl_module import DefaultSACTorchRLModule
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from tests.fakes import MakeChain
from training.heads import LeverChoices
from training.memory import GatedMemory
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.build import build_dqn_config, build_sac_config
from training.rllib.experience import ALLOWED, ALLOWED_NEXT, WEIGHT
from training.rllib.lean import LeanConfig, UnsupportedConfig
from training.rllib.lean_learner import TrainingDiverged
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.session import one_torch_thread, quiet_ray

ROWS, FEATURES, DECISIONS = 32, 5, 3
DISCOUNT = 0.99
MODULE = "default_policy"
DISCRETE: gymnasium.Space[Any] = gymnasium.spaces.Discrete(DECISIONS)
DQN = DQNSettings(hidden=(16,), reward_scale=1.0)
SAC = SACSettings(hidden=(16,), reward_scale=1.0, initial_temperature=0.5)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """With more, threads would wait for each other: the networks are small."""
    with one_torch_thread():
        yield


def build_config(settings: OffPolicySettings) -> Any:
    build: Any = build_dqn_config if isinstance(settings, DQNSettings) else build_sac_config
    return build(MakeChain(), settings)


def build_learner(
    settings: OffPolicySettings,
    config: LeanConfig | None = None,
    actions: gymnasium.Space[Any] = DISCRETE,
) -> Any:
    observation = gymnasium.spaces.Box(-np.inf, np.inf, (FEATURES,), np.float32)
    spaces: Any = (observation, actions)
    with quiet_ray():
        found = config or build_config(settings)
        learner: Any = found.build_learner(spaces={MODULE: spaces, "__env__": spaces})
    return learner


def make_batch(*, masked: bool, seed: int = 0) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    seen, following = random.normal(size=(2, ROWS, FEATURES)).astype(np.float32)
    actions = random.integers(DECISIONS, size=ROWS)
    weights = np.where(random.random(ROWS) < 0.3, 0.0, DISCOUNT).astype(np.float32)
    batch = {
        Columns.OBS: seen,
        Columns.ACTIONS: actions,
        Columns.REWARDS: random.normal(size=ROWS).astype(np.float32),
        Columns.NEXT_OBS: following,
        WEIGHT: weights,
    }
    if masked:
        masks = random.random((2, ROWS, DECISIONS)) < 0.6
        masks[0, np.arange(ROWS), actions] = True
        masks[1, np.arange(ROWS), random.integers(DECISIONS, size=ROWS)] = True
        batch |= {ALLOWED: masks[0], ALLOWED_NEXT: masks[1]}
    return {name: torch.from_numpy(column) for name, column in batch.items()}


def loss_of(learner: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    whole = {MODULE: batch}
    losses = learner.compute_losses(fwd_out=learner.module.forward_train(whole), batch=whole)
    loss: torch.Tensor = losses[MODULE]
    return loss


def unlike_its_target(learner: Any) -> Any:
    """The learner with present networks that differ from the targets, which they begin as."""
    torch.manual_seed(3)
    for _, present in learner._target_pairs:
        present.data += 0.3 * torch.randn_like(present)
    return learner


def huber(errors: np.ndarray) -> float:
    size = np.abs(errors)
    return float(np.where(size < 1, size**2 / 2, size - 0.5).mean())


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("double_q", [False, True])
@pytest.mark.parametrize("dueling", [False, True])
def test_dqn_learns_towards_the_best_that_is_allowed_next(
    double_q: bool, dueling: bool, masked: bool
) -> None:
    """The target is reward plus weight times the target network's value of the best decision.

    With `double_q` the present network says which is best, and never one that is not allowed.
    """
    settings = replace(DQN, double_q=double_q, dueling=dueling)
    learner = unlike_its_target(build_learner(settings))
    batch = make_batch(masked=masked)
    module = learner.module[MODULE].unwrapped()
    with torch.no_grad():
        present = module.compute_q_values({"obs": batch[Columns.OBS]})["qf_preds"].numpy()
        chooser = module.compute_q_values({"obs": batch[Columns.NEXT_OBS]})["qf_preds"].numpy()
        target = module.forward_target({"obs": batch[Columns.NEXT_OBS]})["qf_preds"].numpy()
    chosen_by = chooser if double_q else target
    if masked:
        chosen_by = np.where(batch[ALLOWED_NEXT].numpy(), chosen_by, -np.inf)
    rows = np.arange(ROWS)
    following = target[rows, chosen_by.argmax(axis=1)]
    wanted = batch[Columns.REWARDS].numpy() + batch[WEIGHT].numpy() * following
    predicted = present[rows, batch[Columns.ACTIONS].numpy()]
    found = loss_of(learner, batch)
    assert float(found.detach()) == pytest.approx(huber(predicted - wanted), rel=1e-5)


@pytest.mark.parametrize("masked", [False, True])
def test_sac_s_losses_are_those_of_the_masked_policy(masked: bool) -> None:
    """Expectations are sums over what is allowed; what is not has chance 0 and never 0 * log 0.

    Values: squared-then-linear error against the expected lesser target value plus the price of
    entropy. Policy: that price times negative entropy less the expected value. Temperature: the
    entropy beyond the share of the most there could be, row by row.
    """
    learner = unlike_its_target(build_learner(SAC))
    batch = make_batch(masked=masked)
    module = learner.module[MODULE].unwrapped()
    with torch.no_grad():
        outputs = {k: v.numpy().astype(float) for k, v in module._forward_train(batch).items()}
    everything = np.ones((ROWS, DECISIONS), dtype=bool)
    masks = [batch[k].numpy() if masked else everything for k in (ALLOWED, ALLOWED_NEXT)]
    chances = []
    for key, mask in zip(("action_dist_inputs", "action_dist_inputs_next"), masks, strict=True):
        odds = np.exp(outputs[key]) * mask
        chances.append(odds / odds.sum(axis=1, keepdims=True))
    entropy, entropy_next = (
        -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(axis=1) for p in chances
    )
    following = (chances[1] * outputs["q_target_next"]).sum(axis=1) + 0.5 * entropy_next
    wanted = batch[Columns.REWARDS].numpy() + batch[WEIGHT].numpy() * following
    rows, actions = np.arange(ROWS), batch[Columns.ACTIONS].numpy()
    critics = [outputs[key] for key in ("qf_preds", "qf_twin_preds")]
    values = sum(huber(critic[rows, actions] - wanted) for critic in critics)
    lesser = np.minimum(*critics)
    policy = (-0.5 * entropy - (chances[0] * lesser).sum(axis=1)).mean()
    most = np.log(masks[0].sum(axis=1))
    temperature = (np.log(0.5) * (entropy - SAC.entropy_share * most)).mean()
    found = loss_of(learner, batch)
    assert float(found.detach()) == pytest.approx(values + policy + temperature, rel=1e-4)
    found.backward()
    gradients = [weight.grad for weight in module.parameters() if weight.grad is not None]
    assert gradients
    assert all(bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_without_masks_the_losses_are_rllib_s_own() -> None:
    """Whoever comes from RLlib must find the same algorithm: equal weights, equal loss."""
    batch = make_batch(masked=False)
    theirs = {
        **{name: column for name, column in batch.items() if name != WEIGHT},
        Columns.TERMINATEDS: batch[WEIGHT] == 0.0,
        "n_step": torch.ones(ROWS),
        "weights": torch.ones(ROWS),
    }
    for settings, network, kind in (
        (DQN, DefaultDQNTorchRLModule, DQNTorchLearner),
        (SAC, DefaultSACTorchRLModule, SACTorchLearner),
    ):
        lean = unlike_its_target(build_learner(settings))
        config = build_config(settings)
        config.rl_module(rl_module_spec=RLModuleSpec(module_class=network))
        config.training(learner_class=kind)
        if isinstance(settings, SACSettings):
            config.training(target_entropy=0.7)
            lean.config = lean.config.copy(copy_frozen=False)
            lean.config.target_entropy = 0.7
        stock = build_learner(settings, config)
        stock.module.set_state(lean.module.get_state())
        ours = float(loss_of(lean, batch).detach())
        assert float(loss_of(stock, theirs).detach()) == pytest.approx(ours, rel=1e-5)


@pytest.mark.parametrize("settings", [DQN, SAC])
def test_targets_follow_at_their_rate(settings: OffPolicySettings) -> None:
    """A target that moves too fast or never is the commonest way for these to fail."""
    learner = unlike_its_target(build_learner(replace(settings, target_rate=0.25)))
    before = [target.clone() for target, _ in learner._target_pairs]
    learner.learn([make_batch(masked=False)], timesteps={"num_env_steps_sampled_lifetime": 8})
    for old, (target, present) in zip(before, learner._target_pairs, strict=True):
        torch.testing.assert_close(target.data, 0.75 * old + 0.25 * present.data)


def test_targets_wait_for_their_steps() -> None:
    """Every `target_steps` environment steps they become the present network, not in between."""
    settings = replace(DQN, target_rate=1.0, target_steps=100)
    learner = unlike_its_target(build_learner(settings))
    moved = []
    for steps in (64, 128, 192, 256):
        before = [target.clone() for target, _ in learner._target_pairs]
        batches = [make_batch(masked=False, seed=steps), make_batch(masked=False)]
        learner.learn(batches, timesteps={"num_env_steps_sampled_lifetime": steps})
        now = [target for target, _ in learner._target_pairs]
        moved.append(not all(torch.equal(*pair) for pair in zip(before, now, strict=True)))
    assert moved == [False, True, False, True]


def test_rewards_are_learned_in_their_scale() -> None:
    """Values in money would take forever to reach; the policy is told in money all the same."""
    batch = make_batch(masked=False)
    batch[Columns.REWARDS] = torch.full((ROWS,), 500.0)
    batch[WEIGHT] = torch.zeros(ROWS)
    learner = build_learner(replace(DQN, reward_scale=0.001, learning_rate=1e-2))

    def repeated() -> Iterator[dict[str, torch.Tensor]]:
        return (dict(batch) for _ in range(300))

    learner.learn(repeated(), timesteps={"num_env_steps_sampled_lifetime": 8})
    policy = learner.to_policy("money")
    values = policy.logits(batch[Columns.OBS].numpy())
    taken = values[np.arange(ROWS), batch[Columns.ACTIONS].numpy()]
    np.testing.assert_allclose(taken, 500.0, rtol=0.1)


@pytest.mark.parametrize("dueling", [False, True])
def test_action_values_go_to_rllib_and_back_unchanged(dueling: bool) -> None:
    """A dueling network's two heads are one layer to the policy; both say the same."""
    learner = unlike_its_target(build_learner(replace(DQN, dueling=dueling, reward_scale=0.5)))
    policy = learner.to_policy("values")
    seen = make_batch(masked=False)[Columns.OBS]
    module = learner.module[MODULE].unwrapped()
    with torch.no_grad():
        scaled = module.compute_q_values({"obs": seen})["qf_preds"].numpy()
    np.testing.assert_allclose(policy.logits(seen.numpy()), scaled / 0.5, rtol=1e-4, atol=1e-5)
    other = build_learner(replace(DQN, dueling=dueling, reward_scale=2.0))
    other.load_policy(policy)
    again = other.to_policy("again").logits(seen.numpy())
    np.testing.assert_allclose(again, policy.logits(seen.numpy()), rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        target = other.module[MODULE].unwrapped().forward_target({"obs": seen})["qf_preds"]
    np.testing.assert_allclose(target.numpy() / 2.0, again, rtol=1e-4, atol=1e-5)


def test_loaded_values_are_brought_to_the_scale_that_is_chosen_later() -> None:
    """Otherwise a warm start's values would be off by the scale, and unlearned again."""
    policy = build_learner(DQN).to_policy("values")
    learner = build_learner(replace(DQN, reward_scale=None))
    learner.load_policy(policy)
    learner.reward_scale = 0.01
    learner._rescale_values(0.01)
    seen = make_batch(masked=False)[Columns.OBS].numpy()
    again = learner.to_policy("again").logits(seen)
    np.testing.assert_allclose(again, policy.logits(seen), rtol=1e-4, atol=1e-6)


def test_dqn_refuses_logits_that_are_no_values() -> None:
    """Chances learned by PPO read as money would be believed until they are unlearned."""
    learner = build_learner(DQN)
    bare = learner.to_policy("bare")
    judged = NetworkPolicy(
        name="judged",
        weights=bare.weights,
        biases=bare.biases,
        value_weights=(np.ones((1, FEATURES), np.float32),),
        value_biases=(np.zeros(1, np.float32),),
    )
    with pytest.raises(InconsistentNetwork, match="no action values"):
        learner.load_policy(judged)


def with_levers(policy: NetworkPolicy) -> NetworkPolicy:
    return replace(policy, head=LeverChoices(sizes=(1, 2)))


def with_memory(policy: NetworkPolicy) -> NetworkPolicy:
    (units,) = policy.hidden
    memory = GatedMemory(
        input_weight=np.ones((3 * units, units), np.float32),
        state_weight=np.ones((3 * units, units), np.float32),
        input_bias=np.zeros(3 * units, np.float32),
        state_bias=np.zeros(3 * units, np.float32),
    )
    return replace(policy, memory=memory)


@pytest.mark.parametrize("settings", [DQN, SAC])
@pytest.mark.parametrize(
    ("change", "shown"), [(with_levers, "LeverChoices"), (with_memory, "remembers 16 numbers")]
)
def test_policies_of_other_forms_are_no_warm_start(
    settings: OffPolicySettings,
    change: Callable[[NetworkPolicy], NetworkPolicy],
    shown: str,
) -> None:
    """Their layers have the same shapes, so they would be loaded and decide something else."""
    learner = build_learner(settings)
    with pytest.raises(InconsistentNetwork, match=f"{shown}.*by PPO"):
        learner.load_policy(change(learner.to_policy("other")))


def test_exploration_is_even_among_what_is_allowed_and_else_the_best() -> None:
    """Each allowed decision gets an even part of the chance, the best the rest, others nothing."""
    learner = build_learner(DQN)
    module = learner.module[MODULE].unwrapped()
    batch = make_batch(masked=True)
    seen, mask = batch[Columns.OBS], batch[ALLOWED]
    with torch.no_grad():
        values = module.compute_q_values({"obs": seen})["qf_preds"].numpy()
    best = np.where(mask.numpy(), values, -np.inf).argmax(axis=1)
    for exploration in (0.0, 0.3, 1.0):
        learner.explore(exploration)
        logits = module.forward_exploration({"obs": seen, "action_mask": mask}, t=0)
        chances = torch.softmax(logits["action_dist_inputs"], dim=1).numpy()
        expected = exploration * mask.numpy() / mask.numpy().sum(axis=1, keepdims=True)
        expected[np.arange(ROWS), best] += 1.0 - exploration
        np.testing.assert_allclose(chances, expected, atol=1e-6)


@pytest.mark.parametrize("settings", [DQN, SAC])
def test_a_gradient_that_is_not_finite_ends_the_training(settings: OffPolicySettings) -> None:
    """RLlib would set it to zero and go on; the weights must be those from before."""
    learner = build_learner(settings)
    before = learner.to_policy("before").to_tensors()
    batch = make_batch(masked=False)
    batch[Columns.REWARDS][0] = float("nan")
    with pytest.raises(TrainingDiverged, match="nan"):
        learner.learn([batch], timesteps={"num_env_steps_sampled_lifetime": 8})
    for name, tensor in learner.to_policy("after").to_tensors().items():
        np.testing.assert_array_equal(tensor, before[name])


def test_sac_can_let_its_policy_wait() -> None:
    """Fresh values judge a good policy badly, so a warm start may fit them first."""
    from training.rllib.sac_learner import SACAnnealing

    learner = build_learner(SAC)
    steps = {"num_env_steps_sampled_lifetime": 8}
    before, values = learner.to_policy("before"), learner.module[MODULE].get_state()
    for waits in (True, False):
        annealing = SACAnnealing(learning_rate=1e-3, trains_policy=not waits)
        learner.learn([make_batch(masked=False)], timesteps=steps, annealing=annealing)
        after = learner.to_policy("after")
        assert np.array_equal(after.weights[0], before.weights[0]) == waits
    name = "qf.net.mlp.0.weight"
    assert not np.array_equal(learner.module[MODULE].get_state()[name], values[name])


@pytest.mark.parametrize(
    ("settings", "network"), [(DQN, DefaultDQNTorchRLModule), (SAC, DefaultSACTorchRLModule)]
)
def test_networks_of_other_outputs_are_refused(settings: OffPolicySettings, network: type) -> None:
    """They would fail far from their cause; the message names what to inherit from."""
    config = build_config(settings)
    config.rl_module(rl_module_spec=RLModuleSpec(module_class=network))
    with pytest.raises(UnsupportedConfig, match="inherit from Lean"):
        build_learner(settings, config)


@pytest.mark.parametrize("settings", [DQN, SAC])
@pytest.mark.parametrize(
    "change", [{"fcnet_activation": "relu"}, {"head_fcnet_hiddens": [8]}], ids=["relu", "head"]
)
def test_networks_that_are_no_policy_are_not_told_as_one(
    settings: OffPolicySettings, change: dict[str, Any]
) -> None:
    """A policy has tanh layers and a linear head; in them other weights would decide otherwise."""
    config = build_config(settings)
    config.rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[16], **change))
    with pytest.raises(UnsupportedConfig, match="tanh layers"):
        build_learner(settings, config).to_policy("other")


@pytest.mark.parametrize(
    ("settings", "actions"),
    [
        (DQN, gymnasium.spaces.Box(-1, 1, (2,))),
        (DQN, gymnasium.spaces.MultiDiscrete([2, 3])),
        (SAC, gymnasium.spaces.MultiDiscrete([2, 3])),
        (SAC, gymnasium.spaces.Box(-1, np.inf, (2,))),
        (SAC, gymnasium.spaces.Box(-1, 1, (2, 2))),
    ],
    ids=str,
)
def test_other_spaces_of_actions_are_refused(
    settings: OffPolicySettings, actions: gymnasium.Space[Any]
) -> None:
    """RLlib takes some of them, and would learn something that nothing here can act by."""
    with pytest.raises(UnsupportedConfig, match="choose jointly, or train by PPO"):
        build_learner(settings, actions=actions)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("replay_buffer_config", {"type": "PrioritizedEpisodeReplayBuffer"}),
        ("training_intensity", 8.0),
        ("num_atoms", 51),
        ("noisy", True),
        ("burn_in_len", 4),
        ("grad_clip_by", "value"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(setting: str, value: Any) -> None:
    """A prioritised replay that silently is uniform would be believed in."""
    config = build_config(DQN)
    config.training(**{setting: value})
    with pytest.raises(UnsupportedConfig, match=setting):
        config.validate()


def test_connectors_that_nothing_would_ask_are_refused() -> None:
    """An observation that somebody has scaled by one would reach the network as it is."""
    config = build_config(DQN)
    config.env_runners(env_to_module_connector=lambda *spaces: [])
    with pytest.raises(UnsupportedConfig, match=r"env_to_module_connector.*RLlib's own"):
        config.validate()
