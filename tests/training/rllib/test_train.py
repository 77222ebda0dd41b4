from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.fakes import Chain, Failing, MakeChain, MaskedChain
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.build import build_config, built_algorithm
from training.rllib.lean import UnsupportedConfig
from training.rllib.learner import Annealing
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.train import CurvePoint, Training, train_ppo

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

LENGTH = 8
SETTINGS = PPOSettings(
    hidden=(32, 32), num_envs=64, rollout_length=16, minibatch_size=256, learning_rate=3e-3
)
ITERATION = SETTINGS.transitions_per_iteration


def greedy_return(policy: NetworkPolicy) -> float:
    """Mean return of one episode each of 64 chains."""
    env = Chain(64, length=LENGTH)
    observations, _ = env.reset(seed=9)
    total = np.zeros(64)
    for _ in range(LENGTH):
        observations, rewards, *_ = env.step(policy.act(observations))
        total += rewards
    return float(total.mean())


@pytest.fixture(scope="module")
def solved(ray_cluster: None) -> Training:
    """A training that both later ones and claims about it start from."""
    return train_ppo(MakeChain(LENGTH), SETTINGS, Budget(steps=20 * ITERATION), name="chain")


def test_training_finds_the_best_policy(solved: Training) -> None:
    """The right action of every place is known, so nothing less than every step right will do."""
    assert greedy_return(solved.policy) == LENGTH
    assert solved.policy.name == "chain"
    assert solved.policy.features == Chain.places + 1


def test_a_masked_policy_learns_among_what_is_allowed() -> None:
    """Whoever acts has to be told the mask too; then every step is right."""
    settings = replace(SETTINGS, discount_minutes=20.0)
    budget = Budget(steps=12 * ITERATION)
    policy = train_ppo(MaskedChain, settings, budget).policy
    env = MaskedChain(64)
    observations, infos = env.reset(seed=9)
    total = np.zeros(64)
    for _ in range(LENGTH):
        actions = policy.act(observations, infos["action_mask"])
        observations, rewards, _, _, infos = env.step(actions)
        total += rewards
    assert total.mean() == LENGTH


def test_truncated_episodes_are_learned_from_as_well() -> None:
    """Time limits are the common end here; they must not spoil the values."""
    training = train_ppo(MakeChain(LENGTH, truncates=True), SETTINGS, Budget(steps=20 * ITERATION))
    assert greedy_return(training.policy) == LENGTH
    values = training.policy.values(Chain(8).reset(seed=1)[0])
    assert values.min() > LENGTH  # the world goes on, so more than one episode's reward is ahead


def test_the_curve_counts_every_iteration(solved: Training) -> None:
    """Studies compare policies at equal steps and equal seconds, so both must be exact."""
    assert [point.steps for point in solved.curve] == [ITERATION * k for k in range(1, 21)]
    seconds = [point.seconds for point in solved.curve]
    assert seconds == sorted(seconds)
    assert all(point.episodes == 128 for point in solved.curve)
    assert solved.steps == 20 * ITERATION


def test_an_iteration_without_an_ended_episode_has_no_mean_return() -> None:
    """A mean of nothing is nan, which would poison every later mean."""
    points: list[CurvePoint] = []
    settings = replace(SETTINGS, rollout_length=4, minibatch_size=64)
    train_ppo(MakeChain(LENGTH), settings, Budget(steps=512), on_point=points.append)
    assert [point.mean_return is None for point in points] == [True, False]
    assert [point.episodes for point in points] == [0, 64]


def test_the_same_seed_gives_the_same_policy() -> None:
    """A result that cannot be repeated cannot be compared."""
    budget = Budget(steps=3 * ITERATION)
    first, second = (train_ppo(MakeChain(), SETTINGS, budget) for _ in range(2))
    other = train_ppo(MakeChain(), replace(SETTINGS, seed=1), budget)
    for name, tensor in first.policy.to_tensors().items():
        np.testing.assert_array_equal(tensor, second.policy.to_tensors()[name])
    assert not np.array_equal(first.policy.weights[0], other.policy.weights[0])


def test_a_budget_in_seconds_is_kept() -> None:
    """Arms of a study get equal time, so none may run over.

    One iteration takes some 40 ms, but for the first of a process, which loads what it needs; the
    margin is for a machine that others use too.
    """
    train_ppo(MakeChain(), SETTINGS, Budget(steps=ITERATION))
    training = train_ppo(MakeChain(), SETTINGS, Budget(seconds=1.5))
    assert training.curve[-1].seconds <= 1.5 + 0.5
    assert len(training.curve) > 1


@pytest.mark.parametrize("runners", [0, 1])
def test_a_warm_start_acts_from_the_first_rollout(solved: Training, runners: int) -> None:
    """Random weights in the first rollout would throw the head start away, and once did."""
    settings = replace(SETTINGS, num_env_runners=runners, learning_rate=1e-9)
    training = train_ppo(
        MakeChain(LENGTH), settings, Budget(steps=ITERATION), warm_start=solved.policy
    )
    first = training.curve[0].mean_return
    assert first is not None
    assert first > LENGTH - 0.5
    observations, _ = Chain(32).reset(seed=2)
    np.testing.assert_allclose(
        training.policy.logits(observations), solved.policy.logits(observations), atol=1e-4
    )


def test_weights_go_to_rllib_and_back_unchanged(solved: Training) -> None:
    """What is stored must be what was trained: the logits and values agree to 1e-6."""
    torch = pytest.importorskip("torch")
    observations, _ = Chain(32).reset(seed=3)
    with built_algorithm(MakeChain(), SETTINGS, solved.policy) as algorithm:
        module: Any = algorithm.learner.module["default_policy"].unwrapped()
        batch = {"obs": torch.from_numpy(observations)}
        with torch.no_grad():
            logits = module.forward_inference(batch)["action_dist_inputs"].numpy()
            values = module.compute_values(batch).numpy()
        back = algorithm.to_policy("back")
    np.testing.assert_allclose(solved.policy.logits(observations), logits, atol=1e-6)
    np.testing.assert_allclose(solved.policy.values(observations), values, rtol=1e-6)
    for name, tensor in back.to_tensors().items():
        np.testing.assert_array_equal(tensor, solved.policy.to_tensors()[name])


def test_values_are_in_the_units_of_the_reward(solved: Training) -> None:
    """Inside, rewards are rescaled; a reader of the policy must not have to know."""
    start = np.array([[1.0, 0.0, 0.0, 0.0, 1.0]], dtype=np.float32)
    discounted = sum(0.99**k for k in range(LENGTH))
    assert solved.policy.values(start)[0] == pytest.approx(discounted, rel=0.15)


def test_value_warmup_leaves_the_policy_alone(solved: Training) -> None:
    """Fresh values judge a good policy badly, so they learn first while the policy waits."""
    without_values = NetworkPolicy(
        name="bare", weights=solved.policy.weights, biases=solved.policy.biases
    )
    settings = replace(SETTINGS, value_warmup_iterations=2)
    trained = [
        train_ppo(
            MakeChain(LENGTH), settings, Budget(steps=k * ITERATION), warm_start=without_values
        ).policy
        for k in (1, 2, 3)
    ]
    for frozen in trained[:2]:
        np.testing.assert_array_equal(frozen.weights[0], solved.policy.weights[0])
    assert not np.array_equal(trained[0].value_weights[0], trained[1].value_weights[0])
    assert not np.array_equal(trained[2].weights[0], solved.policy.weights[0])


def test_the_best_policy_is_kept_and_a_warm_start_counts(solved: Training) -> None:
    """Training on can make a policy worse; what comes back must not be."""
    ruinous = replace(SETTINGS, learning_rate=0.5, gradient_norm=None)
    training = train_ppo(
        MakeChain(LENGTH),
        ruinous,
        Budget(steps=4 * ITERATION),
        warm_start=solved.policy,
        evaluate=greedy_return,
        evaluate_every=2,
    )
    assert [point.evaluation is not None for point in training.curve] == [False, True] * 2
    assert greedy_return(training.policy) == LENGTH
    assert 0.0 < training.evaluation_seconds < training.seconds


def test_a_warm_start_of_another_shape_is_refused(solved: Training) -> None:
    """Both shapes are shown, because the cause is in one of two places."""
    settings = replace(SETTINGS, hidden=(16,))
    with pytest.raises(InconsistentNetwork, match=r"\(32, 32\)"):
        train_ppo(MakeChain(), settings, Budget(steps=1), warm_start=solved.policy)


def test_annealing_sets_the_learning_rate_that_is_used() -> None:
    """RLlib sets the rate of its config anew at every update; ours must win."""
    with built_algorithm(MakeChain(), SETTINGS) as algorithm:
        for rate in (1e-3, 2e-5):
            algorithm.iterate(Annealing(learning_rate=rate, entropy_coefficient=0.0))
            optimizer = algorithm.learner.get_optimizer("default_policy")
            assert optimizer.param_groups[0]["lr"] == rate


def test_a_checkpoint_restores_the_policy(tmp_path: object) -> None:
    """LeanPPO stays an RLlib algorithm: its own checkpoints must bring back weights and units."""
    with built_algorithm(MakeChain(), SETTINGS) as algorithm:
        algorithm.iterate(Annealing(learning_rate=1e-3, entropy_coefficient=0.0))
        before = algorithm.to_policy("before").to_tensors()
        algorithm.save_to_path(str(tmp_path))
    with built_algorithm(MakeChain(), replace(SETTINGS, seed=5)) as algorithm:
        restore: Any = algorithm.restore_from_path
        restore(str(tmp_path))
        after = algorithm.to_policy("after").to_tensors()
    for name, tensor in before.items():
        np.testing.assert_array_equal(after[name], tensor)


def test_settings_that_would_do_nothing_are_refused() -> None:
    """A penalty that silently is not there would be believed in."""
    config = build_config(MakeChain(), SETTINGS)
    config.training(use_kl_loss=True)
    with pytest.raises(UnsupportedConfig, match="use_kl_loss"):
        config.validate()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"discount": 1.5}, "1.5"),
        ({"num_env_runners": 3}, "num_env_runners=3"),
        ({"minibatch_size": 10**6}, "1024"),
    ],
)
def test_nonsense_settings_are_refused_with_their_value(change: dict[str, Any], shown: str) -> None:
    """The message must be enough to correct the setting."""
    with pytest.raises(InvalidSettings, match=shown):
        replace(SETTINGS, **change)


def test_a_budget_needs_a_limit() -> None:
    """Without one, training would never end."""
    with pytest.raises(InvalidSettings):
        Budget()


@pytest.mark.parametrize("runners", [0, 1])
def test_a_simulator_that_breaks_ends_the_training(runners: int) -> None:
    """RLlib would end a remote runner's process, and the user's message would be lost with it."""
    settings = replace(SETTINGS, num_env_runners=runners)
    with pytest.raises(ArithmeticError, match="the simulator broke"):
        train_ppo(Failing, settings, Budget(steps=10 * ITERATION))


@pytest.mark.parametrize("runners", [0, 1])
@pytest.mark.parametrize(("unit", "duration"), [("episodes", 10), ("timesteps", 640)])
def test_rllib_evaluates_what_was_learned_without_exploration(
    solved: Training, runners: int, unit: str, duration: int
) -> None:
    """By RLlib's default, a number of episodes, too; they ended with advice that was followed."""
    config = build_config(MakeChain(LENGTH), replace(SETTINGS, entropy_coefficient=10.0))
    config.evaluation(
        evaluation_interval=1,
        evaluation_duration=duration,
        evaluation_duration_unit=unit,
        evaluation_num_env_runners=runners,
    )
    algorithm: Any = config.build_algo()
    try:
        algorithm.load_policy(solved.policy)
        found = algorithm.evaluate()["env_runners"]
        trained = algorithm.train()
    finally:
        algorithm.close()
    assert found["episode_return_mean"] == LENGTH
    assert found["num_env_steps_sampled"] == (10 * LENGTH if unit == "episodes" else 640)
    assert trained["evaluation"]["env_runners"]["episode_return_mean"] > 0.0
    assert trained["num_env_steps_sampled_lifetime"] == ITERATION
