"""Contestants who share no code with the engine agree with it, and with closed forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.agreement import Statistics, compare, require_agreement
from benchmarks.errors import NotComparable
from benchmarks.ours import OurBankDay, OurQueue
from benchmarks.peers import ciw_network, plain_simpy
from benchmarks.workloads import BankDay, Queue
from sim.analytic import erlang_a
from tests.systems import assert_holds

QUEUE = Queue(arrival_rate=9.6, service_rate=1.0, servers=10, mean_patience=2.0, minutes=300.0)
RUNS = range(1, 15)
PRECISION = {"customers": 250.0, "abandoned": 0.02, "wait": 0.04}
"""A fifteenth of the customers, a quarter of those who give up, a quarter of their wait."""

DAY_PRECISION = {
    "call_customers": 0.0,
    "call_abandoned": 0.025,
    "call_wait": 0.1,
    "escalation_customers": 40.0,
    "escalation_abandoned": 0.05,
    "escalation_wait": 0.6,
    "follow_up_customers": 60.0,
    "follow_up_wait": 20.0,
}
"""About a sixth of all customers and a quarter for calls; waits of the few are known less."""

QUEUES = {"simpy": plain_simpy.simulate_queue, "ciw": ciw_network.simulate_queue}
DAYS = {"simpy": plain_simpy.simulate_bank_day, "ciw": ciw_network.simulate_bank_day}


@pytest.fixture(scope="module")
def queues() -> dict[str, list[Statistics]]:
    """The queue by every contestant."""
    contestants: dict[str, Callable[[int], Statistics]] = {"ours": OurQueue(QUEUE)} | {
        name: partial(simulate, QUEUE) for name, simulate in QUEUES.items()
    }
    return {name: [run(seed) for seed in RUNS] for name, run in contestants.items()}


@pytest.fixture(scope="module")
def small_day() -> BankDay:
    return BankDay.bundled(20.0)


@pytest.fixture(scope="module")
def our_days(small_day: BankDay) -> list[Statistics]:
    ours = OurBankDay(small_day)
    return [ours(seed) for seed in RUNS]


@pytest.mark.parametrize("peer", QUEUES)
def test_peers_agree_on_the_queue(queues: dict[str, list[Statistics]], peer: str) -> None:
    """They share nothing with the engine, so an error would have to be made three times."""
    require_agreement(compare(queues["ours"], queues[peer], PRECISION), "queue")


@pytest.mark.parametrize("name", ["ours", *QUEUES])
def test_every_contestant_meets_erlang_a(queues: dict[str, list[Statistics]], name: str) -> None:
    """The queue has a closed form, so agreeing with each other is not enough.

    An empty beginning of about 3 in 300 minutes shifts the truth by less than a tenth of the
    interval.
    """
    truth = erlang_a(9.6, 1.0, 0.5, 10)
    abandoned, wait = (np.array([run[k] for run in queues[name]]) for k in ("abandoned", "wait"))
    assert_holds(truth.abandonment_probability, abandoned, precision=0.25)
    assert_holds(truth.mean_wait, wait, precision=0.25)


@pytest.mark.parametrize("peer", DAYS)
def test_peers_agree_on_the_bank_day(
    small_day: BankDay, our_days: list[Statistics], peer: str
) -> None:
    """Two tiers, escalations, follow-ups, patience and changing shifts, written three times."""
    theirs = [DAYS[peer](small_day, seed) for seed in RUNS]
    require_agreement(compare(our_days, theirs, DAY_PRECISION), "bank day")


def test_all_meet_the_same_calls(small_day: BankDay, our_days: list[Statistics]) -> None:
    """Busy days differ far more than contestants; only on the same days can these be seen."""
    calls = [run["call_customers"] for run in our_days]
    assert calls == [len(small_day.call_times(seed)) for seed in RUNS]
    assert max(calls) > 1.1 * min(calls)


def test_agents_on_duty_are_as_many_as_asked(small_day: BankDay) -> None:
    """The figure is said to be of a day with so many agents."""
    minutes = np.arange(0.0, small_day.minutes, 5.0)
    total = sum(
        np.mean([max(pair for pair in desk.roster if pair[0] <= m)[1] for m in minutes])
        for desk in small_day.desks.values()
    )
    assert total == pytest.approx(20.0, rel=0.03)


def test_a_faster_server_is_noticed(queues: dict[str, list[Statistics]]) -> None:
    """A check that lets another system pass would make the ratios worthless."""
    faster = replace(QUEUE, service_rate=1.1)
    theirs = [plain_simpy.simulate_queue(faster, seed) for seed in RUNS]
    with pytest.raises(NotComparable, match="abandoned differs by"):
        require_agreement(compare(queues["ours"], theirs, PRECISION), "queue")


def test_an_agent_too_few_is_noticed(small_day: BankDay, our_days: list[Statistics]) -> None:
    """Waits of follow-ups are known least of all, so a faulty roster there is hardest to see."""
    roster = tuple((minute, max(agents - 1, 1)) for minute, agents in small_day.follow_ups.roster)
    day = replace(small_day, follow_ups=replace(small_day.follow_ups, roster=roster))
    theirs = [plain_simpy.simulate_bank_day(day, seed) for seed in RUNS]
    with pytest.raises(NotComparable, match="follow_up_wait differs by"):
        require_agreement(compare(our_days, theirs, DAY_PRECISION), "bank day")


def test_too_few_runs_are_refused(queues: dict[str, list[Statistics]]) -> None:
    """With two runs the interval is so wide that anything agrees."""
    with pytest.raises(NotComparable, match="run more pairs"):
        require_agreement(compare(queues["ours"][:2], queues["simpy"][:2], PRECISION), "queue")
