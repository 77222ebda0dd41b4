"""Servers who come and go, told event by event."""

from dataclasses import replace
from typing import Any

import pytest

from sim.description import Lever
from sim.distributions import Exponential
from sim.epoch import Parameter
from sim.servers import Break, Breakdown, Pool
from sim.system import System
from tests.sim.engine.days import Day, by_epoch, come_at, customers, desk, listed, one_desk, trace


def on_order(*times: float, work: float, levels: tuple[float, ...], **settings: Any) -> System:
    """Servers as a lever orders them, one at first."""
    call = customers("call", work)
    lever = Lever(name="crew", levels=levels, decides="servers")
    return one_desk(*times, of=call, levers=(lever,), staffing="crew", **settings)


def test_servers_are_there_as_ordered() -> None:
    """Two are ordered at the second event, so that the third customer need not wait."""
    system = on_order(1, 2, 3, work=9, levels=(1.0, 2.0))
    assert trace(system, {0.0: (1.0,), 2.0: (2.0,)})[:4] == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals"),
        (3.0, "call_arrivals desk_started"),
        (10.0, "desk_started desk_finished"),
    ]


def test_servers_not_wanted_any_more_finish_what_they_have() -> None:
    """From 2 on nobody is wanted; the customer in service is done at 10 all the same."""
    told = trace(on_order(1, 2, work=9, levels=(0.0, 1.0)), {0.0: (1.0,), 2.0: (0.0,)})
    assert told == [
        (1.0, "call_arrivals desk_started"), (2.0, "call_arrivals"), (10.0, "desk_finished"),
    ]  # fmt: skip


def test_a_server_needs_a_set_up_first() -> None:
    """Ordered at 2 it is up at 5 and takes the one who waits; the first was there at opening."""
    system = on_order(1, 2, work=9, levels=(1.0, 2.0), setup=listed(3))
    assert trace(system, {0.0: (1.0,), 2.0: (2.0,)}) == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals"),
        (5.0, "desk_started"),
        (10.0, "desk_finished"),
        (14.0, "desk_finished"),
    ]


def test_even_the_first_decision_waits_for_the_set_up() -> None:
    """Nobody is there at opening; whoever is ordered then serves from 3 on."""
    shifts = ((0.0, 0.0),)
    system = on_order(1, work=1, levels=(0.0, 1.0), setup=listed(3), shifts=shifts)
    assert trace(system, {0.0: (1.0,)}) == [
        (1.0, "call_arrivals"), (3.0, "desk_started"), (4.0, "desk_finished"),
    ]  # fmt: skip


def test_the_last_server_still_starting_is_called_off_first() -> None:
    """Ordered at 1 and 2, the second is called off at 3 and another ordered at 4: up at 5 and 8."""
    system = on_order(1, 2, 3, 4, work=20, levels=(1.0, 2.0, 3.0), setup=listed(4))
    day = Day(system)
    seen = []
    for level in (1.0, 2.0, 3.0, 2.0, 3.0, 3.0):
        state = day.advance(level)
        seen.append((day.minute, state["staff_starting"], state["staff_up"]))
    assert seen == [(1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 1, 1), (5, 1, 2), (8, 0, 3)]


def test_servers_on_their_way_are_paid() -> None:
    """One is there for 6 minutes; the other is ordered at 2, called off at 5 and never up."""
    system = by_epoch(
        on_order(1, work=20, levels=(1.0, 2.0), setup=listed(9)), 0.0, 2.0, 5.0, 6.0,
        measures=("on", "busy"),
    )  # fmt: skip
    day = Day(system)
    seen = [day.advance(level) for level in (1.0, 2.0, 1.0)]
    assert [s["staff_on_minutes"] for s in seen] == [2.0, 6.0, 1.0]
    assert [s["desk_busy_minutes"] for s in seen] == [1.0, 3.0, 1.0]


def test_a_failed_server_ends_its_service_first_where_nobody_is_preempted() -> None:
    """Down from 3 to 7, it still ends at 6 what it began at 1, and takes the next only at 7."""
    breakdown = Breakdown(uptime=listed(3, 90), repair=listed(4))
    system = one_desk(1, 2, of=customers("call", 5), breakdown=breakdown)
    assert trace(replace(system, events=6)) == [
        (1.0, "call_arrivals desk_started"),
        (2.0, "call_arrivals"),
        (3.0, "staff_up=0"),
        (6.0, "desk_finished"),
        (7.0, "desk_started"),
        (12.0, "desk_finished"),
    ]


def test_every_server_fails_on_its_own_however_many_there_are() -> None:
    """The first of three servers is up and down at the same minutes as when it is alone."""
    breakdown = Breakdown(uptime=Exponential(mean=20.0), repair=Exponential(mean=2.0))

    def changes(number: float) -> set[float]:
        shifts = ((0.0, number),)
        system = one_desk(900, of=customers("call", 1), shifts=shifts, breakdown=breakdown)
        told = trace(system)
        return {minute for minute, what in told if what.startswith("staff_up") and minute < 300}

    alone, together = changes(1.0), changes(3.0)
    assert alone < together
    assert len(alone) > 10


def test_servers_who_are_not_there_do_not_fail() -> None:
    """Nobody is wanted from 1 on, so that the day ends when its one customer is served."""
    breakdown = Breakdown(uptime=listed(30), repair=listed(1))
    system = on_order(1, work=1, levels=(0.0, 1.0), breakdown=breakdown)
    assert trace(system, {0.0: (1.0,), 1.0: (0.0,)})[-1] == (2.0, "desk_finished")


def test_a_shift_that_begins_within_an_epoch_counts_from_its_minute() -> None:
    """One server until 4 and two from then on, in one epoch of eleven minutes."""
    system = one_desk(1, 2, of=customers("call", 6), shifts=((0.0, 1.0), (4.0, 2.0)))
    measures = ("wait", "busy", "on", "overtime")
    seen = Day(by_epoch(system, 0.0, 11.0, measures=measures)).advance()
    assert (seen["call_wait"], seen["desk_finished"]) == (2.0, 2)
    assert (seen["desk_busy_minutes"], seen["staff_on_minutes"]) == (12.0, 4.0 + 2 * 7.0)
    assert seen["staff_overtime_minutes"] == 0.0


def test_a_shift_that_begins_is_an_event_where_events_decide() -> None:
    """Who waits since 2 is served when a server comes at 4; at 5 nobody comes or goes."""
    shifts = ((0.0, 1.0), (4.0, 2.0), (5.0, 2.0))
    system = one_desk(1, 2, of=customers("call", 6), shifts=shifts)
    assert trace(system)[2:] == [
        (4.0, "desk_started"), (7.0, "desk_finished"), (10.0, "desk_finished"),
    ]  # fmt: skip


def test_overtime_is_what_is_finished_after_the_shift() -> None:
    """From 4 to 7 two are at work and one is on duty; from 7 to 8 one is, who is on duty."""
    system = one_desk(1, 2, 6, of=customers("call", 6), shifts=((0.0, 2.0), (4.0, 1.0)))
    day = Day(by_epoch(system, 0.0, 5.0, 9.0, measures=("wait", "on", "overtime")))
    first, second = day.advance(), day.advance()
    assert (first["staff_overtime_minutes"], second["staff_overtime_minutes"]) == (1.0, 2.0)
    assert (first["staff_on_minutes"], second["staff_on_minutes"]) == (9.0, 4.0)
    assert second["call_wait"] == 2.0


def test_breaks_take_servers_off_and_bring_them_back() -> None:
    """Two servers, one away from 2.5 to 5: the third customer waits from 3 to 5."""
    pause = Break(start=2.5, minutes=2.5, servers=1)
    call = customers("call", 1, 9, 1)
    system = one_desk(1, 1.5, 3, of=call, shifts=((0.0, 2.0),), breaks=(pause,))
    assert trace(system)[2:] == [
        (2.0, "desk_finished"),
        (2.5, ""),
        (3.0, "call_arrivals"),
        (5.0, "desk_started"),
        (6.0, "desk_finished"),
        (10.5, "desk_finished"),
    ]
    seen = Day(by_epoch(system, 0.0, 12.0, measures=("wait", "on"))).advance()
    assert (seen["call_wait"], seen["staff_on_minutes"]) == (2.0, 24.0 - 2.5)


@pytest.mark.parametrize(("scale", "on_duty"), [(0.5, 2), (0.74, 3), (1.0, 4)])
def test_the_roster_scales_to_whole_servers(scale: float, on_duty: int) -> None:
    """0.74 of four are 2.96, so three: a share of a server serves nobody."""
    call = customers("call", 9)
    factor = Parameter(name="staff_scale", unit="factor", low=0.1, high=2.0, nominal=scale)
    times, shifts = (1, 1.1, 1.2, 1.3, 1.4), ((0.0, 4.0),)
    system = one_desk(*times, of=call, shifts=shifts, parameters=(factor,))
    assert Day(by_epoch(system, 0.0, 5.0)).advance()["desk_busy"] == on_duty


def test_sizes_follow_the_servers_who_are_up() -> None:
    """Half of two servers are one; half of the one that is left at 3 rounds to none."""
    system = System(
        name="half",
        arrivals={"a": come_at(5), "b": come_at(4)},
        classes=(customers("a", 9), customers("b", 9)),
        pools=(Pool(name="staff", shifts=((0.0, 2.0), (3.0, 1.0))),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b", lever="moved")),
        levers=(Lever(name="moved", levels=(0.5,)),),
        boundaries=(0.0, 6.0),
    )
    seen = Day(system).advance(0.5)
    assert (seen["for_a_busy"], seen["for_b_busy"], seen["for_b_assigned"]) == (1, 0, 1)
