"""The same environments over a simulator that tells nothing but names."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from envs.environment import Environment
from envs.objective import Objective
from envs.observation import Observation, PlainObservation, viewpoint_of
from envs.problem import BuildWorld, Problem, Rollouts
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld, SurrogateWorld, World
from sim.description import Description, SystemDescription
from sim.errors import InvalidSystem
from surrogates.baselines import fit_mean
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from tests.fakes import TinyQueue
from tests.systems import small_centre

BUILD = WithClock(build=TinyQueue)


@pytest.fixture(scope="module")
def tiny() -> Description:
    return BUILD().describe()


@pytest.fixture(scope="module")
def rounds(tiny: Description) -> Transitions:
    return run_episodes(BUILD, plan_episodes(tiny, 24, 5))


def problem_of(
    description: Description, build_world: Callable[[int], World], states: np.ndarray
) -> Problem:
    return Problem(
        build_world=build_world,
        objective=Objective.from_costs(description, dict(TinyQueue.costs), {"waiting": 4.0}),
        observation=viewpoint_of(description, description.nominal, states),
        cost_unit=10.0,
    )


@pytest.fixture(params=["simulated", "surrogate"])
def problem(request: pytest.FixtureRequest, tiny: Description, rounds: Transitions) -> Problem:
    surrogate = fit_mean(rounds, tiny, None, np.random.default_rng(0))
    worlds: dict[str, BuildWorld] = {
        "simulated": partial(SimulatedWorld, BUILD),
        "surrogate": partial(SurrogateWorld, surrogate),
    }
    return problem_of(tiny, worlds[request.param], rounds.state)


def test_gymnasium_s_own_checker_passes(problem: Problem) -> None:
    """A user's simulator is an environment like any other."""
    check_env(Environment(problem), skip_render_check=True)


def test_an_episode_ends_when_the_world_says_so(problem: Problem) -> None:
    """The state need not tell; the surrogate counts, and the simulator knows."""
    environment = Environment(problem)
    environment.reset(seed=0)
    assert [environment.step(np.int64(1))[2] for _ in range(6)] == [False] * 5 + [True]


def test_episodes_open_in_states_that_were_seen(problem: Problem, rounds: Transitions) -> None:
    """A plug-in's first state is random, and the surrogate must begin like it."""
    rollouts = Rollouts(problem, 200)
    rollouts.begin(np.arange(200), np.random.default_rng(0))
    seen = set(rounds.state[rounds.state[:, -1] == 0][:, 0])
    assert set(rollouts.states[:, 0]) == seen == set(range(5))


def test_what_is_left_at_the_end_is_paid_for(problem: Problem) -> None:
    """A price may stand on any component of the state, and falls due with the last epoch."""
    rollouts = Rollouts(problem, 3)
    random = np.random.default_rng(1)
    rollouts.begin(np.arange(3), random)
    names = rollouts.world.description.output_names
    prices = np.array([TinyQueue.costs.get(name, 0.0) for name in names])
    world, kept = rollouts.world, []
    for _ in range(6):
        answers = world.advance(rollouts.actions.levels(np.arange(3)), random)
        kept.append(answers)
        costs = problem.objective.cost(answers.outputs, answers.state, answers.is_last)
        left = 4.0 * answers.state[:, 0] * answers.is_last
        np.testing.assert_allclose(costs, answers.outputs @ prices + left)
    assert [bool(a.is_last.all()) for a in kept] == [False] * 5 + [True]


def test_a_simulator_may_end_early_beside_others_that_go_on() -> None:
    """Rows are begun anew when they end, whatever the others do."""
    build = WithClock(build=partial(TinyQueue, patience=6))
    description = build().describe()
    states = run_episodes(build, plan_episodes(description, 8, 1)).state
    vector = VectorEnvironment(problem_of(description, partial(SimulatedWorld, build), states), 8)
    vector.reset(seed=2)
    ends = np.array([vector.step(np.zeros(8, dtype=int))[2] for _ in range(12)])
    lengths = [np.diff(np.flatnonzero(column), prepend=-1) for column in ends.T]
    assert min(map(min, lengths)) < 6
    assert max(map(max, lengths)) <= 6


def test_numbers_are_seen_in_deviations_from_what_was_collected(
    tiny: Description, rounds: Transitions
) -> None:
    """A network learns best from numbers about 0 with a spread about 1, whatever their unit."""
    observe = viewpoint_of(tiny, tiny.nominal, rounds.state)
    assert isinstance(observe, PlainObservation)
    assert observe.names == ("waiting", "mood", "clock", "clock_sin", "clock_cos")
    seen = observe(rounds.state)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen[:, :2].mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(seen[:, :2].std(axis=0), 1.0, atol=1e-5)
    opened = seen[rounds.state[:, -1] == 0]
    np.testing.assert_allclose(opened[:, 2:], [[-1.0, 0.0, 1.0]] * len(opened), atol=1e-6)


def test_a_number_that_never_varied_is_seen_as_it_is(
    tiny: Description, rounds: Transitions
) -> None:
    """Divided by no spread, the first surprise would be infinite."""
    states = rounds.state.copy()
    states[:, 1] = 7.0
    observe = PlainObservation.of(tiny, states)
    assert (observe(states)[:, 1] == 0.0).all()
    states[0, 1] = 8.0
    assert observe(states)[0, 1] == 1.0


def test_a_system_is_seen_by_its_calendar_if_it_has_one() -> None:
    """What is known ahead is worth seeing; with decisions at events there is nothing ahead."""
    system = small_centre().describe()
    assert isinstance(system, SystemDescription)
    states = np.array([system.initial_state(0)])
    assert isinstance(viewpoint_of(system, system.nominal, states), Observation)


def test_a_calendar_s_view_refuses_epochs_that_end_with_events() -> None:
    """It would show the first epoch's roster for ever."""
    by_events = replace(small_centre(), boundaries=(), events=20).describe()
    with pytest.raises(InvalidSystem, match="use PlainObservation"):
        Observation(description=by_events, parameters=by_events.nominal)
