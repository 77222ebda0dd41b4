from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from envs.conditioning import Conditioned
from envs.objective import Constraint, Objective, Target
from envs.observation import Observation
from envs.preferences import Preferences
from envs.randomisation import UniformParameters
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from sim.description import SystemDescription
from sim.errors import InvalidParameters, InvalidSystem
from tests.envs.clockwork import (
    COSTS,
    DESCRIPTION,
    OBSERVATION,
    ClockworkSurrogate,
    clockwork_problem,
)

OBJECTIVE = Objective.from_costs(DESCRIPTION, COSTS, {})
PREFERENCES = Preferences(objective=OBJECTIVE, ranges={"strikes_cost": (0.0, 20.0)})
ROWS = 50


def _vector() -> VectorEnvironment:
    problem = clockwork_problem(
        build_world=partial(
            SurrogateWorld,
            ClockworkSurrogate(),
            parameters=UniformParameters.of(DESCRIPTION),
        ),
        observation=Conditioned.of(OBSERVATION, preferences=PREFERENCES),
        preferences=PREFERENCES,
    )
    return VectorEnvironment(problem, ROWS)


def test_a_row_sees_its_own_system_and_pays_its_own_prices() -> None:
    """From what it sees, -1 to 1 over each range, a row's next state and cost can be worked out."""
    vector = _vector()
    seen, _ = vector.reset(seed=0)
    gear, price = 2.0 + seen[:, 2], 10.0 * (1.0 + seen[:, 3])
    assert min(len(set(gear)), len(set(price))) == ROWS
    after, _, _, _, infos = vector.step(np.ones(ROWS, dtype=int))
    np.testing.assert_allclose(after[:, 0], np.sqrt(gear), rtol=1e-5)
    np.testing.assert_allclose(infos["cost"], gear + price * (gear % 2 == 0), rtol=1e-5)
    np.testing.assert_array_equal(after[:, 2:], seen[:, 2:])


def test_the_next_episode_has_another_system_and_objective() -> None:
    """Or a copy would meet one of either for ever."""
    vector = _vector()
    first = seen = vector.reset(seed=0)[0]
    for _ in range(5):
        seen, *_ = vector.step(np.zeros(ROWS, dtype=int))
    assert (seen[:, 2:] != first[:, 2:]).all()


def test_a_policy_may_be_told_what_is_believed_and_wanted_now() -> None:
    """Asked about states alone, the view tells of one system and one objective."""
    view = Conditioned.of(OBSERVATION, preferences=PREFERENCES)
    assert view.names == ("wound", "ticks", "gear", "strikes_cost")
    assert view(np.zeros((2, 2)))[:, 2:].tolist() == [[-1.0, 0.0]] * 2
    dearer = OBJECTIVE.with_numbers(OBJECTIVE.numbers * 2)
    told = replace(view, parameters=np.array([3.0]), numbers=dearer.numbers)
    assert told(np.zeros((1, 2)))[:, 2:].tolist() == [[1.0, 1.0]]


def test_rosters_are_seen_as_each_row_believes_them(description: SystemDescription) -> None:
    """Told of parameters, every row sees what an observation with these beliefs alone shows."""
    observation = Observation(description=description, parameters=description.nominal)
    view = Conditioned.of(observation)
    states = np.array([description.initial_state(0)] * 6)
    states[:, -1] = np.arange(6)
    beliefs = UniformParameters.of(description)(6, np.random.default_rng(0))
    told = view.told(states, beliefs, np.zeros((6, 0)))
    for row in range(6):
        alone = Observation(description=description, parameters=beliefs[row])
        np.testing.assert_array_equal(
            told[row, : len(observation.names)], alone(states[row : row + 1])[0]
        )
    box = UniformParameters.of(description)
    centred = 2 * (beliefs - box.low) / (box.high - box.low) - 1
    np.testing.assert_allclose(told[:, len(observation.names) :], centred, atol=1e-6)


def test_a_parameter_that_is_not_shown_does_not_show(description: SystemDescription) -> None:
    """A roster scaled by the true staff would tell what the policy is not meant to know."""
    observation = Observation(description=description, parameters=description.nominal)
    view = Conditioned.of(observation, shown_parameters=("arrival_scale",))
    states = np.array([description.initial_state(0)] * 2)
    truth = np.array([description.nominal] * 2)
    truth[1, [p.name for p in description.parameters].index("staff_scale")] = 1.4
    told = view.told(states, truth, np.zeros((2, 0)))
    np.testing.assert_array_equal(told[0], told[1])


def test_what_cannot_be_shown_or_varied_is_refused() -> None:
    """A misspelt name would leave the policy blind to what changes."""
    with pytest.raises(InvalidParameters, match="did you mean 'gear'"):
        Conditioned.of(OBSERVATION, shown_parameters=("gaer",))
    with pytest.raises(InvalidSystem, match="nothing to condition on"):
        Conditioned.of(OBSERVATION, shown_parameters=())
    with pytest.raises(InvalidSystem, match="did you mean 'strikes_cost'"):
        Preferences(objective=OBJECTIVE, ranges={"strike_cost": (0.0, 1.0)})
    for low, high in ((1.0, 0.0), (np.nan, 1.0), (0.0, np.nan), (0.0, np.inf)):
        with pytest.raises(InvalidSystem, match=f"from {low} to {high}: least first, both finite"):
            Preferences(objective=OBJECTIVE, ranges={"strikes_cost": (low, high)})


@pytest.mark.parametrize(
    ("number", "name"), [("few_price", "few"), ("turns_target_price", "turns")]
)
def test_no_price_below_zero_is_drawn(number: str, name: str) -> None:
    """It would pay for a broken constraint, which an objective refuses; costs may be earnings."""
    few = Constraint(
        name="few", numerator=("strikes",), denominator=("turns",), limit=0.5, price=1.0
    )
    target = Target(output="turns", level=1.0, price=1.0)
    objective = replace(OBJECTIVE, constraints=(few,), targets=(target,))
    Preferences(objective=objective, ranges={number: (0.0, 2.0), "turns_cost": (-2.0, 2.0)})
    for high in (-1.0, 5.0):
        with pytest.raises(InvalidSystem, match=f"the price of '{name}' is -5.0: give a number of"):
            Preferences(objective=objective, ranges={number: (-5.0, high)})
