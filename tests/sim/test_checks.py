"""Queueing laws hold for our systems, and a wrong book is told."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from sim.arrivals import ArrivalStream, PoissonArrivals
from sim.checks import check_scenario, check_system
from sim.checks.load import busiest_epoch, mean_load
from sim.checks.long_run import LongRun
from sim.checks.truths import little, same_arrivals, stability, utilisation
from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Exponential
from sim.epoch import Epoch, Parameter
from sim.errors import UnstableSystem
from sim.routing import Dispatcher
from sim.scenario import load_scenario
from sim.servers import Breakdown, Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System
from tests.systems import small_centre, station, unchecked


def queue(*, arrival_rate: float = 0.8, **changes: object) -> System:
    """One class, one server, a mean service of a minute, decided by events."""
    built = System(
        name="queue",
        arrivals={"job": PoissonArrivals(rate=arrival_rate)},
        classes=(CustomerClass(name="job", service=Exponential(mean=1.0)),),
        pools=(Pool(name="server", shifts=((0.0, 1.0),)),),
        teams=(ServerTeam(name="serve", pool="server", serves="job"),),
        events=2000,
    )
    return replace(built, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run() -> LongRun:
    with unchecked():
        return LongRun.of(small_centre(), 1, 3000)


def test_every_law_holds_for_sound_systems() -> None:
    """Stations and networks, by the clock and by events."""
    with unchecked():
        for system in (small_centre(), queue()):
            checks = check_system(system)
            assert [c.name for c in checks] == [
                "stability",
                "little",
                "utilisation",
                "same_arrivals",
            ]
            failed = [c for c in checks if c.outcome in ("failed", "noted")]
            assert not failed


def test_a_bundled_scenario_is_held_against_contract_and_laws() -> None:
    """One call checks all that can be said of a scenario."""
    with unchecked():
        checks = check_scenario(load_scenario("criss_cross"))
    assert [c for c in checks if not c.passed] == []
    assert {"time", "flow_balance", "stability", "little"} <= {c.name for c in checks}


# Offered load


def test_the_load_of_one_station_is_rate_times_service_over_servers() -> None:
    """The definition."""
    system = station(
        arrival_rate=3.0, service=Exponential(mean=2.0), agents=8, warm_up=10.0, epochs=2,
        minutes=60.0,
    )  # fmt: skip
    load = mean_load(system)
    assert load.utilisation == pytest.approx(6.0 / 8.0)
    assert load.pools == ("staff",)


def test_work_that_two_pools_may_do_is_shared_out_evenly() -> None:
    """The least load of the busiest pool: 1.3 and 0.4 of work on servers of speeds 1, 1 and .5.

    Server 1 alone serves class 1; class 2 may go to either server, but takes server 1 twice as
    long. With y of class 2 at server 1 the loads are .65 + 2y and 1.1 - y, equal at y = .15.
    """
    system = System(
        name="n",
        arrivals={"one": PoissonArrivals(rate=0.65), "two": PoissonArrivals(rate=1.1)},
        classes=(
            CustomerClass(name="one", service=Exponential(mean=1.0)),
            CustomerClass(name="two", service=Exponential(mean=1.0)),
        ),
        pools=(
            Pool(name="first", shifts=((0.0, 1.0),)),
            Pool(name="second", shifts=((0.0, 1.0),)),
        ),
        teams=(
            ServerTeam(name="first_one", pool="first", serves="one"),
            ServerTeam(name="first_two", pool="first", serves="two", speed=0.5),
            ServerTeam(name="second_two", pool="second", serves="two"),
        ),
        events=10,
    )
    load = mean_load(system)
    assert load.utilisation == pytest.approx(0.95)
    assert load.pools == ("first", "second")


def test_customers_who_come_back_are_counted_each_time() -> None:
    """A half comes back: 1 / (1 - .5) visits each."""
    job = CustomerClass(
        name="job", service=Exponential(mean=1.0), routes=(Route(to="job", probability=0.5),)
    )
    assert mean_load(queue(arrival_rate=0.4, classes=(job,))).utilisation == pytest.approx(0.8)


def test_customers_who_never_leave_are_told() -> None:
    """No capacity is enough for a loop, and a division by zero would say less."""
    job = CustomerClass(name="job", service=Exponential(mean=1.0), routes=(Route(to="job"),))
    with pytest.raises(UnstableSystem, match="customers go round for ever"):
        mean_load(queue(classes=(job,)))
    assert stability(queue(classes=(job,))).outcome == "noted"


@pytest.mark.parametrize(("rule", "expected"), [("shortest", 0.6), ("round_robin", 0.9)])
def test_a_dispatcher_shares_out_as_its_rule_allows(rule: str, expected: float) -> None:
    """.9 a minute to 1 or 2 servers: at best .6 of each, in turns .45 to one with mean 2."""
    short, long = (
        CustomerClass(name=name, service=Exponential(mean=mean))
        for name, mean in (("short", 1.0), ("long", 2.0))
    )
    system = System(
        name="split",
        arrivals={"door": PoissonArrivals(rate=0.9)},
        classes=(short, long),
        dispatchers=(Dispatcher(name="door", to=("short", "long"), rule=rule),),  # type: ignore[arg-type]
        pools=(Pool(name="a", shifts=((0.0, 1.0),)), Pool(name="b", shifts=((0.0, 1.0),))),
        teams=(
            ServerTeam(name="at_a", pool="a", serves="short"),
            ServerTeam(name="at_b", pool="b", serves="long"),
        ),
        events=10,
    )
    assert mean_load(system).utilisation == pytest.approx(expected)


def test_failed_and_ordered_servers_change_the_capacity() -> None:
    """A server that is up two thirds of its time has two thirds of its capacity."""
    failing = Pool(
        name="server",
        shifts=((0.0, 1.0),),
        breakdown=Breakdown(uptime=Exponential(mean=20.0), repair=Exponential(mean=10.0)),
    )
    assert mean_load(queue(pools=(failing,))).utilisation == pytest.approx(1.2)
    ordered = Pool(name="server", shifts=((0.0, 1.0),), staffing="how_many")
    lever = Lever(name="how_many", levels=(1.0, 4.0), decides="servers")
    load = mean_load(queue(pools=(ordered,), levers=(lever,)))
    assert load.utilisation == pytest.approx(0.2)


def test_nominal_parameters_scale_the_load() -> None:
    """A scenario may be described at another load than the one it is run at."""
    scales = {"arrival_scale": 1.5, "job_handle_time_scale": 0.5, "staff_scale": 2.0}
    parameters = tuple(
        Parameter(name=name, unit="factor", low=0.1, high=3.0, nominal=value)
        for name, value in scales.items()
    )
    load = mean_load(queue(parameters=parameters))
    assert load.utilisation == pytest.approx(0.8 * 1.5 * 0.5 / 2.0)


def test_the_busiest_epoch_is_the_one_with_most_work_for_its_servers() -> None:
    """At opening both tiers are equally busy, with all the work that they can share.

    4 calls a minute are 14.8 of work for 14 and 5 agents, their cases 3.6 for tier 1 and their
    escalations 3.6 for tier 2. Tier 2 takes calls at a speed of .8, so the load is
    (14.8 + 3.6 + .8 * 3.6) / (14 + .8 * 5).
    """
    load = busiest_epoch(small_centre())
    assert load.utilisation == pytest.approx(21.28 / 18.0)
    assert load.pools == ("tier1", "tier2")
    assert mean_load(small_centre()).utilisation < load.utilisation


@pytest.mark.parametrize(
    ("patience", "says"),
    [
        (None, "the queue of job grows without bound: add servers, or lower arrivals"),
        (Exponential(mean=3.0), "customers give up or are turned away: add servers"),
    ],
)
def test_too_much_work_is_noted_with_its_effect(patience: Exponential | None, says: str) -> None:
    """An unstable model may be meant, but rarely is."""
    job = CustomerClass(name="job", service=Exponential(mean=1.0), patience=patience)
    verdict = stability(queue(arrival_rate=1.07, classes=(job,)))
    assert verdict.outcome == "noted"
    assert "1.07 of the capacity of server, so that" in verdict.detail
    assert says in verdict.detail


# Laws


def _misbooked(run: LongRun, output: str, factor: float) -> LongRun:
    outputs = run.outputs.copy()
    outputs[:, run.description.output_names.index(output)] *= factor
    return replace(run, outputs=outputs)


@pytest.mark.parametrize(("output", "factor"), [("call_wait", 1.001), ("escalation_present", 0.99)])
def test_a_wrong_book_of_waiting_breaks_littles_law(
    output: str, factor: float, run: LongRun
) -> None:
    """The law is exact over any stretch, so that a thousandth is enough to see."""
    assert little(run).outcome == "passed"
    verdict = little(_misbooked(run, output, factor))
    assert verdict.outcome == "failed"
    assert output in verdict.detail
    assert verdict.detail.startswith(output.partition("_")[0])


def test_work_that_does_not_fit_the_services_is_told(run: LongRun) -> None:
    """A server that worked half as long again as its services take is miscounted somewhere."""
    assert utilisation(run).outcome == "passed"
    verdict = utilisation(_misbooked(run, "tier1_calls_busy_minutes", 1.5))
    assert verdict.outcome == "failed"
    assert verdict.detail.startswith("tier1_calls worked")


@dataclass
class Moody:
    """Brings one customer more each time it is asked, whatever its generator says."""

    asked: int = 0

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        self.asked += 1
        return ArrivalStream(day=0, blocks=iter((np.arange(1.0, 5.0 + self.asked),)))

    def expected(self, boundaries: tuple[float, ...]) -> np.ndarray:
        return np.ones((1, len(boundaries) - 1))

    @property
    def mean_rate(self) -> float:
        return 0.1


def test_arrivals_that_depend_on_the_decision_are_told() -> None:
    """Policies would be compared on different customers."""
    assert same_arrivals(small_centre(), 1, 100).outcome == "passed"
    verdict = same_arrivals(small_centre(Moody()), 1, 100)
    assert verdict.outcome == "failed"
    assert "under decision [0.0, 0.0]" in verdict.detail
    assert "seed 1" in verdict.detail


def test_a_run_that_breaks_fails_its_checks_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of the simulator is a line of the table, not the end of it."""

    def break_down(self: ServiceSystem, decision: np.ndarray) -> Epoch:
        raise KeyError("customer 17")

    monkeypatch.setattr(ServiceSystem, "advance", break_down)
    checks = {check.name: check for check in check_system(queue())}
    assert checks["stability"].outcome == "passed"
    assert checks["little"].outcome == "failed"
    assert "KeyError: 'customer 17' (test_checks.py, line" in checks["little"].detail


def test_a_system_without_levers_has_nothing_to_compare() -> None:
    """Nothing is decided there."""
    assert same_arrivals(queue(), 1, 100).outcome == "skipped"


def test_a_long_run_ends_with_the_day_and_goes_on_with_the_next() -> None:
    """After close the rosters mean nothing; a law of the day must not be held against the night."""
    with unchecked():
        days = LongRun.of(small_centre(), 1, 3000)
    assert len(days.at_close) > 1
    assert days.duration <= 185.0 * len(days.at_close)
    assert days.duration > 180.0 * len(days.at_close)
