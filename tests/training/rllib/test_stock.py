"""RLlib's own PPO, for comparisons: it learns the same problem and gives a policy of ours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from envs.environment import Environment
from envs.sight import seen_names
from envs.world import SurrogateWorld
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.stock import train_stock_ppo

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = PPOSettings(hidden=(8,), num_envs=1, rollout_length=64, minibatch_size=32)


def test_stock_ppo_trains_until_told_to_stop_and_counts_what_it_spent() -> None:
    """The other arm of every comparison must be counted like ours."""
    problem = clockwork_problem(build_world=partial(SurrogateWorld, ClockworkSurrogate()))
    heard: list[tuple[NetworkPolicy, int, float]] = []

    def hear(policy: NetworkPolicy, steps: int, seconds: float) -> bool:
        heard.append((policy, steps, seconds))
        return len(heard) == 3

    trained = train_stock_ppo(
        partial(Environment, problem), SETTINGS, Budget(steps=10**6), on_policy=hear
    )
    assert len(trained.steps) == len(trained.seconds) == len(heard) == 3
    assert trained.steps[0] >= 64
    assert np.diff(trained.steps).min() >= 64
    assert np.diff(trained.seconds).min() > 0
    assert trained.steps_per_second > 0
    assert trained.policy.features == len(seen_names(problem))
    assert trained.policy.hidden == (8,)
    assert not np.array_equal(heard[0][0].weights[0], heard[2][0].weights[0])


def test_stock_ppo_has_no_memory() -> None:
    """Trained without one in silence it would be compared as if it had one."""
    with pytest.raises(InvalidSettings, match="memory=8"):
        train_stock_ppo(
            partial(Environment, clockwork_problem()), replace(SETTINGS, memory=8), Budget(steps=1)
        )
