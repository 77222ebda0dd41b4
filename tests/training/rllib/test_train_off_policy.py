"""DQN and SAC from the environment to the policy, as RLlib algorithms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes import Chain, Dials, Failing, MakeChain, MaskedChain, Thermostat
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.build import build_dqn_config, built_algorithm
from training.rllib.dqn_learner import DQNAnnealing
from training.rllib.lean import LeanAlgorithm, UnsupportedConfig
from training.rllib.lean_learner import TrainingDiverged
from training.rllib.off_policy_settings import DQNSettings, OffPolicySettings, SACSettings
from training.rllib.sac_learner import SACAnnealing
from training.rllib.settings import Budget, InvalidSettings
from training.rllib.train import Training, train_dqn, train_sac

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

LENGTH = 8
SMALL: dict[str, Any] = {
    "hidden": (32, 32), "num_envs": 64, "rollout_length": 8, "updates_per_iteration": 16,
    "learning_starts": 1024, "learning_rate": 3e-3,
}  # fmt: skip
DQN, SAC = DQNSettings(**SMALL), SACSettings(**SMALL)
ITERATION = DQN.transitions_per_iteration
ENOUGH = Budget(steps=24 * ITERATION)


def train(make_env: Any, settings: OffPolicySettings, budget: Budget, **options: Any) -> Training:
    by: Any = train_dqn if isinstance(settings, DQNSettings) else train_sac
    training: Training = by(make_env, settings, budget, **options)
    return training


def annealing(settings: OffPolicySettings) -> Any:
    if isinstance(settings, DQNSettings):
        return DQNAnnealing(learning_rate=1e-3, exploration=0.5)
    return SACAnnealing(learning_rate=1e-3)


def greedy_return(policy: NetworkPolicy, env: Chain) -> float:
    """Mean return of one episode each of 64 chains."""
    observations, infos = env.reset(seed=9)
    total = np.zeros(64)
    for _ in range(LENGTH):
        actions = policy.act(observations, infos.get("action_mask"))
        observations, rewards, _, _, infos = env.step(actions)
        total += rewards
    return float(total.mean())


@pytest.fixture(scope="module", params=[DQN, SAC], ids=["dqn", "sac"])
def settings(request: pytest.FixtureRequest) -> OffPolicySettings:
    found: OffPolicySettings = request.param
    return found


@pytest.fixture(scope="module")
def solved(ray_cluster: None, settings: OffPolicySettings) -> Training:
    """A training that both later ones and claims about it start from."""
    return train(MakeChain(LENGTH), settings, ENOUGH, name="chain")


def test_training_finds_the_best_policy(solved: Training) -> None:
    """The right action of every place is known, so nothing less than every step right will do.

    By chance one of three actions is right: 64 chains of 8 steps are not got right by luck.
    """
    assert greedy_return(solved.policy, Chain(64, length=LENGTH)) == LENGTH
    assert solved.policy.name == "chain"
    assert solved.policy.features == Chain.places + 1


def test_steps_are_counted_as_they_are_collected(solved: Training) -> None:
    """The first rollout is longer, to fill the replay; studies compare policies at equal steps."""
    steps = [point.steps for point in solved.curve]
    assert steps[0] == 1024
    assert set(np.diff(steps)) == {ITERATION}
    assert solved.steps == steps[-1] == 24 * ITERATION
    assert sum(point.episodes for point in solved.curve) == solved.steps / LENGTH


@pytest.mark.parametrize(
    "change", [{"double_q": False}, {"dueling": True}, {"n_step": 3}], ids=lambda c: next(iter(c))
)
def test_every_kind_of_dqn_finds_the_best_policy(change: dict[str, Any]) -> None:
    """Each is a setting, so each must work."""
    policy = train_dqn(MakeChain(LENGTH), replace(DQN, **change), ENOUGH).policy
    assert greedy_return(policy, Chain(64, length=LENGTH)) == LENGTH


def test_masked_policies_learn_among_what_is_allowed(settings: OffPolicySettings) -> None:
    """The chain breaks at anything else, and truncation asks for the mask of the last observation.

    Whoever acts has to be told the mask too; then every step is right.
    """
    timed = replace(settings, discount_minutes=20.0, n_step=2)
    policy = train(lambda envs: MaskedChain(envs, truncates=True), timed, ENOUGH).policy
    assert greedy_return(policy, MaskedChain(64, length=LENGTH)) == LENGTH


@pytest.mark.parametrize("n_step", [1, 3])
@pytest.mark.parametrize("truncates", [True, False])
def test_values_end_with_the_episode_only_if_the_world_does(truncates: bool, n_step: int) -> None:
    """At a termination nothing follows; at a truncation the same as ever goes on.

    Every step earns 1 at discount 0.8, so the best value is a geometric series: of the steps that
    are left, or of endlessly many. That of a chain with all steps left lies at 4.16 or 5, that of
    one with a single step left at 1 or 5.
    """
    settings = replace(DQN, discount=0.8, n_step=n_step, updates_per_iteration=32, target_rate=0.1)
    values = train_dqn(MakeChain(LENGTH, truncates=truncates), settings, ENOUGH).policy
    observations = np.zeros((2, 5), dtype=np.float32)
    observations[:, 0], observations[:, 4] = 1.0, (1.0, 1.0 / LENGTH)
    expected = [5.0, 5.0] if truncates else [(1 - 0.8**LENGTH) / 0.2, 1.0]
    np.testing.assert_allclose(values.logits(observations).max(axis=1), expected, rtol=0.08)


def test_the_same_seed_gives_the_same_policy(settings: OffPolicySettings) -> None:
    """A result that cannot be repeated cannot be compared."""
    budget = Budget(steps=4 * ITERATION)
    first, second = (train(MakeChain(), settings, budget) for _ in range(2))
    other = train(MakeChain(), replace(settings, seed=1), budget)
    for name, tensor in first.policy.to_tensors().items():
        np.testing.assert_array_equal(tensor, second.policy.to_tensors()[name])
    assert not np.array_equal(first.policy.weights[0], other.policy.weights[0])


@pytest.mark.parametrize("runners", [0, 1])
def test_a_warm_start_acts_from_the_first_rollout(
    solved: Training, settings: OffPolicySettings, runners: int
) -> None:
    """Random weights or random decisions in the first rollout would throw the head start away.

    So it goes as the last rollout of the training that gave the policy.
    """
    gentle = replace(settings, num_env_runners=runners, learning_rate=1e-9, learning_starts=512)
    budget = Budget(steps=ITERATION)
    training = train(MakeChain(LENGTH), gentle, budget, warm_start=solved.policy)
    first = training.curve[0].mean_return
    assert first is not None
    late = solved.curve[-1].mean_return
    assert late is not None
    assert first > late - 0.5
    observations, _ = Chain(32).reset(seed=2)
    np.testing.assert_allclose(
        training.policy.logits(observations), solved.policy.logits(observations), atol=1e-3
    )


def test_an_optimiser_goes_on_where_it_was(solved: Training, settings: OffPolicySettings) -> None:
    """SAC has four of them; what one remembers must not end up in another."""
    with built_algorithm(MakeChain(LENGTH), settings) as algorithm:
        assert algorithm.learner.optimiser_tensors() == {}
        algorithm.learner.load_optimiser(solved.optimiser)
        np.testing.assert_equal(algorithm.learner.optimiser_tensors(), solved.optimiser)
    assert solved.optimiser
    wide = replace(settings, hidden=(16,))
    with pytest.raises(InconsistentNetwork, match="optimiser"):
        train(MakeChain(LENGTH), wide, Budget(steps=1), optimiser=solved.optimiser)


def everything(algorithm: LeanAlgorithm) -> dict[str, np.ndarray]:
    """Weights of all networks, targets and temperature among them."""
    state: dict[str, Any] = dict(algorithm.learner.module["default_policy"].get_state())
    if hasattr(algorithm.learner, "curr_log_alpha"):
        logarithm = algorithm.learner.curr_log_alpha["default_policy"]
        state["temperature"] = logarithm.detach().numpy().copy()
    return {name: np.array(tensor) for name, tensor in state.items()}


def test_a_checkpoint_restores_all_that_updates_depend_on(
    settings: OffPolicySettings, tmp_path: Path
) -> None:
    """RLlib forgets the temperature and the replay; then a training would not go on as it was.

    If anything were missing, the next updates would lead elsewhere: weights, targets, optimisers,
    temperature, replay, what draws from it, the scale of rewards. Restored over one that has
    trained for longer, the same holds.
    """

    def go_on(algorithm: Any) -> dict[str, np.ndarray]:
        batches = algorithm.replay.draw(5, 64, algorithm._random)
        steps = {"num_env_steps_sampled_lifetime": algorithm.lifetime_steps}
        algorithm.learner.learn(batches, timesteps=steps, annealing=annealing(settings))
        return everything(algorithm)

    with built_algorithm(MakeChain(), settings) as algorithm:
        for _ in range(2):
            algorithm.iterate(annealing(settings))
        algorithm.save_to_path(str(tmp_path))
        scale, expected = algorithm.learner.reward_scale, go_on(algorithm)
    with built_algorithm(MakeChain(), replace(settings, seed=5)) as algorithm:
        restore: Any = algorithm.restore_from_path
        for longer in (0, 4):
            for _ in range(longer):
                algorithm.iterate(annealing(settings))
            restore(str(tmp_path))
            assert algorithm.learner.reward_scale == scale
            assert algorithm.lifetime_steps == 1024 + ITERATION
            found = go_on(algorithm)
            assert set(found) == set(expected)
            for name, tensor in expected.items():
                np.testing.assert_array_equal(found[name], tensor)


def train_on(algorithm: Any) -> None:
    """An iteration as in Tune."""
    algorithm.train()


def test_a_restored_training_steps_by_its_own_config(
    settings: OffPolicySettings, tmp_path: Path
) -> None:
    """In Tune nobody anneals: the rate that the optimiser had must not rule the first updates.

    A step of Adam is about as long as its rate, so at a rate of 1e-9 nothing moves.
    """
    with built_algorithm(MakeChain(), settings) as algorithm:
        train_on(algorithm)
        algorithm.save_to_path(str(tmp_path))
    still: dict[str, Any] = {"learning_rate": 1e-9}
    if isinstance(settings, SACSettings):
        still |= {"temperature_learning_rate": 1e-9}
    with built_algorithm(MakeChain(), replace(settings, **still)) as algorithm:
        restore: Any = algorithm.restore_from_path
        restore(str(tmp_path))
        before = everything(algorithm)
        train_on(algorithm)
        for name, tensor in everything(algorithm).items():
            if "target" not in name and name != "exploration":
                np.testing.assert_allclose(tensor, before[name], atol=1e-6, err_msg=name)


def test_without_its_replay_a_restored_training_fills_it_first(tmp_path: Path) -> None:
    """Learning from a handful of transitions again and again would spoil what was restored."""
    config = build_dqn_config(MakeChain(), DQN)
    config.training(store_buffer_in_checkpoints=False)
    first: Any = config.build_algo()
    first.train()
    first.save_to_path(str(tmp_path))
    first.restore_from_path(str(tmp_path))
    assert len(first.replay) == 0
    first.train()
    assert len(first.replay) == first.transitions == 1024
    first.stop()


def test_rllib_s_schedules_rule_where_no_budget_does() -> None:
    """In Tune nobody anneals: exploration and step size follow the config by lifetime steps."""
    config = build_dqn_config(MakeChain(), DQN)
    config.training(
        epsilon=[(0, 1.0), (1024, 1.0), (2048, 0.0)], lr=[[0, 1e-3], [1024, 1e-3], [2048, 0.0]]
    )
    algorithm: Any = config.build_algo()
    explored, rates, result = [], [], {}
    for _ in range(4):
        result = algorithm.train()
        state = algorithm.learner.module["default_policy"].get_state()
        explored.append(float(state["exploration"][0]))
        ((_, optimizer),) = algorithm.learner.get_optimizers_for_module("default_policy")
        rates.append(optimizer.param_groups[0]["lr"])
    algorithm.stop()
    np.testing.assert_allclose(explored, [1.0, 1.0, 0.5, 0.0], atol=1e-6)
    np.testing.assert_allclose(rates, [1e-3, 5e-4, 0.0, 0.0], atol=1e-9)
    assert result["num_env_steps_sampled_lifetime"] == 1024 + 3 * ITERATION
    assert result["learners"]["default_policy"]["qf_loss"] >= 0.0


@pytest.mark.parametrize("runners", [0, 1])
def test_a_simulator_that_breaks_ends_the_training(runners: int) -> None:
    """RLlib would end a remote runner's process, and the user's message would be lost with it."""
    with pytest.raises(ArithmeticError, match="the simulator broke"):
        train_dqn(Failing, replace(DQN, num_env_runners=runners), ENOUGH)


@pytest.mark.parametrize(
    ("make_env", "settings"), [(Dials, DQN), (Dials, SAC), (Thermostat, DQN)], ids=str
)
def test_what_only_ppo_can_decide_is_left_to_it(make_env: Any, settings: OffPolicySettings) -> None:
    """What PPO learns in every space is refused before anything was collected, with the way out."""
    with pytest.raises(UnsupportedConfig, match="choose jointly, or train by PPO"):
        train(make_env, settings, Budget(steps=1))


@pytest.mark.parametrize(
    ("build", "change", "shown"),
    [
        (DQNSettings, {"final_exploration": 1.5}, "1.5"),
        (DQNSettings, {"n_step": 9, "rollout_length": 8}, "rollout_length=8"),
        (DQNSettings, {"replay_capacity": 100}, "learning_starts=2000"),
        (SACSettings, {"entropy_share": -0.1}, "-0.1"),
        (SACSettings, {"target_rate": 0.0}, "above 0"),
    ],
)
def test_nonsense_settings_are_refused_with_their_value(
    build: Callable[..., OffPolicySettings], change: dict[str, Any], shown: str
) -> None:
    """The message must be enough to correct the setting."""
    with pytest.raises(InvalidSettings, match=shown):
        build(**change)


class Bottomless(Chain):
    """One environment pays without bound, as a ratio of nothing does."""

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        observations, rewards, *rest = super().step(actions)
        rewards[0] = -np.inf
        return (observations, rewards, *rest)


def test_rewards_without_bound_end_the_training(settings: OffPolicySettings) -> None:
    """Far out the loss is a straight line, so gradients stay finite: it trained on to the end."""
    with pytest.raises(TrainingDiverged, match=r"16 of 1024 rewards are not finite, such as -inf"):
        train(Bottomless, settings, ENOUGH)
