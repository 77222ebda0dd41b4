from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from training.rllib.advantages import estimate_advantages, evaluate_rollout, natural_reward_scale
from training.rllib.rollout import MissingDurations, Rollout

DISCOUNT, GAE_LAMBDA = 0.9, 0.8


def build_rollout(*, steps: int = 12, envs: int = 5) -> Rollout:
    """Random rewards and ends; observations are (environment, identity of the state)."""
    generator = np.random.default_rng(3)
    terminated = generator.random((steps, envs)) < 0.2
    truncated = (generator.random((steps, envs)) < 0.2) & ~terminated
    ends = int((terminated | truncated).sum())
    return Rollout(
        observations=generator.normal(size=(steps, envs, 2)),
        actions=np.zeros((steps, envs), dtype=np.int64),
        logits=np.zeros((steps, envs, 2)),
        log_probabilities=np.zeros((steps, envs)),
        rewards=generator.normal(size=(steps, envs)),
        terminated=terminated,
        truncated=truncated,
        final_observations=generator.normal(size=(ends, 2)),
        last_observations=generator.normal(size=(envs, 2)),
        episode_returns=np.zeros(ends),
        episode_lengths=np.zeros(ends, dtype=np.int64),
    )


def value_of(observations: np.ndarray) -> np.ndarray:
    values: np.ndarray = observations @ np.array([1.0, -2.0])
    return values


def scaled_value_of(scale: float, observations: np.ndarray) -> np.ndarray:
    return scale * value_of(observations)


def plain_advantage(rollout: Rollout, step: int, env: int) -> float:
    """The defining sum, followed forward in time until the episode or the rollout ends."""
    total, weight = 0.0, 1.0
    order = {(t, e): row for row, (t, e) in enumerate(np.argwhere(rollout.ended).tolist())}
    for t in range(step, len(rollout.rewards)):
        if rollout.ended[t, env]:
            following = rollout.final_observations[order[t, env]]
        elif t + 1 < len(rollout.rewards):
            following = rollout.observations[t + 1, env]
        else:
            following = rollout.last_observations[env]
        worth = 0.0 if rollout.terminated[t, env] else value_of(following[None])[0]
        present = value_of(rollout.observations[t, env][None])[0]
        total += weight * (rollout.rewards[t, env] + DISCOUNT * worth - present)
        weight *= DISCOUNT * GAE_LAMBDA
        if rollout.ended[t, env]:
            break
    return float(total)


def test_advantages_follow_their_definition_at_every_kind_of_end() -> None:
    """Termination, truncation and the rollout's edge differ only in what follows the last step."""
    rollout = build_rollout()
    estimated = evaluate_rollout(
        rollout,
        value_of=value_of,
        reward_scale=1.0,
        discount=DISCOUNT,
        gae_lambda=GAE_LAMBDA,
    )
    steps, envs = rollout.rewards.shape
    expected = [[plain_advantage(rollout, t, e) for e in range(envs)] for t in range(steps)]
    assert rollout.terminated.any()
    assert rollout.truncated.any()
    np.testing.assert_allclose(estimated.advantages, expected, rtol=1e-9)
    values = value_of(rollout.observations.reshape(-1, 2)).reshape(steps, envs)
    np.testing.assert_allclose(estimated.targets, expected + values, rtol=1e-9)


@pytest.mark.parametrize(("terminated", "expected"), [(True, 1.0), (False, 1.0 + 0.9 * 10.0)])
def test_what_follows_counts_after_a_truncation_only(terminated: bool, expected: float) -> None:
    """A time limit is no end of the world: the customers still waiting must still count."""
    estimated = estimate_advantages(
        rewards=np.array([[1.0]]),
        values=np.array([[0.0]]),
        next_values=np.array([[10.0]]),
        terminated=np.array([[terminated]]),
        truncated=np.array([[not terminated]]),
        discount=DISCOUNT,
        gae_lambda=GAE_LAMBDA,
    )
    assert estimated.advantages[0, 0] == pytest.approx(expected)


def test_scaled_rewards_scale_the_targets() -> None:
    """The value network learns in scaled units, so its targets must be in the same ones."""
    rollout = build_rollout()
    plain, scaled = (
        evaluate_rollout(
            rollout,
            value_of=partial(scaled_value_of, scale),
            reward_scale=scale,
            discount=DISCOUNT,
            gae_lambda=GAE_LAMBDA,
        )
        for scale in (1.0, 0.25)
    )
    np.testing.assert_allclose(scaled.targets, 0.25 * plain.targets, rtol=1e-6)


def test_the_natural_scale_undoes_the_units_of_the_reward() -> None:
    """Costs in cents or in euros are the same problem, so they must look the same when learned."""
    rollout = build_rollout()
    scale = natural_reward_scale(rollout, discount=DISCOUNT)
    in_cents = replace(rollout, rewards=100.0 * rollout.rewards)
    assert natural_reward_scale(in_cents, discount=DISCOUNT) == pytest.approx(scale / 100.0)


def test_time_is_discounted_by_minutes_where_steps_differ_in_length() -> None:
    """A semi-Markov process: half an hour in one step or in three weighs what follows the same.

    One reward of 1 at the end of two steps of 10 and 20 minutes, at .9 for every 30 minutes.
    """
    one = build_rollout(steps=2, envs=1)
    never = np.zeros((2, 1), dtype=np.bool_)
    ended = np.array([[False], [True]])
    rollout = replace(
        one,
        rewards=np.array([[0.0], [1.0]]),
        terminated=ended,
        truncated=never,
        final_observations=np.zeros((1, 2)),
        durations=np.array([[10.0], [20.0]]),
        episode_returns=np.zeros(1),
        episode_lengths=np.ones(1, dtype=np.int64),
    )
    found = evaluate_rollout(
        rollout,
        value_of=lambda rows: np.zeros(len(rows)),
        reward_scale=1.0,
        discount=0.9,
        discount_minutes=30.0,
        gae_lambda=1.0,
    )
    # The first step takes a third of half an hour, after which the reward is a step away.
    assert found.advantages[:, 0] == pytest.approx([0.9 ** (1 / 3), 1.0], rel=1e-6)
    with pytest.raises(MissingDurations, match="discount_minutes=30"):
        replace(rollout, durations=None).discounts(0.9, 30.0)
