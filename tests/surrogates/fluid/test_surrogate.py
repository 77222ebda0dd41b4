"""The fluid surrogate's rates against what the system was built with."""

from dataclasses import replace

import numpy as np
import pytest

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.fluid.model import FluidRates, flow_on
from surrogates.fluid.surrogate import (
    FluidSurrogate,
    fit_fluid,
    log_linear_rate,
    obstacle_to_fluid,
)
from surrogates.interface import Surrogate
from surrogates.scores import score


def test_a_rate_without_parameters_is_events_over_time_at_risk() -> None:
    """The maximum of the Poisson likelihood is known; rows without risk must not count."""
    counts, exposure = np.array([3.0, 5.0, 0.0, 7.0]), np.array([2.0, 4.0, 0.0, 9.0])
    (found,) = log_linear_rate(counts, exposure, np.ones((4, 1)))
    assert np.exp(found) == pytest.approx(15.0 / 15.0)


def test_what_never_happened_has_no_rate() -> None:
    """A class without patience loses nobody, however long the queue."""
    found = log_linear_rate(np.zeros(4), np.ones(4), np.ones((4, 1)))
    assert 100_000 * np.exp(found[0]) < 1e-6


def test_service_rates_fall_as_handling_times_rise(
    fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """The parameter multiplies every handling time, so the rate's elasticity in it is -1."""
    fluid = fitted["fluid"]
    assert isinstance(fluid, FluidSurrogate)
    at = [p.name for p in description.parameters].index("handle_time_scale")
    tensors = fluid.to_tensors()
    # About 20,000 services with the parameter spread by 12%: a standard error near 0.06.
    assert tensors["laws.service"][0, at] == pytest.approx(-1.0, abs=0.25)
    assert abs(tensors["laws.service"][0, 0]) < 0.25


def test_rows_with_rates_of_their_own_do_not_mix() -> None:
    """A batch holds many parameter values, and each must flow as it would alone."""
    random = np.random.default_rng(0)
    rates = FluidRates(
        service=random.uniform(0.1, 0.5, (2, 5)),
        abandonment=np.array([[0.0, 0.2, 0.1, 0.3, 0.4], [0.0] * 5]),
        routes=np.stack([np.stack([np.zeros(5), random.random(5)]), np.zeros((2, 5))]),
    )
    customers, capacity = random.uniform(0, 40, (2, 5)), random.uniform(5, 30, (2, 5))
    arrivals, minutes = random.uniform(1, 9, 5), random.uniform(5, 15, 5)
    whole = flow_on(rates, customers, arrivals, capacity, minutes)
    for row in range(5):
        at = slice(row, row + 1)
        alone = flow_on(
            FluidRates(
                service=rates.service[:, at],
                abandonment=rates.abandonment[:, at],
                routes=rates.routes[:, :, at],
            ),
            customers[:, at],
            arrivals[at],
            capacity[:, at],
            minutes[at],
        )
        assert alone.customers == pytest.approx(whole.customers[:, at])
        assert alone.served == pytest.approx(whole.served[:, at])


def test_an_analytic_mean_is_worth_something(
    fitted: dict[str, Surrogate], held_out: Transitions
) -> None:
    """Low fidelity is less than high and more than none."""
    fluid, mean = (
        score(fitted[name], held_out, np.random.default_rng(0), draws=16)
        for name in ("fluid", "mean")
    )
    assert fluid.standardised_crps < 0.7 * mean.standardised_crps
    assert (fluid.log_likelihood or -np.inf) > (mean.log_likelihood or 0.0)


def test_what_it_cannot_represent_is_refused_with_the_reason(
    description: SystemDescription, transitions: Transitions
) -> None:
    """Means of another system would look as good as right ones."""
    came, *others = description.flows
    twice = replace(
        description, flows=(came, *others[:1], replace(others[1], source=None), *others[2:])
    )
    assert "from outside to another class" in str(obstacle_to_fluid(twice))
    with pytest.raises(InvalidDataset, match="cannot represent"):
        fit_fluid(transitions, twice, None, np.random.default_rng(0))
