"""The simulator against theory, on the special cases that theory can solve.

Each replication is one long day from its own seed; its first epoch, from the empty system to the
steady state, is dropped. Tolerances are 99.9% half-widths over replications.
"""

import numpy as np
import pytest

from sim.analytic import erlang_a, erlang_c, erlang_c_mean_wait, pollaczek_khinchine
from sim.distributions import Deterministic, Distribution, Exponential, Gamma, Lognormal
from sim.simulator import ServiceSystem
from sim.system import System
from tests.systems import assert_holds, run_day, states, station, unchecked


class Replications:
    """Totals of outputs and looks at the stocks, a row for each replication."""

    def __init__(self, system: System, count: int) -> None:
        simulator = ServiceSystem(system)
        description = simulator.describe()
        self.minutes = system.boundaries[-1] - system.boundaries[1]
        self.agents = system.rosters["staff"][0]
        nothing = [np.zeros(0)] * description.epochs
        with unchecked():
            days = [run_day(simulator, seed, nothing)[1:] for seed in range(count)]
        totals = [np.sum([e.outputs for e in day], axis=0) for day in days]
        busy = [states(day, description, "agents_busy") for day in days]
        self.totals = dict(zip(description.output_names, np.array(totals).T, strict=True))
        self.busy = np.array(busy)

    @property
    def mean_queue(self) -> np.ndarray:
        return np.asarray(self.totals["call_wait"] / self.minutes)

    @property
    def occupancy(self) -> np.ndarray:
        return np.asarray(self.busy.mean(axis=1) / self.agents)

    @property
    def all_busy(self) -> np.ndarray:
        """Share of looks that saw no agent free; arrivals see the same (PASTA)."""
        return np.asarray((self.busy == self.agents).mean(axis=1))


@pytest.fixture(scope="module")
def call_centre() -> Replications:
    """The setting of Garnett et al. (2002): 50 agents, 48 calls a minute, patience 2 minutes."""
    return Replications(
        station(
            arrival_rate=48.0,
            service=Exponential(mean=1.0),
            patience=Exponential(mean=2.0),
            agents=50,
            warm_up=20.0,
            epochs=100,
            minutes=4.0,
        ),
        count=36,
    )


CALL_CENTRE = erlang_a(48.0, 1.0, 0.5, 50)


def test_abandonment_agrees_with_erlang_a(call_centre: Replications) -> None:
    """Settling patience late must not change who gives up."""
    abandoned, came = call_centre.totals["call_abandoned"], call_centre.totals["call_arrivals"]
    assert_holds(CALL_CENTRE.abandonment_probability, abandoned / came, precision=0.15)


def test_mean_queue_agrees_with_erlang_a(call_centre: Replications) -> None:
    """Waiting is credited until the moment of leaving, not until somebody looks."""
    assert_holds(CALL_CENTRE.mean_queue, call_centre.mean_queue, precision=0.15)


def test_mean_wait_agrees_with_erlang_a(call_centre: Replications) -> None:
    """The mean over customers and the mean over time are tied by Little's law."""
    waits = call_centre.totals["call_wait"] / call_centre.totals["call_arrivals"]
    assert_holds(CALL_CENTRE.mean_wait, waits, precision=0.15)


def test_occupancy_agrees_with_erlang_a(call_centre: Replications) -> None:
    """Agents are busy with those who stay."""
    assert_holds(CALL_CENTRE.occupancy, call_centre.occupancy, precision=0.01)


def test_waiting_probability_agrees_with_erlang_a(call_centre: Replications) -> None:
    """Arrivals wait as often as all agents are busy, and epochs end at times of no meaning."""
    assert_holds(CALL_CENTRE.waiting_probability, call_centre.all_busy, precision=0.1)


def test_customers_abandon_at_the_rate_at_which_they_wait(call_centre: Replications) -> None:
    """With exponential patience the expected number who leave is rate x waiting minutes."""
    expected = 0.5 * call_centre.totals["call_wait"]
    assert_holds(1.0, call_centre.totals["call_abandoned"] / expected, precision=0.05)


def test_one_agent_with_all_rates_equal_loses_one_customer_in_e() -> None:
    """The number in system is Poisson of mean 1, so that 1 - (1 - 1/e) of customers give up."""
    system = station(
        arrival_rate=1.0,
        service=Exponential(mean=1.0),
        patience=Exponential(mean=1.0),
        agents=1,
        warm_up=20.0,
        epochs=2,
        minutes=2000.0,
    )
    totals = Replications(system, count=24).totals
    assert_holds(np.exp(-1.0), totals["call_abandoned"] / totals["call_arrivals"], precision=0.03)


def test_waits_without_abandonment_agree_with_erlang_c() -> None:
    """Patient customers wait for as long as it takes, which is the M/M/n queue."""
    system = station(
        arrival_rate=8.0,
        service=Exponential(mean=1.0),
        agents=10,
        warm_up=100.0,
        epochs=200,
        minutes=4.0,
    )
    runs = Replications(system, count=60)
    assert_holds(8.0 * erlang_c_mean_wait(8.0, 1.0, 10), runs.mean_queue, precision=0.15)
    assert_holds(erlang_c(8.0, 10), runs.all_busy, precision=0.1)
    assert_holds(0.8, runs.occupancy, precision=0.02)


@pytest.mark.parametrize(
    ("service", "mean_wait"),
    [
        (Deterministic(mean=1.0), 2.0),
        (Lognormal(mean=1.0, scv=1.0), 4.0),
        (Gamma(mean=1.0, scv=4.0), 10.0),
    ],
    ids=["deterministic", "lognormal", "gamma"],
)
def test_waits_under_general_service_agree_with_pollaczek_khinchine(
    service: Distribution, mean_wait: float
) -> None:
    """With one agent only the mean and variance of service matter, whatever its shape."""
    system = station(
        arrival_rate=0.8, service=service, agents=1, warm_up=500.0, epochs=1, minutes=6000.0
    )
    runs = Replications(system, count=24)
    scv = getattr(service, "scv", 0.0)
    assert pollaczek_khinchine(0.8, 1.0, scv) == pytest.approx(mean_wait)
    assert_holds(0.8 * mean_wait, runs.mean_queue, precision=0.25)


def test_little_s_law_ties_stocks_to_flows(call_centre: Replications) -> None:
    """Agents' busy time is the number served times one minute of service each."""
    served = call_centre.totals["agents_finished"]
    assert_holds(1.0, call_centre.busy.mean(axis=1) * call_centre.minutes / served, precision=0.02)
