import numpy as np
import pytest
from scipy.integrate import quad

from surrogates.coordinates import Coordinate
from surrogates.settled import settled_log_prob

FLOW = Coordinate(name="arrivals", kind="flow")
IDLE = Coordinate(name="team", kind="idle")
MEASURE = Coordinate(name="wait", kind="measure")


@pytest.mark.parametrize(
    ("coordinate", "low", "high"),
    [(FLOW, 0.0, np.inf), (FLOW, 0.0, 12.0), (IDLE, -6.0, 9.0), (IDLE, 4.0, 4.0)],
)
@pytest.mark.parametrize(("mean", "deviation"), [(0.4, 0.3), (2.5, 0.8), (-3.0, 0.5), (9.0, 0.05)])
def test_the_masses_of_all_counts_sum_to_one(
    coordinate: Coordinate, low: float, high: float, mean: float, deviation: float
) -> None:
    """A likelihood that leaks mass at a bound would favour models that push against it."""
    counts = np.arange(low, min(high, 500.0) + 1)
    even = np.ones(len(counts))
    logs = settled_log_prob(
        coordinate, counts, low * even, high * even, mean * even, deviation * even
    )
    assert np.exp(logs).sum() == pytest.approx(1.0, abs=1e-9)


def test_the_mass_at_zero_and_the_density_above_sum_to_one() -> None:
    """Waiting time is often exactly 0, so its law has an atom beside a density."""

    def density(value: float) -> float:
        one = np.ones(1)
        log = settled_log_prob(MEASURE, value * one, 0 * one, np.inf * one, 1.0 * one, 0.7 * one)
        return float(np.exp(log[0]))

    above, _ = quad(density, 1e-12, 60.0, points=[0.01, 1.0], limit=200)
    assert density(0.0) + above == pytest.approx(1.0, abs=1e-5)


def test_settled_draws_have_the_masses_of_the_likelihood() -> None:
    """Sampling and scoring must speak of one law; tolerance is four binomial deviations."""
    draws, low, high = 200_000, -2.0, 8.0
    even = np.ones(draws)
    latent = np.random.default_rng(0).normal(0.7, 0.9, draws)
    seen = IDLE.settle(latent, low * even, high * even)
    counts = np.arange(low, high + 1)
    even = np.ones(len(counts))
    logs = settled_log_prob(IDLE, counts, low * even, high * even, 0.7 * even, 0.9 * even)
    share = np.array([(seen == count).mean() for count in counts])
    tolerance = 4 * np.sqrt(np.exp(logs) / draws)
    assert (np.abs(share - np.exp(logs)) < tolerance).all()


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_mass_far_in_either_tail_is_finite_and_alike(side: float) -> None:
    """Thirty deviations out a difference of distribution functions is 0 and its log infinite."""
    one = np.ones(1)
    log = settled_log_prob(IDLE, 0 * one, -9 * one, 9 * one, side * 3.0 * one, 0.1 * one)
    assert -400 < log[0] < -250
