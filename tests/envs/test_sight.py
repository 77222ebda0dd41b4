import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from envs.environment import Environment
from envs.registration import scenario_problem
from envs.sight import seen_names
from envs.vector import VectorEnvironment
from sim.errors import InvalidSystem
from tests.envs.clockwork import clockwork_problem
from tests.systems import unchecked

TURNS = np.array([[2, 1], [2, 1], [2, 1], [2, 1], [2, 1], [2, 1]])


def test_a_window_shows_the_last_epochs_oldest_first() -> None:
    """At the beginning the first observation fills it, as there was nothing before."""
    problem = clockwork_problem(history=3)
    assert seen_names(problem) == (
        "wound_2_ago", "ticks_2_ago", "wound_1_ago", "ticks_1_ago", "wound", "ticks"
    )  # fmt: skip
    environment = Environment(problem)
    ticks = [environment.reset(seed=0)[0][1::2]]
    ticks += [environment.step(np.int64(1))[0][1::2] for _ in range(3)]
    np.testing.assert_allclose(
        np.array(ticks) ** 2, [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]], atol=1e-6
    )


@pytest.mark.parametrize("mode", [AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP])
def test_no_window_reaches_into_the_episode_before(mode: AutoresetMode) -> None:
    """Nor does an end see the beginning that follows: it has the epochs before it."""
    vector = VectorEnvironment(clockwork_problem(history=2), 2, mode)
    vector.reset(seed=0)
    steps = [vector.step(row) for row in TURNS]
    begun = steps[2 if mode is AutoresetMode.SAME_STEP else 3]
    last = steps[2][4]["final_obs"][0] if mode is AutoresetMode.SAME_STEP else steps[2][0][0]
    assert steps[2][2].tolist() == [True, False]
    assert begun[0][0].tolist() == [0.0] * 4
    np.testing.assert_allclose(last**2, [4.0, 2.0, 6.0, 3.0], rtol=1e-6)
    np.testing.assert_allclose(steps[3][0][1] ** 2, [3.0, 3.0, 4.0, 4.0], rtol=1e-6)


def test_a_window_of_one_is_the_observation() -> None:
    """The usual case costs and changes nothing."""
    problem = clockwork_problem()
    assert seen_names(problem) == problem.observation.names


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"history": 0}, "a history of 0 epochs"),
        ({"cost_unit": 0.0}, "a cost unit of 0.0"),
        ({"mask": "feasibel"}, "did you mean 'feasible'"),
    ],
)
def test_a_problem_that_cannot_be_posed_is_refused(
    changes: dict[str, object], message: str
) -> None:
    """At once, and not in a worker an hour later."""
    with unchecked(), pytest.raises(InvalidSystem, match=message):
        clockwork_problem(**changes)


def test_masks_are_the_description_s() -> None:
    """A learner that masks must be told what the system itself allows in the state it is in."""
    with unchecked():
        problem = scenario_problem("hospital_overflow", mask="feasible")
        environment = Environment(problem)
        _, info = environment.reset(seed=0)
        description, states = problem.observation.description, environment._rollouts.states
        np.testing.assert_array_equal(info["action_mask"], description.feasible(states)[0])
        np.testing.assert_array_equal(environment.action_masks(), info["action_mask"])
        everything = Environment(clockwork_problem())
        assert "action_mask" not in everything.reset(seed=0)[1]
        assert everything.action_masks().all()
