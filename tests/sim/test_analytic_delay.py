import pytest

from sim.analytic import (
    erlang_c,
    erlang_c_mean_queue,
    erlang_c_mean_wait,
    erlang_c_occupancy,
    erlang_c_service_level,
    erlang_c_wait_quantile,
)
from sim.errors import InvalidSystem, UnstableSystem


@pytest.mark.parametrize(
    ("load", "agents", "waiting", "mean_wait"),
    [
        (0.8, 1, 0.8, 4.0),
        (8.0, 10, 0.409180, 0.204590),
        (10.0, 14, 0.1741319336, 0.0435329834),
    ],
)
def test_erlang_c_meets_known_values(
    load: float, agents: int, waiting: float, mean_wait: float
) -> None:
    """Independent implementations agree on these to at least six digits."""
    assert erlang_c(load, agents) == pytest.approx(waiting, abs=5e-7)
    assert erlang_c_mean_wait(load, 1.0, agents) == pytest.approx(mean_wait, abs=5e-7)


def test_erlang_c_meets_ten_digits_where_they_are_known() -> None:
    """For 10 Erlang and 14 agents ten digits are published."""
    assert erlang_c(10.0, 14) == pytest.approx(0.1741319336, abs=5e-11)
    assert erlang_c_mean_wait(10.0, 1.0, 14) == pytest.approx(0.0435329834, abs=5e-11)


def test_erlang_c_with_handling_of_three_minutes_meets_published_software() -> None:
    """Published calculators give these for 10 Erlang and 14 agents, in seconds."""
    queue = (10 / 3, 1 / 3, 14)
    assert erlang_c_service_level(*queue, within=20 / 60) == pytest.approx(0.8883500192, abs=5e-11)
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(7.835937, abs=5e-7)


def test_erlang_c_meets_a_textbook_centre() -> None:
    """360 calls per 30 minutes of 4 minutes each, 55 agents: a much quoted example."""
    queue = (12.0, 0.25, 55)
    assert erlang_c(48.0, 55) == pytest.approx(0.238701, abs=5e-7)
    assert erlang_c_occupancy(*queue) == pytest.approx(0.8727, abs=5e-5)
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(8.184, abs=5e-4)
    assert erlang_c_service_level(*queue, within=0.25) == pytest.approx(0.845883, abs=5e-7)


def test_waits_of_patient_customers_meet_known_values() -> None:
    """Without patience the 50-agent centre waits more than five times as long.

    The listed 90% point is over all customers: among those who wait it would be 69 seconds.
    """
    queue = (48.0, 1.0, 50)
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(20.834, abs=5e-4)
    assert 60 * erlang_c_wait_quantile(*queue, share=0.9) == pytest.approx(58.139, abs=5e-4)
    assert erlang_c_mean_queue(*queue) == pytest.approx(16.667, abs=5e-4)


def test_the_quantile_is_where_the_service_level_reaches_the_share() -> None:
    """Each is the inverse of the other, and those who need not wait have a quantile of 0."""
    wait = erlang_c_wait_quantile(8.0, 1.0, 10, share=0.9)
    assert erlang_c_service_level(8.0, 1.0, 10, within=wait) == pytest.approx(0.9)
    assert erlang_c_wait_quantile(8.0, 1.0, 10, share=0.2) == 0.0


def test_the_occupancy_of_a_growing_queue_is_refused() -> None:
    """A load over one agent each would read as an occupancy above 100%."""
    with pytest.raises(UnstableSystem, match="offered load 3 for 2 agents"):
        erlang_c_occupancy(3.0, 1.0, 2)


@pytest.mark.parametrize("share", [-0.1, 1.0, 90.0])
def test_a_share_that_is_none_is_refused(share: float) -> None:
    """Nobody's wait bounds all of them, and 90 instead of .9 is an easy slip."""
    with pytest.raises(InvalidSystem, match=f"a share of customers is {share}"):
        erlang_c_wait_quantile(8.0, 1.0, 10, share)
