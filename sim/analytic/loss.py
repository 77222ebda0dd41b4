"""Systems with a limited number of places: who finds them full is lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.analytic.birth_death import birth_and_death
from sim.analytic.stability import refuse_unless_positive
from sim.errors import InvalidSystem


def erlang_b(offered_load: float, agents: int) -> float:
    """Probability that a customer is lost when nobody can wait (Erlang B, M/G/n/n).

    Raises InvalidSystem for a load or a number of agents that is not above 0.
    """
    refuse_unless_positive(offered_load=offered_load, agents=agents)
    blocking = 1.0
    for busy in range(1, agents + 1):
        blocking = offered_load * blocking / (busy + offered_load * blocking)
    return blocking


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitedQueue:
    """What holds on average in a stationary queue with limited places (M/M/n/K)."""

    loss_probability: float
    """Probability that a customer finds every place taken and is lost."""
    throughput: float
    """Customers admitted, and so served, per minute."""
    mean_number: float
    """Mean number of customers waiting or in service."""
    mean_queue: float
    """Mean number of customers waiting."""
    mean_wait: float
    """Mean minutes before service over the customers who are admitted."""
    occupancy: float
    """Share of their time for which agents serve."""


def limited_queue(
    arrival_rate: float, service_rate: float, agents: int, places: int
) -> LimitedQueue:
    """Averages of the queue that holds `places` customers, in service or not (M/M/n/K).

    With one agent it is M/M/1/K, with as many places as agents Erlang B. It is stable under any
    load. Raises InvalidSystem for fewer places than agents or a value that is not above 0.
    """
    refuse_unless_positive(
        arrival_rate=arrival_rate, service_rate=service_rate, agents=agents, places=places
    )
    if places < agents:
        raise InvalidSystem(f"{places} places for {agents} agents: give a place to every agent")
    present = birth_and_death(
        lambda _: arrival_rate,
        lambda number: min(number, agents) * service_rate,
        least=places,
        most=places,
    )
    numbers = np.arange(places + 1)
    busy, waiting = np.minimum(numbers, agents), np.maximum(numbers - agents, 0)
    throughput = arrival_rate * float(1.0 - present[-1])
    return LimitedQueue(
        loss_probability=float(present[-1]),
        throughput=throughput,
        mean_number=float(numbers @ present),
        mean_queue=float(waiting @ present),
        mean_wait=float(waiting @ present) / throughput,
        occupancy=float(busy @ present) / agents,
    )
