"""Decisions after every event: when epochs end, what they measure and which choices are offered."""

import numpy as np
import pytest

from sim.arrivals import PoissonArrivals
from sim.customers import Route
from sim.description import Lever
from sim.distributions import Exponential
from sim.routing import Dispatcher, Room
from sim.system import Measure, System
from tests.sim.engine.days import Day, by_epoch, come_at, customers, desk, listed, one_desk, servers

ALL: tuple[Measure, ...] = ("wait", "present", "busy", "on", "overtime")


def test_an_epoch_ends_with_an_arrival_an_end_of_service_or_an_abandonment() -> None:
    """Arrivals at 1, 2 and 3, patience out at 3.5, ends at 6 and 7: durations are the gaps."""
    call = customers("call", 5, 1, 1, patience=listed(1, 1.5, 9))
    day = Day(one_desk(1, 2, 3, of=call))
    durations: list[float] = []
    while not durations or not day.epoch.is_last:
        day.advance()
        durations.append(day.epoch.duration)
    assert durations[:6] == [1.0, 1.0, 1.0, 0.5, 2.5, 1.0]


def test_an_event_that_was_overtaken_ends_no_epoch() -> None:
    """The third was served at 6 and her patience would have ended at 12: nothing happens then."""
    call = customers("call", 5, 20, patience=listed(9))
    day = Day(one_desk(1, 3, of=call))
    ends = [day.advance() and day.minute for _ in range(4)]
    assert ends == [1.0, 3.0, 6.0, 26.0]


def test_the_measures_of_an_epoch_are_those_of_its_minutes() -> None:
    """In service from 1 and waiting from 2 to 6: one customer minute a minute of each."""
    day = Day(one_desk(1, 2, of=customers("call", 5, 1), measures=ALL))
    seen = [day.advance() for _ in range(4)]
    assert [s["call_wait"] for s in seen] == [0.0, 0.0, 4.0, 0.0]
    assert [s["call_present"] for s in seen] == [0.0, 1.0, 8.0, 1.0]
    assert [s["desk_busy_minutes"] for s in seen] == [0.0, 1.0, 4.0, 1.0]
    assert [s["staff_on_minutes"] for s in seen] == [1.0, 1.0, 4.0, 1.0]


def test_the_day_is_over_when_nobody_is_left() -> None:
    """After the last end of service nothing can happen: one more epoch, without anything in it."""
    day = Day(one_desk(1, of=customers("call", 5)))
    seen = [day.advance() for _ in range(3)]
    assert day.epoch.is_last
    assert all(seen[-1][flow.name] == 0 for flow in day.description.flows)


def test_an_episode_has_as_many_epochs_as_it_should() -> None:
    """Arrivals without end are cut off at the number of events."""
    system = System(
        name="endless",
        arrivals={"call": PoissonArrivals(rate=1.0)},
        classes=(customers("call", 0.5),),
        pools=(servers("staff", 1),),
        teams=(desk("desk", "staff", "call"),),
        events=17,
    )
    day = Day(system)
    ends: list[bool] = []
    while not ends or not ends[-1]:
        day.advance()
        ends.append(day.epoch.is_last)
    assert len(ends) == 17


def test_the_same_decision_again_disturbs_nobody() -> None:
    """Decided alike at every event or once for an epoch, a day has the same flows and waits."""

    def system() -> System:
        return System(
            name="steady",
            arrivals={"a": PoissonArrivals(rate=0.5), "b": PoissonArrivals(rate=0.4)},
            classes=(
                customers("a", 1, 3, 2, patience=Exponential(mean=4.0)), customers("b", 0.5, 4)
            ),
            pools=(servers("staff", 2, preemption="repeat"),),
            teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b", lever="moved")),
            levers=(Lever(name="moved", levels=(0.5,)),),
            events=400,
            measures=ALL,
        )  # fmt: skip

    by_events = Day(system(), seed=5)
    total = np.sum(
        [(by_events.advance(0.5), by_events.epoch.outputs)[1] for _ in range(400)], axis=0
    )
    once = Day(by_epoch(system(), 0.0, by_events.minute + 1e-9), seed=5)
    once.advance(0.5)
    np.testing.assert_allclose(once.epoch.outputs[:-1], total[:-1], rtol=1e-9, atol=1e-6)


def gates() -> System:
    """Two lines behind a decided dispatcher; the left one has a room of two places."""
    return System(
        name="gates",
        arrivals={"door": come_at(1, 2, 3, 4)},
        classes=(customers("left", 9), customers("right", 9)),
        dispatchers=(Dispatcher(name="door", to=("left", "right"), rule="decision", lever="gate"),),
        pools=(servers("east", 1), servers("west", 1)),
        teams=(desk("l", "east", "left"), desk("r", "west", "right")),
        rooms=(Room(name="hall", places=2, classes=("left",)),),
        levers=(Lever(name="gate", levels=(0.0, 1.0), decides="route"),),
        events=50,
    )


def test_nobody_may_be_sent_to_a_full_room() -> None:
    """With two of two places taken only the right is left to decide for."""
    day = Day(gates())
    allowed = []
    for _ in range(3):
        day.advance(0.0)
        allowed.append(day.description.feasible(day.epoch.state[None, :])[0].tolist())
    assert allowed == [[True, True], [False, True], [False, True]]


def test_a_choice_that_idles_a_server_is_marked_where_another_would_not() -> None:
    """One server for two queues: with somebody only in b's, a share for a leaves it idle."""
    system = System(
        name="idle",
        arrivals={"a": come_at(50), "b": come_at(1)},
        classes=(customers("a", 1), customers("b", 5, routes=(Route(to="a"),))),
        pools=(servers("staff", 1),),
        teams=(desk("for_a", "staff", "a", lever="moved"), desk("for_b", "staff", "b")),
        levers=(Lever(name="moved", levels=(0.0, 1.0)),),
        events=50,
    )
    day = Day(system)
    day.advance(1.0)
    assert (day.epoch.state[:4] == [0, 0, 1, 0]).all()
    state = day.epoch.state[None, :]
    assert day.description.feasible(state)[0].tolist() == [True, True]
    assert day.description.non_idling(state)[0].tolist() == [True, False]


@pytest.mark.parametrize("levels", [(0.0,), (1.0,)])
def test_where_nobody_waits_every_choice_is_as_good(levels: tuple[float, ...]) -> None:
    """An empty system idles whatever is decided, so that nothing is masked."""
    day = Day(gates())
    state = np.array(list(day.first.values()))[None, :]
    assert day.description.non_idling(state)[0].all()
    del levels
