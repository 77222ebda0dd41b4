"""Queues of one class, told event by event: order, patience and the doors."""

import pytest

from sim.customers import Balking
from sim.description import Lever
from tests.sim.engine.days import (
    Day,
    by_epoch,
    customers,
    listed,
    one_desk,
    trace,
)

CAME = "call_arrivals"
STARTED = "desk_started"
FINISHED = "desk_finished"
NEXT = f"{STARTED} {FINISHED}"
SERVED_AT_ONCE = f"{CAME} {STARTED}"


def test_first_come_first_served() -> None:
    """The queue keeps the order of coming: work 5, 1, 2 ends at 6, 7 and 9."""
    told = trace(one_desk(1, 2, 3, of=customers("call", 5, 1, 2)))
    assert told[3:] == [(6.0, NEXT), (7.0, NEXT), (9.0, FINISHED)]


def test_last_come_first_served() -> None:
    """The newest goes first: work 5, then 2, then 1 ends at 6, 8 and 9."""
    told = trace(one_desk(1, 2, 3, of=customers("call", 5, 1, 2, order="last_come")))
    assert told[3:] == [(6.0, NEXT), (8.0, NEXT), (9.0, FINISHED)]


def test_shortest_work_first() -> None:
    """Among 3, 1 and 2 minutes the shortest goes first, whenever it came."""
    told = trace(one_desk(1, 2, 3, 4, of=customers("call", 5, 3, 1, 2, order="shortest_first")))
    assert told[4:] == [(6.0, NEXT), (7.0, NEXT), (9.0, NEXT), (12.0, FINISHED)]


def test_equal_work_is_served_first_come_first_served() -> None:
    """Both who wait bring 2.5 minutes; served the other way round, the older would give up at 8."""
    call = customers("call", 5, 2.5, 2.5, order="shortest_first", patience=listed(6))
    assert trace(one_desk(1, 2, 3, of=call))[3:] == [(6.0, NEXT), (8.5, NEXT), (11.0, FINISHED)]


def test_whoever_loses_patience_is_gone_at_that_minute() -> None:
    """The second gives up at 2 + 1.5, so the third is next at 6; patience ends with service."""
    call = customers("call", 5, 1, 2, patience=listed(1, 1.5, 4))
    assert trace(one_desk(1, 2, 3, of=call))[2:] == [
        (3.0, CAME), (3.5, "call_abandoned"), (6.0, NEXT), (8.0, FINISHED),
    ]  # fmt: skip


@pytest.mark.parametrize("order", ["first_come", "last_come", "shortest_first"])
def test_patience_settled_late_is_settled_at_its_own_minute(order: str) -> None:
    """With fixed epochs nobody looks at the queue before 6, yet the waits must be those told above.

    These are 1.5 minutes until patience ended and 3 until service, 0.5 of them by minute 3.5.
    """
    call = customers("call", 5, 1, 2, patience=listed(1, 1.5, 4), order=order)
    day = Day(by_epoch(one_desk(1, 2, 3, of=call), 0.0, 3.5, 10.0))
    first, second = day.advance(), day.advance()
    assert (first["call_abandoned"], second["call_abandoned"]) == (1, 0)
    assert [first["call_wait"], second["call_wait"]] == pytest.approx([2.0, 2.5])


def test_a_customer_turns_away_from_a_long_queue() -> None:
    """Everybody balks from one waiting on: the third finds one and goes, the fourth finds none."""
    call = customers("call", 5, 1, 1, 1, balking=(Balking(waiting=1, share=1.0),))
    assert trace(one_desk(1, 2, 3, 6.5, of=call)) == [
        (1.0, SERVED_AT_ONCE), (2.0, CAME), (3.0, "call_arrivals call_rejected"), (6.0, NEXT),
        (6.5, CAME), (7.0, NEXT), (8.0, FINISHED),
    ]  # fmt: skip


def test_nobody_is_let_in_while_the_admission_is_shut() -> None:
    """The lever is shut from the second event on, and open again from the fourth."""
    call = customers("call", 1, admission="door")
    system = one_desk(
        1, 3, 5, 7, of=call,
        levers=(Lever(name="door", levels=(0.0, 1.0), decides="admission"),),
    )  # fmt: skip
    assert trace(system, {0.0: (1.0,), 2.0: (0.0,), 5.0: (1.0,)}) == [
        (1.0, SERVED_AT_ONCE), (2.0, FINISHED), (3.0, "call_arrivals call_rejected"),
        (5.0, "call_arrivals call_rejected"), (7.0, SERVED_AT_ONCE), (8.0, FINISHED),
    ]  # fmt: skip


def test_doors_come_before_a_free_server() -> None:
    """A half-open door turns some away from an idle desk, and about half of them."""
    call = customers("call", 0.1, admission="door")
    system = one_desk(
        *range(1, 401), of=call,
        levers=(Lever(name="door", levels=(0.5,), decides="admission"),),
    )  # fmt: skip
    day = Day(by_epoch(system, 0.0, 500.0))
    counted = day.advance(0.5)
    assert counted["desk_started"] + counted["call_rejected"] == 400
    # Four standard deviations of a fair coin thrown 400 times.
    assert abs(counted["call_rejected"] - 200) <= 40
