"""Queues whose customers may give up (M/M/n+M, Erlang A)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.analytic.birth_death import birth_and_death
from sim.analytic.stability import refuse_unless_positive


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
    refuse_unless_positive(
        arrival_rate=arrival_rate,
        service_rate=service_rate,
        abandonment_rate=abandonment_rate,
        agents=agents,
    )

    def leaving(present: int) -> float:
        waiting = max(present - agents, 0)
        return (present - waiting) * service_rate + waiting * abandonment_rate

    present = birth_and_death(lambda _: arrival_rate, leaving, least=agents)
    mean_queue = float(np.maximum(np.arange(len(present)) - agents, 0) @ present)
    abandonment = abandonment_rate * mean_queue / arrival_rate
    return ErlangA(
        waiting_probability=float(present[agents:].sum()),
        abandonment_probability=abandonment,
        mean_wait=mean_queue / arrival_rate,
        mean_queue=mean_queue,
        occupancy=arrival_rate * (1.0 - abandonment) / (service_rate * agents),
    )
