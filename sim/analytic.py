"""Closed forms of stationary queues: truths that the simulator must meet.

Rates are per minute and times in minutes. The offered load is the arrival rate times the mean
service time, in agents. Source unless named: Gans, Koole and Mandelbaum (2003), "Telephone call
centers: tutorial, review, and research prospects".
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log

import numpy as np
from jaxtyping import Float
from scipy.stats import norm

from sim.errors import InvalidSystem, UnstableSystem


def erlang_b(offered_load: float, agents: int) -> float:
    """Probability that a customer is lost when nobody can wait (Erlang B, M/G/n/n).

    Raises InvalidSystem for a load or a number of agents that is not above 0.
    """
    _refuse_unless_positive(offered_load=offered_load, agents=agents)
    blocking = 1.0
    for busy in range(1, agents + 1):
        blocking = offered_load * blocking / (busy + offered_load * blocking)
    return blocking


def erlang_c(offered_load: float, agents: int) -> float:
    """Probability that a customer finds every agent busy (Erlang C, M/M/n).

    Raises UnstableSystem when the load is not below the number of agents: the queue then grows
    without bound and no such probability exists.
    """
    _refuse_unless_positive(offered_load=offered_load, agents=agents)
    if offered_load >= agents:
        raise UnstableSystem(
            f"offered load {offered_load:g} for {agents} agents: add agents or lower the load"
        )
    blocking = erlang_b(offered_load, agents)
    return blocking / (1.0 - offered_load / agents * (1.0 - blocking))


def halfin_whitt(slack: float) -> float:
    """Limit of Erlang C under square-root staffing, agents = load + slack * sqrt(load).

    Source: Halfin and Whitt (1981). The slack must be above 0.
    """
    _refuse_unless_positive(slack=slack)
    return float(1.0 / (1.0 + slack * norm.cdf(slack) / norm.pdf(slack)))


def erlang_c_mean_wait(arrival_rate: float, service_rate: float, agents: int) -> float:
    """Mean minutes before service over all customers (M/M/n); the average speed of answer."""
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return waiting / (agents * service_rate - arrival_rate)


def erlang_c_service_level(
    arrival_rate: float, service_rate: float, agents: int, within: float
) -> float:
    """Probability that a customer waits no longer than `within` minutes (M/M/n)."""
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return 1.0 - waiting * exp(-(agents * service_rate - arrival_rate) * within)


def erlang_c_wait_quantile(
    arrival_rate: float, service_rate: float, agents: int, share: float
) -> float:
    """The wait, in minutes, that the given share of customers does not exceed (M/M/n)."""
    if not 0 <= share < 1:
        raise InvalidSystem(f"a share of customers is {share}: at least 0 and below 1")
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return max(0.0, log(waiting / (1.0 - share)) / (agents * service_rate - arrival_rate))


@dataclass(frozen=True, slots=True, kw_only=True)
class ErlangA:
    """What holds on average in a stationary queue with impatient customers (M/M/n+M)."""

    waiting_probability: float
    """Probability that a customer has to wait."""
    abandonment_probability: float
    """Probability that a customer leaves unserved."""
    mean_wait: float
    """Mean minutes in the queue over all customers, served or not."""
    mean_queue: float
    """Mean number of customers waiting."""
    occupancy: float
    """Share of their time for which agents serve."""


def erlang_a(
    arrival_rate: float, service_rate: float, abandonment_rate: float, agents: int
) -> ErlangA:
    """Averages of the queue whose customers have an exponential patience (Erlang A).

    The abandonment rate is one over the mean patience. It is stable under any load. Raises
    InvalidSystem for a value that is not above 0. Source: Garnett, Mandelbaum and Reiman (2002).
    """
    _refuse_unless_positive(
        arrival_rate=arrival_rate,
        service_rate=service_rate,
        abandonment_rate=abandonment_rate,
        agents=agents,
    )
    present = _birth_and_death(arrival_rate, service_rate, abandonment_rate, agents)
    mean_queue = float(np.maximum(np.arange(len(present)) - agents, 0) @ present)
    abandonment = abandonment_rate * mean_queue / arrival_rate
    return ErlangA(
        waiting_probability=float(present[agents:].sum()),
        abandonment_probability=abandonment,
        mean_wait=mean_queue / arrival_rate,
        mean_queue=mean_queue,
        occupancy=arrival_rate * (1.0 - abandonment) / (service_rate * agents),
    )


def _birth_and_death(
    arrival_rate: float, service_rate: float, abandonment_rate: float, agents: int
) -> Float[np.ndarray, "customers"]:
    """Probability of each number in system, cut where it falls below 1e-16 of the greatest."""
    logs, greatest = [0.0], 0.0
    while len(logs) <= agents or logs[-1] > greatest - 37.0:
        present = len(logs)
        leaving = min(present, agents) * service_rate
        leaving += max(present - agents, 0) * abandonment_rate
        logs.append(logs[-1] + log(arrival_rate / leaving))
        greatest = max(greatest, logs[-1])
    weights = np.exp(np.array(logs) - greatest)
    return np.asarray(weights / weights.sum())


def pollaczek_khinchine(arrival_rate: float, mean_service: float, scv: float) -> float:
    """Mean minutes before service with one agent and any service time (M/G/1).

    `scv` is the squared coefficient of variation of the service time. Raises UnstableSystem when
    the agent cannot keep up.
    """
    _refuse_unless_positive(arrival_rate=arrival_rate, mean_service=mean_service)
    if not scv >= 0:
        raise InvalidSystem(f"scv is {scv}: 0 or more")
    load = arrival_rate * mean_service
    if load >= 1:
        raise UnstableSystem(f"utilisation {load:g} of one agent: lower the rate or the mean")
    return load * mean_service * (1.0 + scv) / (2.0 * (1.0 - load))


def _refuse_unless_positive(**values: float | int) -> None:
    for name, value in values.items():
        if not 0 < value < np.inf:
            raise InvalidSystem(f"{name} is {value}: give a number above 0")
