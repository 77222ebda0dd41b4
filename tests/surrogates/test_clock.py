import pickle

import numpy as np
import pytest

from sim.simulator import ServiceSystem, Simulator
from surrogates.clock import CLOCK, Clocked, WithClock, with_clock
from tests.fakes import TinyQueue
from tests.systems import small_centre


def test_a_state_without_the_time_is_told_it() -> None:
    """A rule that looks at states alone must know how much of the day is left."""
    simulator = with_clock(TinyQueue())
    assert isinstance(simulator, Simulator)
    assert simulator.describe().state_names == ("waiting", "mood", CLOCK)
    seen = [simulator.reset(3)[-1]]
    seen += [simulator.advance(np.array([2.0])).state[-1] for _ in range(6)]
    assert seen == [0, 1, 2, 3, 4, 5, 6]
    assert simulator.reset(3)[-1] == 0


def test_a_clock_changes_nothing_else() -> None:
    """What is simulated must not depend on who looks at it."""
    plain, clocked = TinyQueue(), with_clock(TinyQueue())
    np.testing.assert_array_equal(clocked.reset(8)[:-1], plain.reset(8))
    for _ in range(6):
        bare, told = plain.advance(np.array([1.0])), clocked.advance(np.array([1.0]))
        np.testing.assert_array_equal(told.state[:-1], bare.state)
        np.testing.assert_array_equal(told.outputs, bare.outputs)
        assert (told.duration, told.is_last) == (bare.duration, bare.is_last)


@pytest.mark.parametrize(
    "simulator", [ServiceSystem(small_centre()), TinyQueue(boundaries=()), Clocked(TinyQueue())]
)
def test_nobody_is_given_a_clock_who_has_one_or_could_not_read_it(simulator: Simulator) -> None:
    """Two clocks would be one too many, and where events end epochs their number is no time."""
    assert with_clock(simulator) is simulator


def test_a_recipe_with_a_clock_can_be_sent_to_a_worker() -> None:
    """Episodes are collected in other processes."""
    build = pickle.loads(pickle.dumps(WithClock(build=TinyQueue)))
    assert build().describe().state_names[-1] == CLOCK
