"""Finite rooms and the ways of those who are not served, told event by event."""

from typing import Literal

from sim.customers import Route
from sim.routing import Room
from sim.servers import Pool
from sim.system import System
from tests.sim.engine.days import (
    Day,
    by_epoch,
    come_at,
    customers,
    desk,
    listed,
    one_desk,
    servers,
    trace,
)

WhenFull = Literal["lose", "block"]
TRAVEL = Pool(name="travel", shifts=((0.0, float("inf")),))


def tandem(*times: float, when_full: WhenFull, places: int, work: tuple[float, float]) -> System:
    """Two desks in a row; the second stands in a room."""
    return System(
        name="tandem",
        arrivals={"first": come_at(*times)},
        classes=(
            customers("first", work[0], routes=(Route(to="second"),)),
            customers("second", work[1]),
        ),
        pools=(servers("front", 1), servers("back", 1)),
        teams=(desk("one", "front", "first"), desk("two", "back", "second")),
        rooms=(Room(name="back_room", places=places, classes=("second",), when_full=when_full),),
        events=200,
    )


def test_who_finds_a_full_room_is_turned_away() -> None:
    """Two places, one of them in service: the third is lost, and after 6 there is a place again."""
    system = one_desk(
        1, 2, 3, 6.5, of=customers("call", 5, 1, 1, 1),
        rooms=(Room(name="hall", places=2, classes=("call",)),),
    )  # fmt: skip
    assert trace(system) == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals"),
        (3.0, "call_arrivals call_rejected"),
        (6.0, "desk_started desk_finished"),
        (6.5, "call_arrivals"),
        (7.0, "desk_started desk_finished"),
        (8.0, "desk_finished"),
    ]


def test_two_classes_share_the_places_of_a_room() -> None:
    """One place for both: a customer of one class keeps those of the other out."""
    system = System(
        name="shared_hall",
        arrivals={"call": come_at(1), "visit": come_at(2, 5)},
        classes=(customers("call", 3), customers("visit", 3)),
        pools=(servers("staff", 2),),
        teams=(desk("calls", "staff", "call"), desk("visits", "staff", "visit")),
        rooms=(Room(name="hall", places=1, classes=("call", "visit")),),
        events=200,
    )
    assert trace(system) == [
        (1.0, "call_arrivals calls_started"),
        (2.0, "visit_arrivals visit_rejected"),
        (4.0, "calls_finished"),
        (5.0, "visit_arrivals visits_started"),
        (8.0, "visits_finished"),
    ]


def test_giving_up_frees_a_place() -> None:
    """The second gives up at 3 and leaves the room, so that the third finds a place at 4."""
    system = one_desk(
        1, 2, 4, of=customers("call", 5, 1, 1, patience=listed(1, 1, 9)),
        rooms=(Room(name="hall", places=2, classes=("call",)),),
    )  # fmt: skip
    assert trace(system)[2:] == [
        (3.0, "call_abandoned"),
        (4.0, "call_arrivals"),
        (6.0, "desk_started desk_finished"),
        (7.0, "desk_finished"),
    ]


def test_a_full_room_loses_those_who_come_from_another_class() -> None:
    """The second desk is busy until 7 and has one place: who is done before that is lost."""
    assert trace(tandem(1, 2.5, 6.5, when_full="lose", places=1, work=(1, 5))) == [
        (1.0, "first_arrivals one_started"),
        (2.0, "one_to_second two_started"),
        (2.5, "first_arrivals one_started"),
        (3.5, "one_to_second second_rejected"),
        (6.5, "first_arrivals one_started"),
        (7.0, "two_finished"),
        (7.5, "one_to_second two_started"),
        (12.5, "two_finished"),
    ]


def test_a_full_room_blocks_the_server_before_it() -> None:
    """Done at 3, the second keeps the first desk until 7, so that the third begins only then."""
    assert trace(tandem(1, 1.5, 1.7, when_full="block", places=1, work=(1, 5))) == [
        (1.0, "first_arrivals one_started"),
        (1.5, "first_arrivals"),
        (1.7, "first_arrivals"),
        (2.0, "one_started one_to_second two_started"),
        (3.0, ""),
        (7.0, "one_started one_to_second two_started two_finished"),
        (8.0, ""),
        (12.0, "one_to_second two_started two_finished"),
        (17.0, "two_finished"),
    ]


def test_a_blocked_customer_counts_as_present_and_the_server_as_busy() -> None:
    """Blocked from 3 to 5, she is still in the first class, in service and holding the desk."""
    system = tandem(1, 1.5, when_full="block", places=1, work=(1, 5))
    day = Day(by_epoch(system, 0.0, 5.0, measures=("busy", "present", "wait")))
    seen = day.advance()
    assert seen["one_busy"] == 1
    assert (seen["one_busy_minutes"], seen["two_busy_minutes"]) == (4.0, 3.0)
    assert (seen["first_wait"], seen["first_present"]) == (0.5, 4.5)


def test_the_blocked_move_in_the_order_in_which_they_were_done() -> None:
    """Two desks lead to a room of one place: done at 3 and 4, they move at 6.75 and 12.75."""
    system = System(
        name="merge",
        arrivals={"slow": come_at(1), "fast": come_at(0.5, 3.5)},
        classes=(
            customers("slow", 2, routes=(Route(to="end"),)),
            customers("fast", 0.25, 0.5, routes=(Route(to="end"),)),
            customers("end", 6),
        ),
        pools=(servers("left", 1), servers("right", 1), servers("back", 1)),
        teams=(
            desk("slowly", "left", "slow"),
            desk("fastly", "right", "fast"),
            desk("last", "back", "end"),
        ),
        rooms=(Room(name="back_room", places=1, classes=("end",), when_full="block"),),
        events=200,
    )
    assert trace(system) == [
        (0.5, "fast_arrivals fastly_started"),
        (0.75, "fastly_to_end last_started"),
        (1.0, "slow_arrivals slowly_started"),
        (3.0, ""),
        (3.5, "fast_arrivals fastly_started"),
        (4.0, ""),
        (6.75, "slowly_to_end last_started last_finished"),
        (12.75, "fastly_to_end last_started last_finished"),
        (18.75, "last_finished"),
    ]


def test_a_chain_of_blocked_servers_moves_at_once() -> None:
    """One place at the end of three desks: when it is left, everybody behind moves up."""
    system = System(
        name="chain",
        arrivals={"a": come_at(1, 2, 3)},
        classes=(
            customers("a", 1, routes=(Route(to="b"),)),
            customers("b", 1, routes=(Route(to="c"),)),
            customers("c", 10),
        ),
        pools=(servers("p", 1), servers("q", 1), servers("r", 1)),
        teams=(desk("x", "p", "a"), desk("y", "q", "b"), desk("z", "r", "c")),
        rooms=(
            Room(name="second", places=1, classes=("b",), when_full="block"),
            Room(name="third", places=1, classes=("c",), when_full="block"),
        ),
        events=200,
    )
    told = dict(trace(system))
    assert told[13.0] == "x_to_b y_started y_to_c z_started z_finished"
    assert told[14.0] == ""
    assert told[23.0] == "y_to_c z_started z_finished"


def test_a_customer_may_go_round_within_her_own_full_room() -> None:
    """Who leaves a place and takes it again is never in her own way, full as the room is."""
    system = one_desk(
        1, of=customers("call", 2, 3, routes=(Route(to="call", probability=1.0),)),
        rooms=(Room(name="hall", places=1, classes=("call",), when_full="block"),),
    )  # fmt: skip
    again = "desk_started desk_to_call"
    assert trace(system)[:4] == [
        (1.0, "call_arrivals desk_started"), (3.0, again), (6.0, again), (8.0, again),
    ]  # fmt: skip


def test_the_rejected_try_again_from_their_orbit() -> None:
    """Two minutes of travel, and again until the desk is free: 2, 4 and at 6 with success."""
    system = System(
        name="retrial",
        arrivals={"call": come_at(1, 2)},
        classes=(
            customers("call", 4.5, 1, rejection_routes=(Route(to="orbit"),)),
            customers("orbit", 2, routes=(Route(to="call"),)),
        ),
        pools=(servers("staff", 1), TRAVEL),
        teams=(desk("desk", "staff", "call"), desk("around", "travel", "orbit")),
        rooms=(Room(name="hall", places=1, classes=("call",)),),
        events=200,
    )
    assert trace(system) == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals call_rejected_to_orbit around_started"),
        (4.0, "call_rejected_to_orbit around_started around_to_call"),
        (5.5, "desk_finished"),
        (6.0, "desk_started around_to_call"),
        (7.0, "desk_finished"),
    ]


def test_whoever_gives_up_is_called_back() -> None:
    """Patience ends at 3.5; a callback takes 0.5 minutes of another server, then it is done."""
    system = System(
        name="callbacks",
        arrivals={"call": come_at(1, 2)},
        classes=(
            customers(
                "call", 5, 1, patience=listed(1, 1.5), abandonment_routes=(Route(to="callback"),)
            ),
            customers("callback", 0.5),
        ),
        pools=(servers("staff", 1), servers("back", 1)),
        teams=(desk("desk", "staff", "call"), desk("dial", "back", "callback")),
        events=200,
    )
    assert trace(system) == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals"),
        (3.5, "call_abandoned_to_callback dial_started"),
        (4.0, "dial_finished"),
        (6.0, "desk_finished"),
    ]
