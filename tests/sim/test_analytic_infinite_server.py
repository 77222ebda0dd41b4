import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sim.analytic import erlang_a, infinite_server_mean, sinusoidal_mean_number
from sim.errors import InvalidSystem


def test_the_number_in_service_grows_to_the_offered_load() -> None:
    """From an empty system the mean approaches load 6 at the service rate."""
    assert infinite_server_mean(3.0, 0.5) == 6.0
    assert infinite_server_mean(3.0, 0.5, minutes_since_empty=0.0) == 0.0
    half = infinite_server_mean(3.0, 0.5, minutes_since_empty=2 * np.log(2))
    assert half == pytest.approx(3.0, rel=1e-12)
    with pytest.raises(InvalidSystem, match=r"minutes_since_empty is -1\.0"):
        infinite_server_mean(3.0, 0.5, minutes_since_empty=-1.0)


def test_equal_patience_and_service_make_any_staffing_an_infinite_server() -> None:
    """Customers leave at one rate whether they wait or not: the mean is the offered load."""
    queue = erlang_a(100.0, 1.0, 1.0, 90)
    present = queue.mean_queue + 90 * queue.occupancy
    assert present == pytest.approx(infinite_server_mean(100.0, 1.0), rel=1e-9)


@pytest.mark.parametrize("time", [0.0, 1.0, 2.5, 10.0])
def test_a_sinusoid_meets_the_listed_closed_form(time: float) -> None:
    """For 100 + 20 sin t and rate 1 the mean is 100 + 10 (sin t - cos t)."""
    expected = 100 + 10 * (np.sin(time) - np.cos(time))
    assert sinusoidal_mean_number(100.0, 20.0, 1.0, 1.0, time) == pytest.approx(expected)


def test_the_mean_solves_its_differential_equation() -> None:
    """What comes less what leaves is the change, integrated here by somebody else's solver."""
    rate, amplitude, frequency, service_rate = 40.0, 30.0, 0.3, 0.2

    def change(time: float, number: np.ndarray) -> np.ndarray:
        return np.asarray(rate + amplitude * np.sin(frequency * time) - service_rate * number)

    solved = solve_ivp(change, (0.0, 120.0), [200.0], rtol=1e-10, atol=1e-8)
    expected = sinusoidal_mean_number(rate, amplitude, frequency, service_rate, 120.0)
    assert solved.y[0, -1] == pytest.approx(expected, rel=1e-7)


def test_a_rate_that_would_be_negative_is_refused() -> None:
    """Swings beyond the mean rate have no Poisson process."""
    with pytest.raises(InvalidSystem, match=r"amplitude is 120\.0: at most the mean rate, 100"):
        sinusoidal_mean_number(100.0, 120.0, 1.0, 1.0, 0.0)
