"""What is replayed: every transition with what truly followed it, and what that counts for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import VectorEnv

from tests.fakes import Counter, MaskedChain
from training.rllib.batched_runner import BatchedEnvRunner, UnsupportedEnvironment
from training.rllib.build import build_dqn_config
from training.rllib.experience import Experience, Joiner
from training.rllib.off_policy_settings import DQNSettings
from training.rllib.rollout import MissingDurations, Rollout
from training.rllib.session import quiet_ray

ENVS, STEPS, DISCOUNT = 4, 5, 0.9


def collect(
    make_env: Callable[[int], VectorEnv[Any, Any, Any]], rollouts: int = 1, steps: int = STEPS
) -> list[Rollout]:
    settings = DQNSettings(num_envs=ENVS, rollout_length=STEPS, hidden=(8,))
    with quiet_ray():
        runner = BatchedEnvRunner(config=build_dqn_config(make_env, settings), worker_index=0)
    return [runner.collect(steps) for _ in range(rollouts)]


def joined(rollouts: list[Rollout], n_step: int, minutes: float | None = None) -> list[Experience]:
    joiner = Joiner(n_step, DISCOUNT, minutes)
    found = [joiner.join(rollout) for rollout in rollouts]
    return [experience for experience in found if experience is not None]


@pytest.mark.parametrize("truncates", [True, False])
@pytest.mark.parametrize("n_step", [1, 2, 4])
def test_every_transition_is_followed_by_what_truly_came_later(
    n_step: int, truncates: bool
) -> None:
    """The counter's episodes can be foretold, so each sum, what follows and its weight can too.

    Environment k's episodes last 3 + k steps and step t earns t + 1. Truncated, the final
    observation counts in full, never that after the reset; terminated, for nothing.
    """
    rollouts = collect(lambda envs: Counter(envs, truncates=truncates), rollouts=4)
    found = joined(rollouts, n_step)
    assert sum(len(each) for each in found) == (4 * STEPS - (n_step - 1)) * ENVS
    for experience in found:
        for row in range(len(experience)):
            env, episode, time = experience.observations[row].astype(int).tolist()
            reached = min(time + n_step, 3 + env)
            earned = sum(DISCOUNT ** (t - time) * (t + 1) for t in range(time, reached))
            assert experience.following[row].astype(int).tolist() == [env, episode, reached]
            assert experience.rewards[row] == pytest.approx(earned, rel=1e-6)
            is_over = reached == 3 + env and not truncates
            weight = 0.0 if is_over else DISCOUNT ** (reached - time)
            assert experience.weights[row] == pytest.approx(weight, rel=1e-6)


def test_no_step_is_lost_or_told_twice_between_rollouts() -> None:
    """Rollouts shorter than `n_step` are joined as one long rollout would be."""
    (long,) = joined(collect(Counter, steps=12), 3)
    short = joined(collect(Counter, rollouts=6, steps=2), 3)
    for name, column in long.to_columns().items():
        if name != "actions":
            parts = np.concatenate([each.to_columns()[name] for each in short])
            np.testing.assert_allclose(parts, column, rtol=1e-6)


def test_weights_follow_the_minutes_that_steps_took() -> None:
    """Where epochs differ in length, a discount by step would make waiting free of charge."""
    (rollout,) = collect(lambda envs: MaskedChain(envs, length=50), steps=20)
    (experience,) = joined([rollout], 2, minutes=20.0)
    assert rollout.durations is not None
    minutes = rollout.durations[:-1] + rollout.durations[1:]
    np.testing.assert_allclose(experience.weights, DISCOUNT ** (minutes / 20).ravel(), rtol=1e-5)
    second = DISCOUNT ** (rollout.durations[:-1] / 20) * rollout.rewards[1:]
    np.testing.assert_allclose(
        experience.rewards, (rollout.rewards[:-1] + second).ravel(), rtol=1e-5
    )


def test_minutes_that_nobody_tells_are_asked_for() -> None:
    """Falling back to a discount by step would answer another question."""
    with pytest.raises(MissingDurations, match="duration"):
        joined(collect(Counter), 1, minutes=20.0)


@pytest.mark.parametrize("n_step", [1, 3])
def test_masks_are_those_of_the_observations_beside_them(n_step: int) -> None:
    """What may follow is decided by the mask of what follows, at a truncation as well.

    The chain at place p allows all but (p + 1) modulo 3, so each mask can be told from its row.
    """
    rollouts = collect(lambda envs: MaskedChain(envs, length=4, truncates=True), rollouts=3)
    for experience in joined(rollouts, n_step):
        for seen, mask in (
            (experience.observations, experience.allowed),
            (experience.following, experience.allowed_following),
        ):
            assert mask is not None
            places = seen[:, : MaskedChain.places].argmax(axis=1)
            np.testing.assert_array_equal(mask, np.arange(3) != ((places + 1) % 3)[:, None])


def test_a_truncation_without_its_last_mask_is_refused() -> None:
    """The mask after the reset is another observation's, and none at all would allow anything."""
    (rollout,) = collect(lambda envs: MaskedChain(envs, length=4, truncates=True))
    with pytest.raises(UnsupportedEnvironment, match="final_info"):
        joined([replace(rollout, final_allowed=None)], 1)


def test_a_termination_needs_no_last_mask() -> None:
    """Nothing is decided after it; its weight is 0, and any mask that allows something will do."""
    (rollout,) = collect(lambda envs: MaskedChain(envs, length=4))
    (experience,) = joined([replace(rollout, final_allowed=None)], 1)
    assert experience.allowed_following is not None
    assert experience.allowed_following[experience.weights == 0.0].all()
    assert (experience.weights == 0.0).sum() == ENVS
