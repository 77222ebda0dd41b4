import numpy as np
import pytest

from sim.analytic import (
    erlang_a,
    erlang_b,
    erlang_c,
    infinite_server_mean,
    least_staffing,
    limited_queue,
    pollaczek_khinchine,
    processor_sharing_sojourn,
)
from sim.errors import InvalidSystem, UnstableSystem


def test_a_queue_without_a_steady_state_is_refused_with_its_load() -> None:
    """A number for a queue that grows without bound would be believed."""
    with pytest.raises(UnstableSystem, match="offered load 12 for 12 agents: add agents"):
        erlang_c(12.0, 12)
    with pytest.raises(UnstableSystem, match=r"utilisation 1\.2 of one agent: lower the rate"):
        pollaczek_khinchine(0.6, 2.0, 1.0)
    with pytest.raises(UnstableSystem, match="utilisation 1 of one agent"):
        processor_sharing_sojourn(0.5, 2.0)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_rates_are_refused_with_their_value(value: float) -> None:
    """A rate is a positive number, and the message must show what was given."""
    with pytest.raises(InvalidSystem, match=f"arrival_rate is {value}: give a number above 0"):
        erlang_a(value, 1.0, 1.0, 1)
    with pytest.raises(InvalidSystem, match=f"offered_load is {value}"):
        erlang_b(value, 1)
    with pytest.raises(InvalidSystem, match=f"service_rate is {value}"):
        limited_queue(1.0, value, 1, 1)
    with pytest.raises(InvalidSystem, match=f"service_rate is {value}"):
        infinite_server_mean(1.0, value)
    with pytest.raises(InvalidSystem, match=f"mean_number is {value}"):
        least_staffing(value, 0.5)


@pytest.mark.parametrize("scv", [-0.1, np.nan])
def test_an_impossible_variation_is_refused(scv: float) -> None:
    """A squared coefficient cannot be negative; a sign error must not halve a wait."""
    with pytest.raises(InvalidSystem, match=f"scv is {scv}: 0 or more"):
        pollaczek_khinchine(0.5, 1.0, scv)


@pytest.mark.parametrize("probability", [0.0, 1.0, 50.0])
def test_a_delay_that_is_no_probability_is_refused(probability: float) -> None:
    """50 instead of .5 is an easy slip, and would ask for no agents at all."""
    with pytest.raises(InvalidSystem, match=f"delay_probability is {probability}"):
        least_staffing(10.0, probability)
