"""Whom a free server takes next, and how teams share a pool, told event by event."""

import pytest

from sim.customers import CustomerClass
from sim.description import Lever
from sim.errors import InvalidSystem
from sim.servers import Picks, Pool
from sim.system import System
from tests.sim.engine.days import Day, by_epoch, come_at, customers, desk, listed, servers, trace


def two_queues(picks: Picks, *classes: CustomerClass, **times: tuple[float, ...]) -> System:
    """One server for two queues; its teams are listed `a`, then `b`."""
    return System(
        name="two_queues",
        arrivals={name: come_at(*moments) for name, moments in times.items()},
        classes=classes,
        pools=(servers("staff", 1, picks=picks),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b")),
        events=200,
    )


def starts(system: System) -> list[str]:
    """The teams in the order in which they start customers."""
    return [
        flow.removesuffix("_started")
        for _, what in trace(system)
        for flow in what.split()
        if flow.endswith("_started")
    ]


A, B = "for_a", "for_b"


@pytest.mark.parametrize(
    ("picks", "order"),
    [
        ("stay", [B, B, B, A, A]),
        ("priority", [B, A, A, B, B]),
        ("first_come", [B, A, B, B, A]),
        ("longest_queue", [B, A, B, A, B]),
    ],
)
def test_what_a_server_picks_shows_in_the_order_of_starts(picks: Picks, order: list[str]) -> None:
    """Behind a customer of b until 10 there wait a (2), b (3), b (4), a (5): every rule differs.

    The longest queue is a's on ties, as a is listed first.
    """
    system = two_queues(picks, customers("a", 2), customers("b", 9, 2, 2), a=(2, 5), b=(1, 3, 4))
    assert starts(system) == order


def test_first_come_over_all_queues_counts_from_joining_however_impatient() -> None:
    """At 10 b's queue holds those of 2 and 5, a's those of 3 and 3.5; the oldest goes first."""
    a = customers("a", 3, patience=listed(90))
    b = customers("b", 9, 3, patience=listed(90))
    system = two_queues("first_come", a, b, b=(1, 2, 5), a=(3, 3.5))
    assert starts(system) == [B, B, A, A, B]


def test_first_come_over_queues_that_serve_the_last_first() -> None:
    """What counts is how long the one has waited who would be served next, here the newest."""
    a = customers("a", 9, order="last_come")
    b = customers("b", 9)
    system = two_queues("first_come", a, b, b=(1, 5), a=(2, 7))
    assert starts(system) == [B, B, A, A]


def test_whoever_lost_patience_takes_no_turn() -> None:
    """The head of a's queue came first and has gone by 10, so b's is the oldest; settled late."""
    a = customers("a", 2, patience=listed(3, 90))
    b = customers("b", 9, 2)
    system = two_queues("first_come", a, b, a=(2, 5), b=(1, 3))
    seen = Day(by_epoch(system, 0.0, 11.0)).advance()
    assert (seen["a_abandoned"], seen["for_b_started"], seen["for_a_started"]) == (1, 2, 0)


def sized(*, share: float, number: float = 4) -> System:
    """A pool of which a share is moved to `b`; `a` has the rest."""
    return System(
        name="sized",
        arrivals={"a": come_at(1, 1.1, 1.2, 1.3), "b": come_at(2, 2.1, 2.2, 2.3)},
        classes=(customers("a", 5), customers("b", 5)),
        pools=(servers("staff", number),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b", lever="moved")),
        levers=(Lever(name="moved", levels=(share,)),),
        boundaries=(0.0, 3.0),
    )


@pytest.mark.parametrize(
    ("share", "busy"), [(0.0, (4.0, 0.0)), (0.25, (3.0, 1.0)), (0.7, (1.0, 3.0)), (1.0, (0.0, 4.0))]
)
def test_a_moved_share_sizes_the_teams(share: float, busy: tuple[float, float]) -> None:
    """Of four servers 0.7 is 2.8, rounded 3; the team without a lever has what is left."""
    seen = Day(sized(share=share)).advance(share)
    assert (seen["for_a_busy"], seen["for_b_busy"]) == busy
    assert seen["for_b_assigned"] == busy[1]


def test_several_levers_share_what_is_there_first_listed_first_served() -> None:
    """0.75 of four are three; of the other 0.75 only one is left, and the rest team has nobody."""
    system = System(
        name="three",
        arrivals={"a": come_at(1), "b": come_at(1.1, 1.2, 1.3, 1.4), "c": come_at(2, 2.1)},
        classes=(customers("a", 5), customers("b", 5), customers("c", 5)),
        pools=(servers("staff", 4),),
        teams=(
            desk("for_a", "staff", "a"),
            desk("for_b", "staff", "b", lever="x"),
            desk("for_c", "staff", "c", lever="y"),
        ),
        levers=(Lever(name="x", levels=(0.75,)), Lever(name="y", levels=(0.75,))),
        boundaries=(0.0, 3.0),
    )
    seen = Day(system).advance(0.75, 0.75)
    assert [seen[f"for_{name}_busy"] for name in "abc"] == [0, 3, 1]


def test_a_team_made_smaller_finishes_what_it_has() -> None:
    """Moved away at 3 with two in service, the team starts nobody until it is below its size."""
    system = System(
        name="smaller",
        arrivals={"a": come_at(1, 1.5, 2), "b": come_at(2.5)},
        classes=(customers("a", 3), customers("b", 1)),
        pools=(servers("staff", 2),),
        teams=(desk("for_a", "staff", "a"), desk("for_b", "staff", "b", lever="moved")),
        levers=(Lever(name="moved", levels=(0.0, 1.0)),),
        boundaries=(0.0, 3.0, 9.0),
    )
    day = Day(system)
    before, after = day.advance(0.0), day.advance(1.0)
    assert (before["for_a_busy"], before["a_waiting"], before["b_waiting"]) == (2, 1, 1)
    assert (after["for_a_finished"], after["for_a_started"], after["a_waiting"]) == (2, 0, 1)
    assert [after["for_b_finished"], after["b_wait"]] == pytest.approx([1, 1.0])


def two_pools(*times: float) -> System:
    """A class that a quick pool serves first and a slow one helps with."""
    return System(
        name="two_pools",
        arrivals={"a": come_at(*times)},
        classes=(customers("a", 4),),
        pools=(servers("front", 1), servers("back", 1)),
        teams=(desk("quick", "front", "a"), desk("slow", "back", "a", speed=0.5)),
        events=200,
    )


def test_a_class_is_served_by_two_pools_the_first_listed_first() -> None:
    """The slow team needs 8 minutes for work of 4; the third is taken by whoever is free first."""
    assert trace(two_pools(1, 2, 3)) == [
        (1.0, "a_arrivals quick_started"),
        (2.0, "a_arrivals slow_started"),
        (3.0, "a_arrivals"),
        (5.0, "quick_started quick_finished"),
        (9.0, "quick_finished"),
        (10.0, "slow_finished"),
    ]


def test_nobody_ever_waits_for_an_unlimited_pool() -> None:
    """Three at once are all in service from the start."""
    system = System(
        name="travel",
        arrivals={"a": come_at(1, 1.5, 2)},
        classes=(customers("a", 3),),
        pools=(servers("road", float("inf")),),
        teams=(desk("on_the_road", "road", "a"),),
        boundaries=(0.0, 3.0),
        measures=("wait", "present"),
    )
    seen = Day(system).advance()
    assert (seen["on_the_road_busy"], seen["a_wait"]) == (3, 0)
    assert seen["a_present"] == pytest.approx(2 + 1.5 + 1)


def test_a_pool_has_one_rule_for_whom_to_take_next() -> None:
    """A rule that is silently ignored looks as if it had been tried."""
    with pytest.raises(InvalidSystem, match=r"'order' says whom .* picks 'longest_queue' too"):
        Pool(
            name="staff", shifts=((0.0, 1.0),), picks="longest_queue", order="order",
            orders=(("for_a", "for_b"),),
        )  # fmt: skip
