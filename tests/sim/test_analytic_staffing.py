import numpy as np
import pytest
from scipy.stats import poisson

from sim.analytic import (
    erlang_c,
    halfin_whitt,
    least_staffing,
    sinusoidal_mean_number,
    square_root_staffing,
)


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
    exact = erlang_c(100.0, square_root_staffing(100.0, slack))
    assert exact == pytest.approx(at_load_100, abs=5e-7)
    large = erlang_c(10_000.0, square_root_staffing(10_000.0, slack))
    assert limit < large < at_load_100


def test_square_root_staffing_rounds_up() -> None:
    """Part of an agent cannot be hired, and a whole one is not rounded to the next."""
    assert square_root_staffing(50.0, 1.0) == 58
    assert square_root_staffing(100.0, 1.1) == 111


def test_least_staffing_meets_the_listed_day() -> None:
    """At eight times of a sinusoidal day, for a probability of delay of a half."""
    means = [sinusoidal_mean_number(100.0, 20.0, 1.0, 1.0, k * np.pi / 4) for k in range(8)]
    staffing = [least_staffing(mean, 0.5) for mean in means]
    assert staffing == [91, 101, 111, 115, 111, 101, 91, 87]


@pytest.mark.parametrize("mean", [0.01, 0.7, 12.0, 333.3])
@pytest.mark.parametrize("probability", [0.001, 0.2, 0.5, 0.97])
def test_one_agent_less_would_not_be_enough(mean: float, probability: float) -> None:
    """Least means that the target holds, and fails with any fewer."""
    agents = least_staffing(mean, probability)
    delayed = poisson.sf(np.array([agents, agents - 1]) - 1, mean)
    assert delayed[0] <= probability < delayed[1] or agents == 0
