import numpy as np
import pytest

from sim.analytic import (
    erlang_a,
    erlang_b,
    erlang_c,
    erlang_c_mean_wait,
    erlang_c_service_level,
    erlang_c_wait_quantile,
    halfin_whitt,
    pollaczek_khinchine,
)
from sim.errors import InvalidSystem, UnstableSystem


@pytest.mark.parametrize(
    ("load", "agents", "blocking"),
    [
        (1.0, 1, 0.5),
        (10.0, 10, 0.214582343),
        (20.0, 30, 0.008457498),
        (100.0, 110, 0.027463448),
    ],
)
def test_erlang_b_meets_known_values(load: float, agents: int, blocking: float) -> None:
    """The recursion must agree with the tables, to the nine digits that were computed."""
    assert erlang_b(load, agents) == pytest.approx(blocking, abs=5e-10)


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


def test_erlang_c_with_handling_of_three_minutes_meets_published_software() -> None:
    """Published calculators give these for 10 Erlang and 14 agents, in seconds."""
    queue = (10 / 3, 1 / 3, 14)
    assert erlang_c_service_level(*queue, within=20 / 60) == pytest.approx(0.8883500192, abs=5e-11)
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(7.835937, abs=5e-7)


def test_erlang_c_meets_a_textbook_centre() -> None:
    """360 calls per 30 minutes of 4 minutes each, 55 agents: a much quoted example."""
    queue = (12.0, 0.25, 55)
    assert erlang_c(48.0, 55) == pytest.approx(0.238701, abs=5e-7)
    assert pytest.approx(0.8727, abs=5e-5) == 12.0 * 4 / 55
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(8.184, abs=5e-4)
    assert erlang_c_service_level(*queue, within=0.25) == pytest.approx(0.845883, abs=5e-7)


def test_waits_of_patient_customers_meet_known_values() -> None:
    """Without patience the 50-agent centre waits more than five times as long."""
    queue = (48.0, 1.0, 50)
    assert 60 * erlang_c_mean_wait(*queue) == pytest.approx(20.834, abs=5e-4)
    assert 60 * erlang_c_wait_quantile(*queue, share=0.9) == pytest.approx(58.139, abs=5e-4)
    assert 48 * erlang_c_mean_wait(*queue) == pytest.approx(16.667, abs=5e-4)


def test_the_quantile_is_where_the_service_level_reaches_the_share() -> None:
    """Each is the inverse of the other, and those who need not wait have a quantile of 0."""
    wait = erlang_c_wait_quantile(8.0, 1.0, 10, share=0.9)
    assert erlang_c_service_level(8.0, 1.0, 10, within=wait) == pytest.approx(0.9)
    assert erlang_c_wait_quantile(8.0, 1.0, 10, share=0.2) == 0.0


def test_erlang_a_meets_known_values() -> None:
    """The setting of Garnett, Mandelbaum and Reiman (2002), to the digits computed."""
    queue = erlang_a(48.0, 1.0, 0.5, 50)
    assert queue.abandonment_probability == pytest.approx(0.030912, abs=5e-7)
    assert 60 * queue.mean_wait == pytest.approx(3.7095, abs=5e-5)
    assert queue.mean_queue == pytest.approx(2.9676, abs=5e-5)
    assert queue.occupancy == pytest.approx(0.9303, abs=5e-5)
    assert queue.waiting_probability == pytest.approx(0.46777, abs=5e-6)


def test_erlang_a_meets_known_values_at_full_load() -> None:
    """A hundred agents with a load of a hundred: only patience keeps the queue short."""
    queue = erlang_a(100.0, 1.0, 1.0, 100)
    assert queue.waiting_probability == pytest.approx(0.513299, abs=5e-7)
    assert queue.abandonment_probability == pytest.approx(0.039861, abs=5e-7)
    assert queue.mean_queue == pytest.approx(3.9861, abs=5e-5)


@pytest.mark.parametrize("rates", [(48.0, 1.0, 0.5, 50), (300.0, 1.0, 0.01, 5), (2.0, 1.0, 9.0, 9)])
def test_erlang_a_keeps_its_identities(rates: tuple[float, float, float, int]) -> None:
    """What abandons is patience rate times queue, and what comes is served or abandons."""
    arrival_rate, service_rate, abandonment_rate, agents = rates
    queue = erlang_a(*rates)
    left = abandonment_rate * queue.mean_queue
    assert queue.abandonment_probability == pytest.approx(abandonment_rate * queue.mean_wait)
    assert left == pytest.approx(arrival_rate * queue.abandonment_probability)
    served = queue.occupancy * agents * service_rate
    assert served + left == pytest.approx(arrival_rate)
    assert 0 < queue.occupancy < 1 + 1e-9


def test_erlang_a_with_all_rates_equal_loses_one_customer_in_e() -> None:
    """With one agent the number in system is then Poisson with mean 1."""
    lost = erlang_a(1.0, 1.0, 1.0, 1).abandonment_probability
    assert lost == pytest.approx(np.exp(-1), rel=1e-12)


def test_erlang_a_lies_between_its_limits() -> None:
    """Endless patience is Erlang C; none at all is Erlang B."""
    patient, hasty = erlang_a(8.0, 1.0, 1e-9, 10), erlang_a(8.0, 1.0, 1e7, 10)
    assert patient.waiting_probability == pytest.approx(erlang_c(8.0, 10), rel=1e-6)
    assert hasty.abandonment_probability == pytest.approx(erlang_b(8.0, 10), rel=1e-5)


@pytest.mark.parametrize(
    ("slack", "limit", "at_load_100"),
    [
        (0.5, 0.504539, 0.515707),
        (1.0, 0.223361, 0.237008),
        (1.5, 0.084690, 0.095441),
        (2.0, 0.026881, 0.033196),
    ],
)
def test_square_root_staffing_nears_halfin_whitt(
    slack: float, limit: float, at_load_100: float
) -> None:
    """The limit is published, and exact Erlang C approaches it from above as systems grow."""
    assert halfin_whitt(slack) == pytest.approx(limit, abs=5e-7)
    assert erlang_c(100.0, round(100 + 10 * slack)) == pytest.approx(at_load_100, abs=5e-7)
    large = erlang_c(10_000.0, round(10_000 + 100 * slack))
    assert limit < large < at_load_100


@pytest.mark.parametrize(("scv", "wait"), [(0.0, 2.0), (1.0, 4.0), (4.0, 10.0)])
def test_pollaczek_khinchine_meets_known_values(scv: float, wait: float) -> None:
    """At utilisation .8 the wait is 2 (1 + scv) mean services."""
    assert pollaczek_khinchine(0.8, 1.0, scv) == pytest.approx(wait, rel=1e-12)


def test_a_queue_without_a_steady_state_is_refused_with_its_load() -> None:
    """A number for a queue that grows without bound would be believed."""
    with pytest.raises(UnstableSystem, match="offered load 12 for 12 agents"):
        erlang_c(12.0, 12)
    with pytest.raises(UnstableSystem, match=r"utilisation 1\.2 "):
        pollaczek_khinchine(0.6, 2.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused_with_their_value(value: float) -> None:
    """A rate is a positive number, and the message must show what was given."""
    with pytest.raises(InvalidSystem, match=f"arrival_rate is {value}"):
        erlang_a(value, 1.0, 1.0, 1)
    with pytest.raises(InvalidSystem, match=f"offered_load is {value}"):
        erlang_b(value, 1)
