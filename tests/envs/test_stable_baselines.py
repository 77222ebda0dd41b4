"""Stable-Baselines3 trains on our environments as they are."""

from functools import partial

import numpy as np
import pytest
import torch

from envs.environment import Environment
from envs.objective import Objective, Target
from envs.problem import Problem
from envs.world import SurrogateWorld
from tests.envs.clockwork import DESCRIPTION, ClockworkSurrogate, clockwork_problem
from tests.systems import unchecked

stable_baselines3 = pytest.importorskip("stable_baselines3")
pytestmark = pytest.mark.sb3


def test_its_checker_passes(problem: Problem) -> None:
    """It asks for more than gymnasium's does, and every warning is an error here."""
    from stable_baselines3.common.env_checker import check_env

    with unchecked():
        check_env(Environment(problem))


def test_its_ppo_learns_the_best_decisions() -> None:
    """One turn in every epoch is on target and costs nothing; every other decision costs 10."""
    problem = clockwork_problem(
        build_world=partial(SurrogateWorld, ClockworkSurrogate()),
        objective=Objective.from_costs(
            DESCRIPTION, {}, {}, targets=(Target(output="turns", level=1.0, price=10.0),)
        ),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with unchecked():
        learner = stable_baselines3.PPO(
            "MlpPolicy", Environment(problem), n_steps=128, batch_size=64, learning_rate=5e-3,
            seed=1, device="cpu",
        )  # fmt: skip
        learner.learn(640)
        environment = Environment(problem)
        seen, _ = environment.reset(seed=0)
        rewards = []
        for _ in range(5):
            seen, reward, *_ = environment.step(
                np.int64(learner.predict(seen, deterministic=True)[0])
            )
            rewards.append(reward)
    torch.set_num_threads(threads)
    assert sum(rewards) == 0.0
