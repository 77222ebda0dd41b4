import pytest

from sim.analytic import pollaczek_khinchine, processor_sharing_sojourn
from sim.errors import InvalidSystem


@pytest.mark.parametrize(("scv", "wait"), [(0.0, 2.0), (1.0, 4.0), (4.0, 10.0)])
def test_pollaczek_khinchine_meets_known_values(scv: float, wait: float) -> None:
    """At utilisation .8 the wait is 2 (1 + scv) mean services."""
    assert pollaczek_khinchine(0.8, 1.0, scv) == pytest.approx(wait, rel=1e-12)


def test_sharing_takes_exponential_customers_as_long_as_a_queue() -> None:
    """With exponential service the number present has one law under either discipline."""
    queue = 1.0 + pollaczek_khinchine(0.8, 1.0, 1.0)
    assert processor_sharing_sojourn(0.8, 1.0) == pytest.approx(queue, rel=1e-12)


def test_sharing_slows_every_customer_by_the_same_factor() -> None:
    """At utilisation .8 each is served at a fifth of full speed on average, short or long."""
    assert processor_sharing_sojourn(0.8, 1.0, service=3.0) == pytest.approx(15.0, rel=1e-12)
    assert processor_sharing_sojourn(0.8, 1.0, service=0.0) == 0.0
    with pytest.raises(InvalidSystem, match=r"service is -1\.0"):
        processor_sharing_sojourn(0.8, 1.0, service=-1.0)
