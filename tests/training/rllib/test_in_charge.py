"""From a surrogate to the true simulator: what was learned holds when a controller has charge."""

from functools import partial

import numpy as np
import pytest

from envs.conditioning import Conditioned
from envs.objective import Objective, Target
from envs.preferences import Preferences
from envs.problem import Problem
from envs.randomisation import UniformParameters
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from tests.envs.clockwork import (
    DESCRIPTION,
    OBSERVATION,
    Clockwork,
    ClockworkSurrogate,
    clockwork_problem,
)
from tests.training.lights import (
    BEST_WITHOUT_MEMORY,
    OBJECTIVE,
    Lights,
    PresentLight,
    lights_problem,
)
from training.controllers import PolicyController
from training.evaluation import run_days
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, PPOSettings
from training.rllib.train import train_ppo

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SETTINGS = PPOSettings(
    hidden=(32, 32),
    num_envs=64,
    rollout_length=18,
    minibatch_size=288,
    learning_rate=5e-3,
    discount=0.0,
)
"""No decision changes what later ones cost in either problem, so later costs weigh nothing."""
DAYS = tuple(range(40))


def train(problem: Problem, iterations: int) -> NetworkPolicy:
    budget = Budget(steps=iterations * SETTINGS.transitions_per_iteration)
    return train_ppo(partial(VectorEnvironment, problem), SETTINGS, budget).policy


@pytest.mark.parametrize(("history", "least", "most"), [(2, 0.0, 0.0), (1, 1.9, 3.1)])
def test_a_window_pays_where_the_past_tells_more(history: int, least: float, most: float) -> None:
    """With a window every decision can be right, without one five of six are a coin's toss.

    Their mean over 40 days is 2.5, within 3.3 * sqrt(5 / 4 / 40) = 0.6 at 99.9 %.
    """
    policy = train(lights_problem(history=history), 12)
    controller = PolicyController(
        policy=policy, observation=PresentLight(), name="trained", history=history
    )
    mean = np.mean([day.cost for day in run_days(Lights, controller, OBJECTIVE, DAYS, {})])
    assert least <= mean <= most
    assert BEST_WITHOUT_MEMORY == 2.5


PRICED = Objective.from_costs(
    DESCRIPTION, {"turns": 1.0}, {}, targets=(Target(output="turns", level=2.0, price=1.0),)
)
PREFERENCES = Preferences(objective=PRICED, ranges={"turns_cost": (-2.0, 4.0)})
"""An epoch costs (turns - 2) ** 2 and the price of every turn; turns are gear times lever."""


def best_level(gear: float, price: float) -> float:
    """Of the three levels the one of least cost, by trying all."""
    turns = gear * np.array([0.0, 1.0, 2.0])
    return float(np.argmin((turns - 2.0) ** 2 + price * turns))


@pytest.fixture(scope="module")
def conditioned(ray_cluster: None) -> NetworkPolicy:
    """One policy, trained once on the surrogate over a range of gears and prices."""
    problem = clockwork_problem(
        build_world=partial(
            SurrogateWorld, ClockworkSurrogate(), parameters=UniformParameters.of(DESCRIPTION)
        ),
        observation=Conditioned.of(OBSERVATION, preferences=PREFERENCES),
        preferences=PREFERENCES,
    )
    return train(problem, 60)


@pytest.mark.parametrize(
    ("gear", "price", "best"), [(1, -1, 2), (1, 2, 1), (1, 4, 0), (3, 0, 1), (3, 3, 0), (2, 0, 1)]
)
def test_one_policy_serves_every_gear_and_price_that_it_is_told(
    conditioned: NetworkPolicy, gear: float, price: float, best: float
) -> None:
    """Told of another system or objective it decides for that one, without any training."""
    assert best_level(gear, price) == best
    view = Conditioned(
        viewpoint=OBSERVATION,
        parameters=np.array([float(gear)]),
        shown_parameters=("gear",),
        preferences=PREFERENCES,
        numbers=np.where(np.array(PRICED.number_names) == "turns_cost", price, PRICED.numbers),
    )
    controller = PolicyController(policy=conditioned, observation=view, name="told")
    objective = PRICED.with_numbers(view.numbers)
    (day,) = run_days(Clockwork, controller, objective, (0,), {"gear": float(gear)})
    assert set(day.telemetry.decision[:, 0].tolist()) == {float(best)}
