"""Who goes where: dispatchers, probabilities and ways back, told event by event."""

from sim.customers import Route
from sim.description import Lever
from sim.routing import Dispatcher, DispatchRule
from sim.system import System
from tests.sim.engine.days import Trace, come_at, customers, desk, servers, trace


def two_desks(
    *times: float, rule: DispatchRule, work: float = 10.0, lever: str | None = None
) -> System:
    """Customers who are sent to the left desk or the right one."""
    return System(
        name="two_desks",
        arrivals={"door": come_at(*times)},
        classes=(customers("left", work), customers("right", work)),
        dispatchers=(Dispatcher(name="door", to=("left", "right"), rule=rule, lever=lever),),
        pools=(servers("east", 1), servers("west", 1)),
        teams=(desk("l", "east", "left"), desk("r", "west", "right")),
        levers=(Lever(name=lever, levels=(0.0, 1.0), decides="route"),) if lever else (),
        events=200,
    )


def joined(told: Trace) -> list[str]:
    return [flow for _, what in told for flow in what.split() if flow.endswith("_arrivals")]


LEFT, RIGHT = "left_arrivals", "right_arrivals"


def test_the_shortest_queue_is_joined_and_the_first_on_ties() -> None:
    """0-0: left; 1-0: right; 1-1: left; 2-1: right; those in service count."""
    assert joined(trace(two_desks(1, 2, 3, 4, rule="shortest"))) == [LEFT, RIGHT, LEFT, RIGHT]


def test_whoever_left_counts_no_longer() -> None:
    """The left desk is empty again at 2.5, so that the third goes left."""
    told = trace(two_desks(1, 2, 3, rule="shortest", work=1.5))
    assert joined(told) == [LEFT, RIGHT, LEFT]


def test_who_goes_round_is_not_company_to_herself() -> None:
    """Alone in the system she finds both queues empty, the one she comes from as well."""
    system = System(
        name="round",
        arrivals={"left": come_at(1)},
        classes=(
            customers("left", 1, routes=(Route(to="again"),)),
            customers("right", 1),
        ),
        dispatchers=(Dispatcher(name="again", to=("left", "right")),),
        pools=(servers("east", 1), servers("west", 1)),
        teams=(desk("l", "east", "left"), desk("r", "west", "right")),
        events=3,
    )
    assert trace(system) == [
        (1.0, "left_arrivals l_started"),
        (2.0, "l_started l_to_left"),
        (3.0, "l_started l_to_left"),
    ]


def test_customers_take_turns() -> None:
    """Whatever the queues are, the second goes where the first did not."""
    told = trace(two_desks(1, 3, 5, 7, rule="round_robin", work=1.0))
    assert joined(told) == [LEFT, RIGHT, LEFT, RIGHT]


def test_a_decision_sends_the_next_customers() -> None:
    """Decided for the right from the second arrival on, and for the left again from the third."""
    system = two_desks(1, 2, 3, rule="decision", lever="gate")
    told = trace(system, {0.0: (0.0,), 1.0: (1.0,), 2.0: (0.0,)})
    assert joined(told) == [LEFT, RIGHT, LEFT]


def test_a_reentrant_route_serves_two_stages_at_one_station() -> None:
    """The press, the oven and the press again, behind whoever came to it meanwhile."""
    system = System(
        name="reentrant",
        arrivals={"first": come_at(1, 2)},
        classes=(
            customers("first", 2, routes=(Route(to="bake"),)),
            customers("bake", 1, routes=(Route(to="last"),)),
            customers("last", 3),
        ),
        pools=(servers("press", 1), servers("oven", 1)),
        teams=(
            desk("one", "press", "first"),
            desk("oven", "oven", "bake"),
            desk("two", "press", "last"),
        ),
        events=200,
    )
    assert trace(system) == [
        (1.0, "first_arrivals one_started"),
        (2.0, "first_arrivals"),
        (3.0, "one_started one_to_bake oven_started"),
        (4.0, "oven_to_last"),
        (5.0, "one_to_bake oven_started two_started"),
        (6.0, "oven_to_last"),
        (8.0, "two_started two_finished"),
        (11.0, "two_finished"),
    ]


def test_a_class_that_is_visited_again_brings_new_work_each_time() -> None:
    """Work is dealt by visit where customers may come again: 1, then 2, then 3 minutes."""
    system = System(
        name="feedback",
        arrivals={"call": come_at(1)},
        classes=(customers("call", 1, 2, 3, routes=(Route(to="call"),)),),
        pools=(servers("staff", 1),),
        teams=(desk("desk", "staff", "call"),),
        events=4,
    )
    assert [minute for minute, _ in trace(system)] == [1.0, 2.0, 4.0, 7.0]


def test_customers_of_two_sources_bring_marks_of_their_own() -> None:
    """One source more changes nobody's work: each deals its customers from a stream of its own."""

    def system(*visits: float) -> System:
        return System(
            name="two_sources",
            arrivals={"call": come_at(10, 20), "visit": come_at(*visits)},
            classes=(
                customers("call", 1, 2, routes=(Route(to="end"),)),
                customers("visit", 1, routes=(Route(to="end"),)),
                customers("end", 3, 4),
            ),
            pools=(servers("staff", 9),),
            teams=(
                desk("calls", "staff", "call"),
                desk("visits", "staff", "visit"),
                desk("ends", "staff", "end"),
            ),
            events=200,
        )

    for visits in ((50.0,), (1.0, 2.0, 50.0)):
        told = trace(system(*visits))
        assert [minute for minute, what in told if "calls" in what] == [10.0, 11.0, 20.0, 22.0]
        assert {14.0, 26.0} <= {minute for minute, what in told if "ends_finished" in what}
