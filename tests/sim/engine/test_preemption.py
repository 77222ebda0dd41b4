"""Servers who drop a customer for another, told event by event."""

from dataclasses import replace
from typing import Any

import pytest

from sim.description import Lever
from sim.servers import Breakdown, Preemption
from sim.system import System
from tests.sim.engine.days import Day, by_epoch, come_at, customers, desk, listed, servers, trace


def ranked(preemption: Preemption | None, *, high: tuple[float, ...], **low: Any) -> System:
    """One server; `high` goes before `low`."""
    return System(
        name="ranked",
        arrivals={"high": come_at(*high), "low": come_at(1)},
        classes=(customers("high", 2), customers("low", 5, **low)),
        pools=(servers("staff", 1, picks="priority", preemption=preemption),),
        teams=(desk("h", "staff", "high"), desk("l", "staff", "low")),
        events=200,
    )


def test_without_preemption_the_higher_waits_for_the_end() -> None:
    """Begun at 1 with 5 minutes of work, the lower is done at 6, and the higher only then begun."""
    assert trace(ranked(None, high=(3,))) == [
        (1.0, "low_arrivals l_started"),
        (3.0, "high_arrivals"),
        (6.0, "h_started l_finished"),
        (8.0, "h_finished"),
    ]


@pytest.mark.parametrize(("preemption", "done"), [("resume", 8.0), ("repeat", 10.0)])
def test_dropped_work_is_resumed_or_repeated(preemption: Preemption, done: float) -> None:
    """Two of five minutes are done at 3; from 5 on the other three are left, or all five again."""
    assert trace(ranked(preemption, high=(3,))) == [
        (1.0, "low_arrivals l_started"),
        (3.0, "high_arrivals h_started l_interrupted"),
        (5.0, "h_finished l_started"),
        (done, "l_finished"),
    ]


def test_work_is_resumed_as_often_as_it_is_dropped() -> None:
    """Served 1-2, 4-5 and 7-10: one, one and three of the five minutes."""
    told = trace(ranked("resume", high=(2, 5)))
    assert told[-2:] == [(7.0, "h_finished l_started"), (10.0, "l_finished")]


def test_a_slower_server_leaves_the_rest_of_the_work_and_not_of_the_time() -> None:
    """At half speed two minutes do one of five; the same team needs eight for the other four."""
    system = System(
        name="slow",
        arrivals={"high": come_at(3), "low": come_at(1)},
        classes=(customers("high", 2), customers("low", 5)),
        pools=(servers("staff", 1, picks="priority", preemption="resume"),),
        teams=(desk("h", "staff", "high"), desk("l", "staff", "low", speed=0.5)),
        events=200,
    )
    assert trace(system)[-1] == (13.0, "l_finished")


@pytest.mark.parametrize(
    ("patience", "last"), [(1.5, (5.0, "h_finished")), (2.5, (8.0, "l_finished"))]
)
def test_the_interrupted_wait_with_the_patience_they_have_left(
    patience: float, last: tuple[float, str]
) -> None:
    """Service from 1 to 3 takes none of it: of two minutes to wait, 1.5 are too few, 2.5 enough."""
    told = trace(ranked("resume", high=(3,), patience=listed(patience)))
    assert told[-1] == last
    assert ((4.5, "low_abandoned") in told) == (patience < 2)


def test_the_interrupted_go_to_the_head_of_their_queue() -> None:
    """Of two who are served and one who waits, the one begun last is dropped and resumed first."""
    system = System(
        name="head",
        arrivals={"high": come_at(4), "low": come_at(1, 2, 3)},
        classes=(customers("high", 1.5), customers("low", 4)),
        pools=(servers("staff", 2, picks="priority", preemption="resume"),),
        teams=(desk("h", "staff", "high"), desk("l", "staff", "low")),
        events=200,
    )
    assert trace(system)[3:] == [
        (4.0, "high_arrivals h_started l_interrupted"),
        (5.0, "l_started l_finished"),
        (5.5, "h_finished l_started"),
        (7.0, "l_finished"),
        (9.5, "l_finished"),
    ]


def test_waiting_ends_and_begins_with_an_interruption() -> None:
    """Low waits from 3 to 5 and is in service for five minutes in all; high never waits."""
    measures = ("wait", "present", "busy")
    seen = Day(by_epoch(ranked("resume", high=(3,)), 0.0, 9.0, measures=measures)).advance()
    assert (seen["low_wait"], seen["high_wait"]) == (2.0, 0.0)
    assert (seen["l_busy_minutes"], seen["h_busy_minutes"]) == (5.0, 2.0)
    assert seen["low_present"] == 7.0


def by_order(preemption: Preemption | None) -> System:
    """A lever puts one of two classes first."""
    return System(
        name="by_order",
        arrivals={"a": come_at(1, 4), "b": come_at(2)},
        classes=(customers("a", 6, 1), customers("b", 3)),
        pools=(
            servers(
                "staff", 1, preemption=preemption, order="first",
                orders=(("for_a", "for_b"), ("for_b", "for_a")),
            ),
        ),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b")),
        levers=(Lever(name="first", levels=(0.0, 1.0), decides="order"),),
        events=200,
    )  # fmt: skip


def test_an_order_of_priority_is_decided_at_an_event() -> None:
    """Told at 2 that b is first from now on, the server turns to b and comes back to a at 5."""
    assert trace(by_order("resume"), {0.0: (0.0,), 2.0: (1.0,)}) == [
        (1.0, "a_arrivals for_a_started"),
        (2.0, "b_arrivals"),
        (4.0, "a_arrivals for_a_interrupted for_b_started"),
        (5.0, "for_a_started for_b_finished"),
        (10.0, "for_a_started for_a_finished"),
        (11.0, "for_a_finished"),
    ]


def test_a_decided_order_without_preemption_waits_for_the_end_of_service() -> None:
    """The server ends a's six minutes at 7 and takes b then, though the other of a came first."""
    assert trace(by_order(None), {0.0: (0.0,), 4.0: (1.0,)})[3:] == [
        (7.0, "for_a_finished for_b_started"),
        (10.0, "for_a_started for_b_finished"),
        (11.0, "for_a_finished"),
    ]


def shared_out(preemption: Preemption | None) -> System:
    """Two servers, of whom a share is moved from a to b."""
    return System(
        name="shared_out",
        arrivals={"a": come_at(1, 1.5), "b": come_at(2)},
        classes=(customers("a", 6), customers("b", 2)),
        pools=(servers("staff", 2, preemption=preemption),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b", lever="moved")),
        levers=(Lever(name="moved", levels=(0.0, 0.5)),),
        events=200,
    )


def test_a_moved_server_drops_the_customer_where_the_pool_preempts() -> None:
    """At 2 one of two is moved to b: the newest of a waits until the share is moved back at 4."""
    assert trace(shared_out("resume"), {0.0: (0.0,), 2.0: (0.5,), 4.0: (0.0,)}) == [
        (1.0, "a_arrivals for_a_started"),
        (1.5, "a_arrivals for_a_started"),
        (2.0, "b_arrivals"),
        (4.0, "for_a_interrupted for_b_started for_b_finished"),
        (7.0, "for_a_started for_a_finished"),
        (9.5, "for_a_finished"),
    ]


def test_a_moved_server_finishes_first_where_the_pool_does_not_preempt() -> None:
    """The team of a is one too many until 7, when b's customer gets a server at last."""
    told = trace(shared_out(None), {0.0: (0.0,), 2.0: (0.5,)})
    assert told[3:] == [
        (7.0, "for_a_finished for_b_started"), (7.5, "for_a_finished"), (9.0, "for_b_finished"),
    ]  # fmt: skip


def test_a_team_at_its_size_interrupts_nobody() -> None:
    """The higher team may have one of two servers: its second customer leaves the lower alone."""
    system = System(
        name="sized",
        arrivals={"high": come_at(2, 3), "low": come_at(1)},
        classes=(customers("high", 4), customers("low", 9)),
        pools=(servers("staff", 2, picks="priority", preemption="repeat"),),
        teams=(desk("h", "staff", "high", lever="moved"), desk("l", "staff", "low")),
        levers=(Lever(name="moved", levels=(0.5,)),),
        events=200,
    )
    told = trace(system, {0.0: (0.5,)})
    assert told[2:] == [
        (3.0, "high_arrivals"), (6.0, "h_started h_finished"), (10.0, "l_finished"),
        (10.0, "h_finished"),
    ]  # fmt: skip


def test_the_interrupted_are_served_by_another_pool_that_is_free() -> None:
    """Dropped by the first pool at 3 with three minutes to go, she is done by the second at 6."""
    system = System(
        name="elsewhere",
        arrivals={"high": come_at(3), "low": come_at(1)},
        classes=(customers("high", 2), customers("low", 5)),
        pools=(
            servers("staff", 1, picks="priority", preemption="resume"),
            servers("help", 1),
        ),
        teams=(desk("h", "staff", "high"), desk("l", "staff", "low"), desk("x", "help", "low")),
        events=200,
    )
    assert trace(system)[1:] == [
        (3.0, "high_arrivals h_started l_interrupted x_started"),
        (5.0, "h_finished"),
        (6.0, "x_finished"),
    ]


def test_whom_a_decision_interrupts_is_served_by_another_pool_that_is_free() -> None:
    """Told after 5 that high is first, the first pool drops a low one with 6 of 9 minutes to go.

    The other pool, which is listed before it and free since 4, takes her until 11.
    """
    order = {"order": "first", "orders": (("l", "h"), ("h", "l"))}
    system = System(
        name="decided",
        arrivals={"high": come_at(3, 5), "low": come_at(1, 2)},
        classes=(customers("high", 4), customers("low", 3, 9)),
        pools=(servers("help", 1), servers("staff", 1, preemption="resume", **order)),
        teams=(desk("x", "help", "low"), desk("h", "staff", "high"), desk("l", "staff", "low")),
        levers=(Lever(name="first", levels=(0.0, 1.0), decides="order"),),
        events=200,
    )
    assert trace(system, {0.0: (0.0,), 5.0: (1.0,)})[3:] == [
        (4.0, "x_finished"),
        (5.0, "high_arrivals"),
        (9.0, "h_started*2 h_finished x_started l_interrupted"),
        (11.0, "x_finished"),
        (13.0, "h_finished"),
    ]


def test_nobody_changes_places_with_her_own_class() -> None:
    """Two teams of one pool serve the same queue, and the order is turned round after 7.

    Who is served by the second team since 6 stays with it: to go on with the first helps nobody.
    """
    orders = (("first", "second"), ("second", "first"))
    system = System(
        name="same",
        arrivals={"a": come_at(1, 2, 3, 7)},
        classes=(customers("a", 5),),
        pools=(servers("staff", 1, preemption="resume", order="order", orders=orders),),
        teams=(desk("first", "staff", "a"), desk("second", "staff", "a")),
        levers=(Lever(name="order", levels=(0.0, 1.0), decides="order"),),
        events=200,
    )
    assert trace(system, {0.0: (1.0,), 7.0: (0.0,)})[3:6] == [
        (6.0, "first_finished second_started"),
        (7.0, "a_arrivals"),
        (11.0, "first_started second_finished"),
    ]


def test_a_pool_that_stays_and_preempts_still_stays_with_its_queue() -> None:
    """Preemption says what happens when servers leave; whom they take next is another matter."""
    system = System(
        name="stays",
        arrivals={"a": come_at(3), "b": come_at(1, 2)},
        classes=(customers("a", 1), customers("b", 3)),
        pools=(servers("staff", 1, preemption="resume"),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b")),
        events=200,
    )
    assert trace(system)[3:] == [
        (4.0, "for_b_started for_b_finished"), (7.0, "for_a_started for_b_finished"),
        (8.0, "for_a_finished"),
    ]  # fmt: skip


def test_the_end_of_a_shift_interrupts_the_lowest_first() -> None:
    """From 4 on there is one server for two: the lower waits until the higher is done at 7."""
    system = System(
        name="evening",
        arrivals={"high": come_at(2), "low": come_at(1)},
        classes=(customers("high", 5), customers("low", 5)),
        pools=(servers("staff", 2, picks="priority", preemption="resume"),),
        teams=(desk("h", "staff", "high"), desk("l", "staff", "low")),
        events=200,
    )
    evening = replace(system.pools[0], shifts=((0.0, 2.0), (4.0, 1.0)))
    assert trace(replace(system, pools=(evening,)))[2:] == [
        (4.0, "l_interrupted"), (7.0, "h_finished l_started"), (9.0, "l_finished"),
    ]  # fmt: skip


def test_a_failed_server_drops_its_customer_in_a_pool_that_preempts() -> None:
    """Up until 3 and from 5 to 7: two and two of the five minutes, and from 9 on the last."""
    system = System(
        name="failing",
        arrivals={"call": come_at(1)},
        classes=(customers("call", 5),),
        pools=(
            servers(
                "staff", 1, preemption="resume",
                breakdown=Breakdown(uptime=listed(3, 2, 90), repair=listed(2)),
            ),
        ),
        teams=(desk("desk", "staff", "call"),),
        events=6,
    )  # fmt: skip
    assert trace(system) == [
        (1.0, "call_arrivals desk_started"),
        (3.0, "desk_interrupted"),
        (5.0, "desk_started"),
        (7.0, "desk_interrupted"),
        (9.0, "desk_started"),
        (10.0, "desk_finished"),
    ]
