from functools import partial

import pytest

from envs.objective import Objective
from envs.observation import Observation
from envs.problem import BuildWorld, Problem
from envs.world import SimulatedWorld, SurrogateWorld
from sim.description import SystemDescription
from tests.fakes import GuessingSurrogate
from tests.systems import MakeSimulator, small_centre

COSTS = {"call_abandoned": 5.0, "call_wait": 0.15, "moves": 1.0}
AT_CLOSE = {"follow_up_waiting": 14.0}


@pytest.fixture
def description() -> SystemDescription:
    return small_centre().describe()


@pytest.fixture(params=["simulated", "surrogate"])
def problem(request: pytest.FixtureRequest, description: SystemDescription) -> Problem:
    """The same problem in either world: what holds of one environment holds of both."""
    worlds: dict[str, BuildWorld] = {
        "simulated": partial(SimulatedWorld, MakeSimulator()),
        "surrogate": partial(SurrogateWorld, GuessingSurrogate(description)),
    }
    return Problem(
        build_world=worlds[request.param],
        objective=Objective.from_costs(description, COSTS, AT_CLOSE),
        observation=Observation(description=description, parameters=description.nominal),
        cost_unit=100.0,
    )
