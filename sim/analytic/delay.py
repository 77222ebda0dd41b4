"""Queues of patient customers before several agents (M/M/n, Erlang C).

The mean wait over all customers, who need not wait included, is what call centres name the
average speed of answer. Source: Gans, Koole and Mandelbaum (2003).
"""

from __future__ import annotations

from math import exp, log

from sim.analytic.loss import erlang_b
from sim.analytic.stability import refuse_unless_positive
from sim.errors import InvalidSystem, UnstableSystem


def erlang_c(offered_load: float, agents: int) -> float:
    """Probability that a customer finds every agent busy (Erlang C, M/M/n).

    Raises UnstableSystem when the load is not below the number of agents: the queue then grows
    without bound and no such probability exists.
    """
    refuse_unless_positive(offered_load=offered_load, agents=agents)
    if offered_load >= agents:
        raise UnstableSystem(
            f"offered load {offered_load:g} for {agents} agents: add agents or lower the load"
        )
    blocking = erlang_b(offered_load, agents)
    return blocking / (1.0 - offered_load / agents * (1.0 - blocking))


def erlang_c_occupancy(arrival_rate: float, service_rate: float, agents: int) -> float:
    """Share of their time for which agents serve (M/M/n). Raises UnstableSystem as `erlang_c`."""
    erlang_c(arrival_rate / service_rate, agents)
    return arrival_rate / (service_rate * agents)


def erlang_c_mean_wait(arrival_rate: float, service_rate: float, agents: int) -> float:
    """Mean minutes before service over all customers (M/M/n); the average speed of answer."""
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return waiting / (agents * service_rate - arrival_rate)


def erlang_c_mean_queue(arrival_rate: float, service_rate: float, agents: int) -> float:
    """Mean number of customers waiting (M/M/n), by Little's law."""
    return arrival_rate * erlang_c_mean_wait(arrival_rate, service_rate, agents)


def erlang_c_service_level(
    arrival_rate: float, service_rate: float, agents: int, within: float
) -> float:
    """Probability that a customer waits no longer than `within` minutes (M/M/n)."""
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return 1.0 - waiting * exp(-(agents * service_rate - arrival_rate) * within)


def erlang_c_wait_quantile(
    arrival_rate: float, service_rate: float, agents: int, share: float
) -> float:
    """The wait, in minutes, that the given share of customers does not exceed (M/M/n).

    Over all customers: those who need not wait count as waits of 0, so that a share below
    1 - P(W > 0) has a quantile of 0.
    """
    if not 0 <= share < 1:
        raise InvalidSystem(f"a share of customers is {share}: at least 0 and below 1")
    waiting = erlang_c(arrival_rate / service_rate, agents)
    return max(0.0, log(waiting / (1.0 - share)) / (agents * service_rate - arrival_rate))
