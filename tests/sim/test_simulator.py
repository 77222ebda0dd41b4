import pickle
from itertools import pairwise

import numpy as np
import pytest

from sim.errors import InvalidDecision, InvalidParameters
from sim.simulator import Simulator
from tests.systems import MakeSimulator, assert_holds, outputs, run_day, states, unchecked

HALF = [np.array([0.1, 0.4])] * 6


def test_an_episode_has_an_epoch_for_each_gap_between_boundaries() -> None:
    """Whoever steps the simulator must learn from it when the day is over."""
    simulator = MakeSimulator()()
    assert isinstance(simulator, Simulator)
    epochs = run_day(simulator, 0, HALF)
    assert [epoch.is_last for epoch in epochs] == [False] * 5 + [True]
    assert [epoch.duration for epoch in epochs] == [30.0] * 5 + [35.0]
    assert states(epochs, simulator.describe(), "epoch").tolist() == [1, 2, 3, 4, 5, 6]


def test_a_copy_in_another_process_would_give_the_same_day() -> None:
    """Workers receive a pickled recipe, and their days must not depend on where they run."""
    recipe = MakeSimulator()
    again = pickle.loads(pickle.dumps(recipe))
    for one, other in zip(run_day(recipe(), 4, HALF), run_day(again(), 4, HALF), strict=True):
        np.testing.assert_array_equal(one.state, other.state)
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_a_day_does_not_depend_on_the_days_before_it() -> None:
    """One simulator is used again and again; nothing may be left over."""
    simulator = MakeSimulator()()
    fresh = run_day(simulator, 5, HALF)
    run_day(simulator, 6, HALF[:3])
    again = run_day(simulator, 5, HALF)
    for one, other in zip(fresh, again, strict=True):
        np.testing.assert_array_equal(one.outputs, other.outputs)


def test_another_seed_brings_another_day() -> None:
    """Replications are independent only if their customers differ."""
    simulator = MakeSimulator()()
    description = simulator.describe()
    one, other = (
        outputs(run_day(simulator, seed, HALF), description, "call_arrivals") for seed in (1, 2)
    )
    assert one.tolist() != other.tolist()


def test_tallies_count_the_day_so_far_and_the_last_epoch() -> None:
    """They are all that a decision maker knows of how busy the day is."""
    simulator = MakeSimulator()()
    description = simulator.describe()
    epochs = run_day(simulator, 7, HALF)
    came = outputs(epochs, description, "call_arrivals")
    np.testing.assert_array_equal(states(epochs, description, "arrived_last"), came)
    np.testing.assert_array_equal(states(epochs, description, "arrived_so_far"), np.cumsum(came))


def test_moves_are_counted_from_the_last_assignment() -> None:
    """Standing still is free: only the first epoch and changes of roster or share cost."""
    simulator = MakeSimulator()()
    description = simulator.describe()
    epochs = run_day(simulator, 8, HALF)
    assigned = np.array([[0.0, 0.0], *(epoch.state[-4:-2] for epoch in epochs)])
    expected = [np.abs(b - a).sum() for a, b in pairwise(assigned)]
    assert outputs(epochs, description, "moves").tolist() == expected
    # .1 of 14, 17, 20, 20, 18, 15 agents, and .4 of 5, 5, 6, 6, 5, 4.
    assert assigned[1:].tolist() == [[1, 2], [2, 2], [2, 2], [2, 2], [2, 2], [2, 2]]


def test_parameters_scale_what_they_name() -> None:
    """Each factor is seen in the mean of what it multiplies, over 150 days (99.9% half-width)."""
    simulator = MakeSimulator()()
    description = simulator.describe()

    def totals(name: str, **parameters: float) -> np.ndarray:
        with unchecked():
            days = [run_day(simulator, seed, HALF, parameters) for seed in range(150)]
        return np.array([outputs(day, description, name).sum() for day in days])

    assert_holds(1.2 * 4.0 * 185.0, totals("call_arrivals", arrival_scale=1.2), precision=0.02)
    patient, hasty = totals("call_abandoned"), totals("call_abandoned", patience_scale=0.5)
    slow, few = (
        totals("call_abandoned", handle_time_scale=1.3),
        totals("call_abandoned", staff_scale=0.8),
    )
    for harder in (hasty, slow, few):
        assert np.mean(harder - patient) > 3.29 * np.std(harder - patient) / np.sqrt(150)


def test_more_agents_leave_fewer_customers_waiting_on_the_same_day() -> None:
    """Two runs with common random numbers must differ by the change alone, and in its sense."""
    simulator = MakeSimulator()()
    description = simulator.describe()
    for seed in range(5):
        base = run_day(simulator, seed, HALF)
        more = run_day(simulator, seed, HALF, {"staff_scale": 1.4})
        assert outputs(base, description, "call_arrivals").tolist() == (
            outputs(more, description, "call_arrivals").tolist()
        )
        assert outputs(more, description, "call_wait").sum() < (
            outputs(base, description, "call_wait").sum()
        )


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ([0.1], r"decision of shape \(1,\): one level for each of on_follow_ups, on_phones"),
        ([0.1, 0.2, 0.3], r"decision of shape \(3,\)"),
        ([0.1, 1.2], r"lever 'on_phones' at 1\.2: a share from 0 to 1"),
        ([-0.1, 0.2], r"lever 'on_follow_ups' at -0\.1"),
        ([float("nan"), 0.2], "lever 'on_follow_ups' at nan"),
    ],
)
def test_a_decision_that_is_not_offered_is_refused(decision: list[float], message: str) -> None:
    """A policy of another system must not be run on this one unnoticed."""
    simulator = MakeSimulator()()
    simulator.reset(0)
    with pytest.raises(InvalidDecision, match=message):
        simulator.advance(np.array(decision))


def test_advancing_out_of_turn_is_refused() -> None:
    """Before a reset there is no day, and after the last epoch there is none left."""
    simulator = MakeSimulator()()
    with pytest.raises(InvalidDecision, match=r"call reset\(seed\) first"):
        simulator.advance(HALF[0])
    run_day(simulator, 0, HALF)
    with pytest.raises(InvalidDecision, match="the episode is over"):
        simulator.advance(HALF[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"arival_scale": 1.1}, "unknown parameter 'arival_scale'; did you mean 'arrival_scale'?"),
        ({"arrival_scale": 0.0}, "parameter 'arrival_scale' is 0.0: give a number above 0"),
        ({"staff_scale": float("nan")}, "parameter 'staff_scale' is nan"),
    ],
)
def test_impossible_parameters_are_refused(parameters: dict[str, float], message: str) -> None:
    """A misspelt parameter would otherwise silently stay nominal."""
    with pytest.raises(InvalidParameters) as caught:
        MakeSimulator()().reset(0, parameters)
    assert message in str(caught.value)
