from functools import partial
from typing import Any

import numpy as np
import pytest

from envs.environment import Environment
from envs.problem import Rollouts
from envs.randomisation import (
    FixedParameters,
    NearBelief,
    ParameterDraws,
    SpreadParameters,
    UniformParameters,
)
from envs.world import ImaginedWorld, SimulatedWorld, SurrogateWorld
from sim.errors import InvalidParameters
from tests.envs.clockwork import (
    DESCRIPTION,
    Clockwork,
    ClockworkSurrogate,
    ClockworkWorlds,
    clockwork_problem,
)

BOX = UniformParameters.of(DESCRIPTION)
WIND = np.array([1])
WORLDS = {
    "one": partial(SurrogateWorld, ClockworkSurrogate()),
    "possible": partial(ImaginedWorld, ClockworkSurrogate(), ClockworkWorlds()),
}


@pytest.mark.parametrize(
    "draws",
    [
        BOX,
        SpreadParameters(box=BOX),
        NearBelief(mean=np.array([1.2]), deviation=np.array([0.5]), box=BOX),
    ],
)
@pytest.mark.parametrize("world", ["simulated", "surrogate"])
def test_every_episode_has_parameters_of_its_own(draws: ParameterDraws, world: str) -> None:
    """A turn counts as often as the gear says, which the world must tell truly, in both worlds."""
    build = {
        "simulated": partial(SimulatedWorld, Clockwork, parameters=draws),
        "surrogate": partial(SurrogateWorld, ClockworkSurrogate(), parameters=draws),
    }[world]
    rollouts, random = Rollouts(clockwork_problem(build_world=build), 40), np.random.default_rng(0)
    rollouts.begin(np.arange(40), random)
    first = rollouts.world.parameters.copy()
    rollouts.step(np.ones(40, dtype=int), random)
    np.testing.assert_array_equal(rollouts.states[:, 0], first[:, 0])
    assert len(set(first[:, 0])) > 20
    assert (first >= 1).all()
    assert (first <= 3).all()
    rollouts.begin(np.arange(5), random)
    changed = rollouts.world.parameters != first
    assert changed[:5].any()
    assert not changed[5:].any()


def test_spread_parameters_leave_no_gap() -> None:
    """Of 64 points of a Sobol design each of 64 equal parts has one; of random ones few have."""
    drawn = SpreadParameters(box=BOX)(64, np.random.default_rng(1))[:, 0]
    np.testing.assert_array_equal(np.sort(((drawn - 1) / 2 * 64).astype(int)), np.arange(64))
    assert SpreadParameters(box=BOX)(0, np.random.default_rng(1)).shape == (0, 1)


def test_a_belief_is_as_unsure_as_it_says() -> None:
    """The mean of 4,000 normal draws is within 4 standard errors of the belief's."""
    belief = NearBelief(mean=np.array([2.0]), deviation=np.array([0.1]), box=BOX)
    drawn = belief(4000, np.random.default_rng(2))
    assert drawn.mean() == pytest.approx(2.0, abs=4 * 0.1 / np.sqrt(4000))
    assert drawn.std() == pytest.approx(0.1, rel=0.05)


def test_parameters_that_are_given_stay() -> None:
    """The null case: one system, whatever is drawn elsewhere."""
    world = SurrogateWorld(ClockworkSurrogate(), 3, np.array([2.0]))
    random = np.random.default_rng(0)
    world.begin(np.arange(3), random)
    assert world.parameters.tolist() == [[2.0]] * 3
    assert FixedParameters(values=np.array([2.0]))(2, random).tolist() == [[2.0]] * 2


@pytest.mark.parametrize("gear", [50.0, 0.5, np.nan, -1.0])
@pytest.mark.parametrize("build", WORLDS.values(), ids=WORLDS.keys())
def test_a_surrogate_is_not_asked_beyond_what_it_has_learnt(build: Any, gear: float) -> None:
    """It would answer anything in the same tone, and a policy would be trained on that."""
    message = rf"'gear' is {gear}, outside what .*: stay within \[1.0, 3.0\], or let it learn"
    with pytest.raises(InvalidParameters, match=message):
        build(2, parameters=np.array([gear]))
    world = build(2, parameters=FixedParameters(values=np.array([gear])))
    with pytest.raises(InvalidParameters, match=message):
        world.begin(np.arange(2), np.random.default_rng(0))


def test_a_bound_may_be_missed_by_rounding() -> None:
    """An estimate that stopped at a bound is low + (high - low), which may be the next number."""
    world = SurrogateWorld(ClockworkSurrogate(), 1, np.nextafter(np.array([3.0]), 4.0))
    assert world.begin(np.arange(1), np.random.default_rng(0)).shape == (1, 2)


def test_the_simulator_may_be_asked_anywhere() -> None:
    """It is the truth, from which a surrogate learns what lies beyond its box."""
    beyond = FixedParameters(values=np.array([50.0]))
    for given in ({"gear": 50.0}, beyond):
        world = SimulatedWorld(Clockwork, 1, given)
        world.begin(np.arange(1), np.random.default_rng(0))
        assert world.parameters.tolist() == [[50.0]]


@pytest.mark.parametrize("values", [[2.0, 2.0], []])
def test_as_many_parameters_are_given_as_there_are(values: list[float]) -> None:
    """What is missing has no value, and what is too much no name."""
    message = rf"parameters of shape \({len(values)},\): 'clockwork' has 1, gear"
    wrong, random = np.array(values), np.random.default_rng(0)
    with pytest.raises(InvalidParameters, match=message):
        SurrogateWorld(ClockworkSurrogate(), 1, wrong)
    for world in (
        SurrogateWorld(ClockworkSurrogate(), 1, FixedParameters(values=wrong)),
        SimulatedWorld(Clockwork, 1, FixedParameters(values=wrong)),
    ):
        with pytest.raises(InvalidParameters, match=message):
            world.begin(np.arange(1), random)


def test_ranges_may_be_named() -> None:
    """All else stays nominal, and nobody asks for what was never meant."""
    assert UniformParameters.of(DESCRIPTION, {}).high.tolist() == [1.0]
    narrow = UniformParameters.of(DESCRIPTION, {"gear": (1.5, 2.0)})
    assert (narrow.low.tolist(), narrow.high.tolist()) == ([1.5], [2.0])
    with pytest.raises(InvalidParameters, match="did you mean 'gear'"):
        UniformParameters.of(DESCRIPTION, {"gears": (1.0, 2.0)})
    with pytest.raises(InvalidParameters, match=r"stay within \[1.0, 3.0\]"):
        UniformParameters.of(DESCRIPTION, {"gear": (0.5, 2.0)})


def test_an_episode_stays_in_the_world_it_was_drawn_into() -> None:
    """Doubt that changed from epoch to epoch would average out, and nobody would learn from it."""
    worlds = ClockworkWorlds()
    world = ImaginedWorld(ClockworkSurrogate(), worlds, 60)
    random = np.random.default_rng(0)
    world.begin(np.arange(60), random)
    steps = [world.advance(np.ones((60, 1)), random).state[:, 0] for _ in range(4)]
    np.testing.assert_array_equal(np.diff(steps, axis=0), np.tile(world.which + 1, (3, 1)))
    assert set(world.which) == {0, 1, 2}
    before = world.which.copy()
    world.begin(np.arange(30), random)
    assert (world.which[:30] != before[:30]).any()
    np.testing.assert_array_equal(world.which[30:], before[30:])


def test_a_seed_draws_the_same_worlds() -> None:
    """Trainings are to be repeatable, doubts included."""
    build = partial(ImaginedWorld, ClockworkSurrogate(), ClockworkWorlds(), parameters=BOX)
    problem = clockwork_problem(build_world=build)
    played = []
    for _ in range(2):
        environment = Environment(problem)
        environment.reset(seed=8)
        played.append([environment.step(np.int64(1))[0].tolist() for _ in range(4)])
    assert played[0] == played[1]
