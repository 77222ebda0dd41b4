"""RLlib's own algorithms, for comparisons: they learn the same and give a policy of ours."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from envs.environment import Environment
from envs.sight import seen_names
from envs.world import SurrogateWorld
from tests.envs.clockwork import ClockworkSurrogate, clockwork_problem
from training.policies import NetworkPolicy
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.settings import Budget, InvalidSettings, PPOSettings
from training.rllib.stock import train_stock_dqn, train_stock_ppo, train_stock_sac

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = PPOSettings(hidden=(8,), num_envs=1, rollout_length=64, minibatch_size=32)
REPLAYING: dict[str, Any] = {
    "hidden": (8,), "num_envs": 4, "rollout_length": 4, "batch_size": 8, "learning_starts": 16,
    "updates_per_iteration": 3,
}  # fmt: skip


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


@pytest.mark.parametrize(
    ("train", "settings"),
    [(train_stock_dqn, DQNSettings(**REPLAYING)), (train_stock_sac, SACSettings(**REPLAYING))],
)
def test_stock_replay_makes_as_many_updates_as_ours(train: Any, settings: Any) -> None:
    """RLlib counts updates by an intensity; with another count no comparison would be fair."""
    problem = clockwork_problem(build_world=partial(SurrogateWorld, ClockworkSurrogate()))
    trained = train(partial(Environment, problem), settings, Budget(steps=60))
    assert set(np.diff(trained.updates)) == {settings.updates_per_iteration}
    assert trained.policy.features == len(seen_names(problem))
    actions: Any = Environment(problem).action_space
    assert trained.policy.decisions == actions.n
