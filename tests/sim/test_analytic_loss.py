import numpy as np
import pytest

from sim.analytic import birth_and_death, erlang_b, erlang_c_mean_queue, limited_queue
from sim.errors import InvalidSystem


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


@pytest.mark.parametrize("load", [0.5, 1.0, 1.7])
def test_a_single_server_with_limited_places_has_a_cut_geometric_law(load: float) -> None:
    """M/M/1/K has weights load^n for n up to K, whatever the load; ten at load 1 are equal."""
    weights = load ** np.arange(11)
    present = weights / weights.sum()
    queue = limited_queue(load, 1.0, 1, 10)
    assert queue.loss_probability == pytest.approx(present[-1], rel=1e-12)
    assert queue.mean_number == pytest.approx(np.arange(11) @ present, rel=1e-12)
    assert queue.occupancy == pytest.approx(1 - present[0], rel=1e-12)


def test_a_limited_queue_lies_between_loss_and_delay() -> None:
    """With places for those in service only it is Erlang B; with very many it is Erlang C."""
    assert limited_queue(8.0, 1.0, 10, 10).loss_probability == pytest.approx(
        erlang_b(8.0, 10), rel=1e-12
    )
    roomy = limited_queue(8.0, 1.0, 10, 400)
    assert roomy.mean_queue == pytest.approx(erlang_c_mean_queue(8.0, 1.0, 10), rel=1e-12)


@pytest.mark.parametrize("rates", [(3.0, 0.5, 4, 9), (900.0, 1.0, 1000, 1200), (1.0, 9.0, 2, 3)])
def test_a_limited_queue_keeps_flows_and_little_s_law(
    rates: tuple[float, float, int, int],
) -> None:
    """What comes is lost or served, and the queue is throughput times wait, also for a thousand."""
    arrival_rate, service_rate, agents, _ = rates
    queue = limited_queue(*rates)
    assert queue.throughput == pytest.approx(arrival_rate * (1 - queue.loss_probability))
    assert queue.throughput == pytest.approx(service_rate * agents * queue.occupancy)
    assert queue.mean_queue == pytest.approx(queue.throughput * queue.mean_wait)
    assert queue.mean_number == pytest.approx(queue.mean_queue + agents * queue.occupancy)


def test_fewer_places_than_agents_are_refused() -> None:
    """An agent without a place could never serve, so that the caller has mixed something up."""
    with pytest.raises(InvalidSystem, match="4 places for 5 agents"):
        limited_queue(1.0, 1.0, 5, 4)


def test_a_chain_ends_where_nobody_is_born() -> None:
    """A closed population of two, each away at rate 1 and served at rate 2: weights 1, 1, 1/2."""
    present = birth_and_death(lambda n: 2.0 - n, lambda n: 2.0, least=5)
    assert present == pytest.approx([0.4, 0.4, 0.2])
