"""Every part against theory: closed forms where there is one, else a small chain solved exactly.

All times are exponential unless said, so that the chain of a few numbers says all. Intervals hold
99.9% over independent replications from fixed seeds, each after a warm-up; the precision they must
have is stated with each claim.
"""

from collections.abc import Iterator
from math import exp
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad

from sim.analytic import pollaczek_khinchine
from sim.arrivals import PoissonArrivals
from sim.customers import Balking, CustomerClass, Route
from sim.description import Lever
from sim.distributions import Deterministic, Distribution, Erlang, Exponential, Hyperexponential
from sim.output import mean_interval
from sim.routing import Dispatcher, Room
from sim.servers import Breakdown, Picks, Pool, Preemption, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import Measure, System
from tests.sim.chains import Chain
from tests.systems import assert_holds, outputs, run_day, unchecked

RUNS = 16
WARM_UP = 100.0
Parts = dict[str, Any]
Moves = Iterator[tuple[tuple[int, ...], float]]


def steady(minutes: float, **parts: Any) -> System:
    """A system that warms up for one epoch and is measured in the next."""
    boundaries = (0.0, WARM_UP, WARM_UP + minutes)
    measures: tuple[Measure, ...] = ("wait", "present", "busy")
    return System(name="steady", boundaries=boundaries, measures=measures, **parts)


def per_minute(system: System, *names: str) -> np.ndarray:
    """Outputs of the measured epoch for each minute, a row for each replication."""
    with unchecked():
        simulator = ServiceSystem(system)
        description = simulator.describe()
        days = [run_day(simulator, seed, [np.array([])] * 2)[-1:] for seed in range(RUNS)]
        rows = [[outputs(day, description, name)[0] for name in names] for day in days]
    return np.asarray(np.array(rows) / np.diff(system.boundaries)[-1])


def one_queue(
    arrival_rate: float, service: Distribution, *, pool: Parts | None = None, **settings: Any
) -> Parts:
    """One class for one server."""
    staff: Parts = {"name": "staff", "shifts": ((0.0, 1.0),)}
    return {
        "arrivals": {"job": PoissonArrivals(rate=arrival_rate)},
        "classes": (CustomerClass(name="job", service=service, **settings),),
        "pools": (Pool(**(staff | (pool or {}))),),
        "teams": (ServerTeam(name="desk", pool="staff", serves="job"),),
    }


def test_the_last_come_wait_as_long_as_the_first_come_on_average() -> None:
    """The order among equals changes who waits, not how many: load / (1 - load) * load = 0.5."""
    parts = one_queue(0.5, Exponential(mean=1.0), order="last_come")
    queue = per_minute(steady(5000.0, **parts), "job_wait")[:, 0]
    assert_holds(0.5, queue, precision=0.1)


def test_shortest_first_agrees_with_the_integral_over_the_work() -> None:
    """A job of work x waits for the residual work and for all shorter ones before and after it.

    Mean wait = rate * E[S^2] / 2 * E[(1 - rate * E[S; S <= x])^-2] (Phipps 1956), at load 0.7.
    """
    rate = 0.7

    def wait_times_density(work: float) -> float:
        shorter = rate * (1 - exp(-work) * (1 + work))
        return rate * exp(-work) / (1 - shorter) ** 2

    mean_wait, _ = quad(wait_times_density, 0, np.inf)
    parts = one_queue(rate, Exponential(mean=1.0), order="shortest_first")
    queue = per_minute(steady(6000.0, **parts), "job_wait")[:, 0]
    assert_holds(rate * mean_wait, queue, precision=0.1)


@pytest.mark.parametrize(
    "service",
    [Deterministic(mean=1.0), Exponential(mean=1.0), Hyperexponential(mean=1.0, scv=5.0)],
    ids=["deterministic", "exponential", "hyperexponential"],
)
def test_sharing_does_not_care_for_the_law_of_the_work(service: Distribution) -> None:
    """Under processor sharing the number present depends on the load alone: 0.5 / 0.5 = 1."""
    parts = one_queue(0.5, service, pool={"is_shared": True})
    present = per_minute(steady(5000.0, **parts), "job_present")[:, 0]
    assert_holds(1.0, present, precision=0.15)


def test_two_shared_servers_hold_as_many_as_two_that_are_not() -> None:
    """With exponential work both finish at the same rates: the number present is that of M/M/2."""
    parts = one_queue(1.2, Exponential(mean=1.0), pool={"is_shared": True, "shifts": ((0.0, 2.0),)})
    present = per_minute(steady(4000.0, **parts), "job_present")[:, 0]
    assert_holds(2 * 0.6 / (1 - 0.6**2), present, precision=0.06)


@pytest.mark.parametrize("picks", ["stay", "priority", "first_come", "longest_queue"])
def test_what_servers_pick_conserves_the_work_that_waits(picks: Picks) -> None:
    """Whom a server picks without knowing the work changes whose work waits, not how much.

    Kleinrock's conservation law: the loads times the mean waits of the classes add up to
    load * residual / (1 - load), where the residual is the sum of rate * E[S^2] / 2.
    """
    rates, means, scvs = (0.25, 0.1), (1.0, 3.0), (1.0, 0.5)
    names = ("job", "task")
    parts = {
        "arrivals": {n: PoissonArrivals(rate=r) for n, r in zip(names, rates, strict=True)},
        "classes": (
            CustomerClass(name="job", service=Exponential(mean=1.0)),
            CustomerClass(name="task", service=Erlang(mean=3.0, phases=2)),
        ),
        "pools": (Pool(name="staff", shifts=((0.0, 1.0),), picks=picks),),
        "teams": tuple(ServerTeam(name=f"for_{n}", pool="staff", serves=n) for n in names),
    }
    load = sum(r * m for r, m in zip(rates, means, strict=True))
    residual = sum(r * m**2 * (1 + scv) / 2 for r, m, scv in zip(rates, means, scvs, strict=True))
    waiting = per_minute(steady(10_000.0, **parts), "job_wait", "task_wait")
    # Minutes waited by a minute are rate * mean wait, which times the mean work is load * wait.
    assert_holds(load * residual / (1 - load), waiting @ np.array(means), precision=0.12)


def test_service_from_several_phases_agrees_with_pollaczek_khinchine() -> None:
    """The wait depends on the first two moments only, here of a hyperexponential law."""
    parts = one_queue(0.5, Hyperexponential(mean=1.0, scv=3.0))
    queue = per_minute(steady(6000.0, **parts), "job_wait")[:, 0]
    assert_holds(0.5 * pollaczek_khinchine(0.5, 1.0, 3.0), queue, precision=0.15)


def test_balking_agrees_with_the_birth_and_death_chain() -> None:
    """Half of those who find two waiting turn away, so that births slow down from three on."""
    rate = 0.9

    def moves(state: tuple[int, ...]) -> Moves:
        (n,) = state
        if n < 80:
            yield (n + 1,), rate * (0.5 if n - 1 >= 2 else 1.0)
        if n:
            yield (n - 1,), 1.0

    chain = Chain((0,), moves)
    parts = one_queue(rate, Exponential(mean=1.0), balking=(Balking(waiting=2, share=0.5),))
    seen = per_minute(steady(5000.0, **parts), "job_present", "job_rejected")
    assert_holds(chain.mean(lambda s: s[0]), seen[:, 0], precision=0.05)
    lost = chain.mean(lambda s: rate * 0.5 * (s[0] - 1 >= 2))
    assert_holds(lost, seen[:, 1], precision=0.08)


def test_blocking_in_a_tandem_agrees_with_its_chain() -> None:
    """Three places before one desk, one place at the next: the first is blocked while it is taken.

    The state is (customers at the first, whether its server is blocked, customer at the second).
    """
    rate = 0.8

    def moves(state: tuple[int, ...]) -> Moves:
        first, is_blocked, second = state
        if first < 3:
            yield (first + 1, is_blocked, second), rate
        if first and not is_blocked:
            yield ((first, 1, second) if second else (first - 1, 0, 1)), 1.0
        if second:
            yield ((first - 1, 0, 1) if is_blocked else (first, 0, 0)), 1.25

    chain = Chain((0, 0, 0), moves)
    parts = {
        "arrivals": {"first": PoissonArrivals(rate=rate)},
        "classes": (
            CustomerClass(name="first", service=Exponential(mean=1.0), routes=(Route(to="next"),)),
            CustomerClass(name="next", service=Exponential(mean=0.8)),
        ),
        "pools": tuple(Pool(name=name, shifts=((0.0, 1.0),)) for name in ("front", "back")),
        "teams": (
            ServerTeam(name="one", pool="front", serves="first"),
            ServerTeam(name="two", pool="back", serves="next"),
        ),
        "rooms": (
            Room(name="hall", places=3, classes=("first",)),
            Room(name="cell", places=1, classes=("next",), when_full="block"),
        ),
    }
    names = ("first_present", "one_busy_minutes", "next_present", "first_rejected")
    seen = per_minute(steady(4000.0, **parts), *names)
    assert_holds(chain.mean(lambda s: s[0]), seen[:, 0], precision=0.03)
    assert_holds(chain.mean(lambda s: s[0] > 0), seen[:, 1], precision=0.02)
    assert_holds(chain.mean(lambda s: s[2]), seen[:, 2], precision=0.03)
    assert_holds(rate * chain.mean(lambda s: s[0] == 3), seen[:, 3], precision=0.08)


def test_an_orbit_of_retrials_agrees_with_falin_and_templeton() -> None:
    """Whoever finds the server busy tries again after a while, as often as needed.

    The mean number in orbit is load / (1 - load) * (load + rate / retrial rate), M/M/1.
    """
    rate, load, pause = 0.5, 0.5, 2.5
    parts = {
        "arrivals": {"job": PoissonArrivals(rate=rate)},
        "classes": (
            CustomerClass(
                name="job", service=Exponential(mean=1.0), rejection_routes=(Route(to="orbit"),)
            ),
            CustomerClass(name="orbit", service=Exponential(mean=pause), routes=(Route(to="job"),)),
        ),
        "pools": (
            Pool(name="staff", shifts=((0.0, 1.0),)),
            Pool(name="space", shifts=((0.0, np.inf),)),
        ),
        "teams": (
            ServerTeam(name="desk", pool="staff", serves="job"),
            ServerTeam(name="around", pool="space", serves="orbit"),
        ),
        "rooms": (Room(name="desk_only", places=1, classes=("job",)),),
    }
    orbit = per_minute(steady(6000.0, **parts), "orbit_present")[:, 0]
    assert_holds(load / (1 - load) * (load + rate * pause), orbit, precision=0.08)


def test_breakdowns_that_interrupt_agree_with_white_and_christie() -> None:
    """Service is resumed after the repair; the server fails at work and at rest alike.

    With the load over the share of time the server is up, the mean number present is
    load / (1 - load) * (1 + service rate * failure rate / (failure rate + repair rate)^2).
    """
    failing, repairing = 0.1, 0.4
    breakdown = Breakdown(
        uptime=Exponential(mean=1 / failing), repair=Exponential(mean=1 / repairing)
    )
    parts = one_queue(
        0.4, Exponential(mean=1.0), pool={"preemption": "resume", "breakdown": breakdown}
    )
    load = 0.4 * (failing + repairing) / repairing
    truth = load / (1 - load) * (1 + failing / (failing + repairing) ** 2)
    present = per_minute(steady(8000.0, **parts), "job_present")[:, 0]
    assert_holds(truth, present, precision=0.1)


def test_joining_the_shortest_queue_agrees_with_its_chain() -> None:
    """Two servers with queues of their own, ties to the first; thirty places each lose nobody."""
    rate = 1.2

    def moves(state: tuple[int, ...]) -> Moves:
        left, right = state
        if left + right < 60:
            yield ((left + 1, right) if left <= right else (left, right + 1)), rate
        if left:
            yield (left - 1, right), 1.0
        if right:
            yield (left, right - 1), 1.0

    chain = Chain((0, 0), moves)
    names = ("left", "right")
    parts = {
        "arrivals": {"door": PoissonArrivals(rate=rate)},
        "classes": tuple(CustomerClass(name=n, service=Exponential(mean=1.0)) for n in names),
        "dispatchers": (Dispatcher(name="door", to=names),),
        "pools": tuple(Pool(name=f"{n}_staff", shifts=((0.0, 1.0),)) for n in names),
        "teams": tuple(ServerTeam(name=f"{n}_desk", pool=f"{n}_staff", serves=n) for n in names),
    }
    seen = per_minute(steady(4000.0, **parts), "left_present", "right_present")
    assert_holds(chain.mean(lambda s: s[0]), seen[:, 0], precision=0.05)
    assert_holds(chain.mean(lambda s: s[1]), seen[:, 1], precision=0.07)


@pytest.mark.parametrize(
    ("preemption", "interruptions", "minutes"), [("resume", 0.3, 1.0), ("repeat", 3 / 7, 10 / 7)]
)
def test_repeating_lost_work_takes_longer_than_resuming_it(
    preemption: Preemption, interruptions: float, minutes: float
) -> None:
    """Even memoryless work, for the same work is done again: long jobs are interrupted again.

    With interruptions at rate a = 0.3 while S of mean 1 lasts, resumed work is interrupted a E[S]
    times and takes E[S] minutes; repeated work E[e^aS] - 1 = a / (1 - a) times, and minutes over a.
    """
    parts = {
        "arrivals": {"high": PoissonArrivals(rate=0.3), "low": PoissonArrivals(rate=0.2)},
        "classes": tuple(
            CustomerClass(name=n, service=Exponential(mean=1.0)) for n in ("high", "low")
        ),
        "pools": (
            Pool(name="staff", shifts=((0.0, 1.0),), picks="priority", preemption=preemption),
        ),
        "teams": tuple(ServerTeam(name=n[0], pool="staff", serves=n) for n in ("high", "low")),
    }
    seen = per_minute(steady(6000.0, **parts), "l_interrupted", "l_busy_minutes", "l_finished")
    assert_holds(interruptions, seen[:, 0] / seen[:, 2], precision=0.15)
    assert_holds(minutes, seen[:, 1] / seen[:, 2], precision=0.15)


def test_set_ups_by_state_agree_with_the_chain() -> None:
    """Two servers, ordered as customers are present, each after a set-up of mean 2.

    The state is (present, up); those still starting are called off when fewer are wanted.
    """
    rate, setting_up = 0.8, 0.5

    def moves(state: tuple[int, ...]) -> Moves:
        present, up = state
        if present < 60:
            yield (present + 1, up), rate
        if min(present, up):
            yield (present - 1, min(up, present - 1)), float(min(present, up))
        if min(present, 2) > up:
            yield (present, up + 1), (min(present, 2) - up) * setting_up

    chain = Chain((0, 0), moves)
    pool = {"setup": Exponential(mean=2.0), "staffing": "crew", "shifts": ((0.0, 0.0),)}
    system = System(
        name="set_ups",
        **one_queue(rate, Exponential(mean=1.0), pool=pool),
        levers=(Lever(name="crew", levels=(0.0, 1.0, 2.0), decides="servers"),),
        events=3000,
        measures=("present", "on"),
    )
    seen = np.array([_staffed_as_present(system, seed) for seed in range(RUNS)])
    assert_holds(chain.mean(lambda s: s[0]), seen[:, 0], precision=0.1)
    assert_holds(chain.mean(lambda s: min(s[0], 2)), seen[:, 1], precision=0.05)


def _staffed_as_present(system: System, seed: int) -> tuple[float, float]:
    """Mean number present and mean number ordered, the first 200 events left out."""
    with unchecked():
        simulator = ServiceSystem(system)
        state = simulator.reset(seed)
        totals = np.zeros(3)
        for event in range(system.events):
            epoch = simulator.advance(np.array([min(state[0] + state[1], 2.0)]))
            state = epoch.state
            if event >= 200:
                totals += (*epoch.outputs[-2:], epoch.duration)
    return float(totals[0] / totals[2]), float(totals[1] / totals[2])


def test_a_wrong_value_would_be_noticed() -> None:
    """The intervals are narrow: the mean number present at load 0.5 is not that at load 0.53."""
    parts = one_queue(0.53, Exponential(mean=1.0), order="last_come")
    queue = per_minute(steady(5000.0, **parts), "job_wait")[:, 0]
    interval = mean_interval(queue, confidence=0.999)
    assert not interval.low <= 0.5 <= interval.high
