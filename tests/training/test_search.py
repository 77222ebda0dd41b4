"""Rules for any simulator, and how candidates are judged."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from envs.objective import Objective
from envs.observation import viewpoint_of
from envs.problem import BuildWorld, Problem
from envs.world import SimulatedWorld, SurrogateWorld
from sim.description import Description
from surrogates.baselines import NearestNeighbourSettings, fit_nearest_neighbours
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from tests.fakes import TinyQueue
from tests.systems import small_centre
from training.heuristics import ConstantRule, Controller, LinearRule
from training.search import InTurn, SideBySide, episode_costs, search_rule

BUILD = WithClock(build=TinyQueue)
CONSTANTS: list[Controller] = [ConstantRule(choice=c, name=str(c)) for c in range(3)]


@pytest.fixture(scope="module")
def tiny() -> Description:
    return BUILD().describe()


def problem_over(build: WithClock, description: Description, *, is_surrogate: bool) -> Problem:
    rounds = run_episodes(build, plan_episodes(description, 64, 5))
    world: BuildWorld = partial(SimulatedWorld, build)
    if is_surrogate:
        surrogate = fit_nearest_neighbours(
            rounds, description, NearestNeighbourSettings(), np.random.default_rng(0)
        )
        world = partial(SurrogateWorld, surrogate)
    return Problem(
        build_world=world,
        objective=Objective.from_costs(description, dict(TinyQueue.costs), {}),
        observation=viewpoint_of(description, description.nominal, rounds.state),
    )


@pytest.fixture(scope="module")
def problem(tiny: Description) -> Problem:
    return problem_over(BUILD, tiny, is_surrogate=True)


def rule(description: Description, **weights: float) -> LinearRule:
    box = LinearRule.box(description)
    named = {name: weights.get(name.split(": ")[1], 0.0) for name in box}
    return LinearRule.from_values(description, named)


def test_a_linear_rule_goes_up_with_what_it_weighs(tiny: Description) -> None:
    """More servers when more wait: with a weight on the queue the level rises through all three."""
    states = np.array([[0.0, 0.0, 2.0], [8.0, 0.0, 2.0], [500.0, 0.0, 2.0]])
    assert rule(tiny, waiting=1.5, offset=-3.0).decide(states).tolist() == [0, 1, 2]
    assert rule(tiny, waiting=-1.5, offset=3.0).decide(states).tolist() == [2, 1, 0]
    assert rule(tiny).decide(states).tolist() == [1, 1, 1]


def test_a_linear_rule_numbers_joint_choices_as_the_description_does() -> None:
    """The number of a choice is its row among the decisions, the last lever fastest."""
    description = small_centre().describe()
    names = LinearRule.box(description)
    up = {name: 4.0 if name == "on_follow_ups: offset" else 0.0 for name in names}
    (choice,) = LinearRule.from_values(description, up).decide(description.initial_state(0)[None])
    assert description.decisions[choice].tolist() == [0.3, 0.4]


def test_both_ways_of_judging_agree_up_to_luck(problem: Problem) -> None:
    """Side by side no two meet the same luck; over 300 episodes the means differ by little.

    An episode's cost deviates by less than 300, so that the difference of two means of 300 has a
    standard error below 24.5 (99.9%: 81).
    """
    in_turn = list(InTurn(problem=problem, days=300, seed=1)(CONSTANTS))
    together = list(SideBySide(problem=problem, days=300, seed=2)(CONSTANTS))
    assert np.argsort(in_turn).tolist() == np.argsort(together).tolist()
    np.testing.assert_allclose(in_turn, together, atol=81.0)


def test_in_turn_every_candidate_meets_the_same_numbers(problem: Problem) -> None:
    """Twins must cost the same to the last digit, or the better one is the luckier one."""
    one, twin = InTurn(problem=problem, days=8, seed=1)([CONSTANTS[1], CONSTANTS[1]])
    assert one == twin


def test_side_by_side_controllers_keep_to_their_own_rows(problem: Problem) -> None:
    """A cost under another's name would be worse than none."""
    idle, busy = ConstantRule(choice=0), ConstantRule(choice=2)
    first = list(SideBySide(problem=problem, days=50, seed=3)([idle, busy]))
    again = list(SideBySide(problem=problem, days=50, seed=3)([busy, idle]))
    assert first[0] == pytest.approx(again[1], rel=0.3)
    assert abs(first[0] - first[1]) > 0.3 * abs(first[0] - again[1])


def test_episodes_that_end_early_cost_no_more_after_their_end(tiny: Description) -> None:
    """Copies begin anew beside those that go on, and what they then cost is not this episode's."""
    build = WithClock(build=partial(TinyQueue, patience=0))
    problem = problem_over(build, build().describe(), is_surrogate=False)
    costs = episode_costs(problem, ConstantRule(choice=0), 40, 7)
    days = [run_alone(problem, seed) for seed in range(40)]
    # An episode that ends when anybody waits costs about 40 with a spread of 25; a whole one 700.
    assert costs.mean() == pytest.approx(np.mean(days), rel=0.5)


def run_alone(problem: Problem, seed: int) -> float:
    return float(episode_costs(problem, ConstantRule(choice=0), 1, seed)[0])


def test_the_search_finds_a_rule_no_worse_than_the_constants(
    problem: Problem, tiny: Description
) -> None:
    """A linear rule with its offset alone is a constant, so the best cannot be worse by much."""
    judge = SideBySide(problem=problem, days=60, seed=4)
    found = search_rule(
        partial(LinearRule.from_values, tiny),
        LinearRule.box(tiny),
        judge,
        rounds=4,
        candidates=24,
        seed=1,
    )
    assert found.candidates == 96
    assert found.cost < 1.1 * min(judge(CONSTANTS))
    assert 1 <= len(found.finalists) <= 6
