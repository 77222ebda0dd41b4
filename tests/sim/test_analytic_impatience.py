import numpy as np
import pytest

from sim.analytic import erlang_a, erlang_b, erlang_c


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
