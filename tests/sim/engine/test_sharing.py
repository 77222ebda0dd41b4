"""Processor sharing, told event by event."""

from dataclasses import replace
from typing import Any

from sim.customers import Route
from sim.routing import Room
from sim.system import System
from tests.sim.engine.days import Day, by_epoch, come_at, customers, desk, listed, servers, trace


def shared(*times: float, work: tuple[float, ...], number: float = 1, **settings: Any) -> System:
    return System(
        name="shared",
        arrivals={"job": come_at(*times)},
        classes=(customers("job", *work, **settings),),
        pools=(servers("machine", number, is_shared=True),),
        teams=(desk("run", "machine", "job"),),
        events=200,
    )


def test_one_server_is_shared_by_all_alike() -> None:
    """Alone until 3 the first does 2 of 4, and half of one until 5; its last is done alone by 6."""
    assert trace(shared(1, 3, work=(4, 1))) == [
        (1.0, "job_arrivals run_started"),
        (3.0, "job_arrivals run_started"),
        (5.0, "run_finished"),
        (6.0, "run_finished"),
    ]


def test_nobody_gets_more_than_one_server() -> None:
    """Two of two servers each have one until 3; three then share two: 2/3 of a minute a minute.

    By 3 work of 2 and 1 is done, by 6 two more each: the third, with 2, is done, and so is the
    second, with 3; the first has one of 5 left, which takes a server a minute.
    """
    told = trace(shared(1, 2, 3, work=(5, 3, 2), number=2))
    assert told[3:] == [(6.0, "run_finished"), (6.0, "run_finished"), (7.0, "run_finished")]


def test_a_class_may_be_served_faster_than_another() -> None:
    """At equal shares the fast one is done with 2 by 3, the slow one with 1 of 2 and then alone."""
    system = System(
        name="two_speeds",
        arrivals={"slow": come_at(1), "fast": come_at(1)},
        classes=(customers("slow", 2), customers("fast", 2)),
        pools=(servers("machine", 1, is_shared=True),),
        teams=(desk("s", "machine", "slow"), desk("f", "machine", "fast", speed=2.0)),
        events=200,
    )
    assert trace(system)[2:] == [(3.0, "f_finished"), (4.0, "s_finished")]


def test_shares_follow_the_servers_on_duty() -> None:
    """One server does 3 of 6 for two by 4, nobody works until 5, two do the rest by 6.5."""
    system = shared(1, 1, work=(3, 3))
    machine = replace(system.pools[0], shifts=((0.0, 1.0), (4.0, 0.0), (5.0, 2.0)))
    assert trace(replace(system, pools=(machine,)))[2:] == [
        (4.0, ""), (5.0, ""), (6.5, "run_finished"), (6.5, "run_finished"),
    ]  # fmt: skip


def test_nobody_waits_and_nobody_loses_patience_in_a_shared_pool() -> None:
    """Whoever comes is in service at once, even before the servers come on duty."""
    system = shared(1, 2, work=(3, 3), number=0, patience=listed(1))
    seen = Day(by_epoch(system, 0.0, 5.0, measures=("wait", "present", "overtime"))).advance()
    assert (seen["run_busy"], seen["job_abandoned"], seen["job_wait"]) == (2, 0, 0)
    assert (seen["job_present"], seen["machine_overtime_minutes"]) == (7.0, 0.0)


def test_whoever_comes_again_shares_anew() -> None:
    """Alone she needs 2 minutes and then 1 for her second visit."""
    told = trace(shared(1, work=(2, 1, 1), routes=(Route(to="job"),)))
    assert [minute for minute, _ in told[:4]] == [1.0, 3.0, 4.0, 5.0]


def test_whoever_finds_no_room_keeps_the_share() -> None:
    """Blocked from 3 to 8 the first slows the second down: 1 of 2 by 3, the rest at half by 5."""
    system = System(
        name="blocked",
        arrivals={"job": come_at(1, 1), "end": come_at(0.5)},
        classes=(customers("job", 1, 2, routes=(Route(to="end"),)), customers("end", 7.5)),
        pools=(servers("machine", 1, is_shared=True), servers("back", 1)),
        teams=(desk("run", "machine", "job"), desk("last", "back", "end")),
        rooms=(Room(name="hall", places=1, classes=("end",), when_full="block"),),
        events=200,
    )
    assert trace(system)[3:] == [
        (3.0, ""),
        (5.0, ""),
        (8.0, "run_to_end last_started last_finished"),
        (15.5, "run_to_end last_started last_finished"),
        (23.0, "last_finished"),
    ]


def test_whoever_moves_on_later_frees_the_share_at_that_moment() -> None:
    """Blocked from 3 to 8 the first leaves 3.5 of 5 to the second by then, and 1.5 for it alone."""
    system = System(
        name="unblocked",
        arrivals={"job": come_at(1, 1), "end": come_at(0.5)},
        classes=(customers("job", 1, 5, routes=(Route(to="end"),)), customers("end", 7.5)),
        pools=(servers("machine", 1, is_shared=True), servers("back", 2)),
        teams=(desk("run", "machine", "job"), desk("last", "back", "end")),
        rooms=(Room(name="hall", places=1, classes=("end",), when_full="block"),),
        events=200,
    )
    told = trace(system)
    assert told[3:5] == [(3.0, ""), (8.0, "run_to_end last_started last_finished")]
    assert told[5] == (9.5, "")
