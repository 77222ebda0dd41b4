"""Going on from a policy on a changed system: guarded at the start, never for the worse."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.fakes import Chain, MakeChain
from training.policies import InconsistentNetwork, NetworkPolicy
from training.rllib.build import built_algorithm
from training.rllib.fine_tune import GATE, InvalidCosts, fine_tune, gentle
from training.rllib.learner import Annealing
from training.rllib.off_policy_settings import DQNSettings
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.train import Training, train_ppo
from training.spaces import ChangedSpaces, Spaces

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

LENGTH = 8
SETTINGS = PPOSettings(
    hidden=(32, 32), num_envs=64, rollout_length=16, minibatch_size=256, learning_rate=3e-3
)
ITERATION = SETTINGS.transitions_per_iteration
SPACES = Spaces(
    observed=("zero", "one", "two", "three", "left"),
    levers=("move",),
    levels=((0.0,), (1.0,), (2.0,)),
)


def costs(policy: NetworkPolicy, purpose: str) -> np.ndarray:
    """Minus the return of one episode each of 64 chains, from places that the purpose decides."""
    env = Chain(64, length=LENGTH)
    observations, _ = env.reset(seed=1 if purpose == GATE else 2)
    total = np.zeros(64)
    for _ in range(LENGTH):
        observations, rewards, *_ = env.step(policy.act(observations))
        total += rewards
    return -total


@pytest.fixture(scope="module")
def solved(ray_cluster: None) -> Training:
    return train_ppo(MakeChain(LENGTH), SETTINGS, Budget(steps=20 * ITERATION), name="chain")


def untrained() -> NetworkPolicy:
    """Decides nearly the same everywhere, which is right in one place of three."""
    random = np.random.default_rng(6)
    shapes = ((32, 5), (32, 32), (3, 32))
    return NetworkPolicy(
        name="untrained",
        weights=tuple(random.normal(0.0, 0.1, size=s).astype(np.float32) for s in shapes),
        biases=tuple(np.zeros(s[0], dtype=np.float32) for s in shapes),
    )


def test_a_policy_that_can_still_learn_gets_better() -> None:
    """The gain is shown on episodes that chose nothing."""
    start = untrained()
    tuned = fine_tune(
        start, MakeChain(LENGTH), Budget(steps=20 * ITERATION), costs, settings=SETTINGS
    )
    assert tuned.is_improved
    assert tuned.policy is tuned.training.policy
    assert costs(tuned.policy, "other").mean() < costs(start, "other").mean() - 0.5
    assert "fine-tuning is cheaper" in tuned.reason


def test_another_seed_is_another_training() -> None:
    """Whoever repeats a fine-tuning under other seeds wants to see how much of it was luck."""
    first, again, other = (
        fine_tune(untrained(), MakeChain(LENGTH), Budget(steps=1), costs, seed=seed).training
        for seed in (1, 1, 2)
    )
    assert first.curve[-1].mean_return == again.curve[-1].mean_return
    assert first.curve[-1].mean_return != other.curve[-1].mean_return


def test_a_training_that_ruins_a_policy_returns_the_one_it_was_given(solved: Training) -> None:
    """Steps a hundred times too large must cost time, never the policy."""
    wild = replace(SETTINGS, learning_rate=0.5)
    tuned = fine_tune(
        solved.policy, MakeChain(LENGTH), Budget(steps=3 * ITERATION), costs, settings=wild
    )
    assert not tuned.is_improved
    assert tuned.policy is tuned.start
    assert costs(tuned.policy, "other").mean() == -LENGTH
    assert "chain stays" in tuned.reason


def test_a_changed_order_of_names_is_put_right_before_anything_runs(solved: Training) -> None:
    """Matched by position the policy would decide nonsense; by name it is at home at once."""
    order = [4, 2, 0, 1, 3]
    moved = replace(SPACES, observed=tuple(SPACES.observed[i] for i in order))
    shuffled = replace(
        solved.policy,
        weights=(solved.policy.weights[0][:, order], *solved.policy.weights[1:]),
        value_weights=(solved.policy.value_weights[0][:, order], *solved.policy.value_weights[1:]),
    )
    tuned = fine_tune(
        shuffled, MakeChain(LENGTH), Budget(steps=ITERATION), costs, spaces=(moved, SPACES)
    )
    assert costs(tuned.start, "other").mean() == -LENGTH
    with pytest.raises(ChangedSpaces, match="observed anew: right"):
        fine_tune(
            solved.policy,
            MakeChain(LENGTH),
            Budget(steps=ITERATION),
            costs,
            spaces=(SPACES, replace(SPACES, observed=(*SPACES.observed[:4], "right"))),
        )


def test_gentle_settings_keep_a_good_policy_good_from_the_first_rollout(solved: Training) -> None:
    """Collapse at the start is what fine-tuning is known for."""
    settings = gentle(SETTINGS)
    returns = [
        point.mean_return
        for point in train_ppo(
            MakeChain(LENGTH), settings, Budget(steps=12 * ITERATION), warm_start=solved.policy
        ).curve
    ]
    assert min(value for value in returns if value is not None) > LENGTH - 0.5


def test_steps_grow_after_the_values_have_learnt(solved: Training) -> None:
    """With the same gradient the first step is a fifth of the fifth."""

    def moved(iterations: int) -> float:
        settings = replace(
            SETTINGS, value_warmup_iterations=1, step_warmup_iterations=4, learning_rate=1e-3
        )
        weights: list[np.ndarray] = [solved.policy.weights[0]]
        budget = Budget(steps=iterations * ITERATION)
        trained = train_ppo(MakeChain(LENGTH), settings, budget, warm_start=solved.policy)
        weights.append(trained.policy.weights[0])
        return float(np.abs(weights[1] - weights[0]).max())

    assert moved(1) == 0.0
    assert 0.0 < moved(2) < 0.004


def test_the_kl_term_holds_the_policy_to_the_loaded_one(solved: Training) -> None:
    """Against a bonus for chance that would tear it away, a heavy reference keeps the decisions."""

    def divergence(weight: float) -> float:
        with built_algorithm(MakeChain(LENGTH), SETTINGS, solved.policy) as algorithm:
            for _ in range(6):
                algorithm.iterate(
                    Annealing(learning_rate=3e-3, entropy_coefficient=3.0, reference_weight=weight)
                )
            after = algorithm.to_policy("after")
        seen = Chain(64, length=LENGTH).reset(seed=5)[0]
        was, now = (_log_softmax(policy.logits(seen)) for policy in (solved.policy, after))
        return float((np.exp(was) * (was - now)).sum(axis=1).mean())

    assert divergence(100.0) < 0.2 * divergence(0.0)


def _log_softmax(logits: np.ndarray) -> Any:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_an_optimiser_goes_on_where_it_was(solved: Training) -> None:
    """Adam's second moments decide how large a step is; a fresh one makes other steps."""
    with built_algorithm(MakeChain(LENGTH), SETTINGS, solved.policy) as algorithm:
        assert algorithm.learner.optimiser_tensors() == {}
        algorithm.learner.load_optimiser(solved.optimiser)
        again = algorithm.learner.optimiser_tensors()
    assert solved.optimiser
    assert set(again) == set(solved.optimiser)
    for name, tensor in solved.optimiser.items():
        np.testing.assert_array_equal(again[name], tensor)
    budget = Budget(steps=ITERATION)
    one, other = (
        train_ppo(
            MakeChain(LENGTH), SETTINGS, budget, warm_start=solved.policy, optimiser=optimiser
        ).policy
        for optimiser in (solved.optimiser, None)
    )
    assert not np.array_equal(one.weights[0], other.weights[0])
    wide = replace(SETTINGS, hidden=(16, 16))
    with pytest.raises(InconsistentNetwork, match="start without it"):
        train_ppo(MakeChain(LENGTH), wide, budget, optimiser=solved.optimiser)
    with pytest.raises(InconsistentNetwork, match=r"'a'.*Training\.optimiser"):
        train_ppo(MakeChain(LENGTH), SETTINGS, budget, optimiser={"a": np.zeros(3)})


@pytest.mark.parametrize("given", [-3.5, np.zeros((2, 2)), ["dear", "cheap"]])
def test_a_judge_must_tell_the_cost_of_every_episode(solved: Training, given: Any) -> None:
    """Their mean alone ended with an AttributeError, and could not be judged in pairs."""
    with pytest.raises(InvalidCosts, match=r"policy 'chain.*cost of each episode"):
        fine_tune(solved.policy, MakeChain(LENGTH), Budget(steps=1), lambda *_: given)


@pytest.mark.parametrize(
    ("policy", "settings", "told"),
    [
        (None, None, "policy=None: give the NetworkPolicy"),
        (untrained(), DQNSettings(), "settings of DQNSettings: .* PPOSettings"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(policy: Any, settings: Any, told: str) -> None:
    """Both ended with an AttributeError from within.

    Asked without the checks of types that only tests have.
    """
    unchecked: Any = inspect.unwrap(fine_tune)
    with pytest.raises(InvalidSettings, match=told):
        unchecked(policy, MakeChain(LENGTH), Budget(steps=1), costs, settings=settings)
