"""SimPy as its tutorial teaches it: a process per customer, who waits for a server or gives up.

Source of the pattern: the example "Bank Renege" of SimPy's documentation.
"""

from __future__ import annotations

from collections.abc import Generator
from random import Random
from typing import Any

import simpy

from benchmarks.agreement import Statistics
from benchmarks.workloads import BankDay, Desk, Queue, Roster

Events = Generator[simpy.Event, Any, None]
"""What a SimPy process yields."""


class Tally:
    """What is counted of the customers of one desk."""

    __slots__ = ("abandoned", "customers", "wait")

    def __init__(self) -> None:
        self.customers = self.abandoned = 0
        self.wait = 0.0
        """Moments of leaving the queue less moments of joining it."""

    def statistics(self, still_waiting: int, now: float) -> Statistics:
        """Means over customers; whoever still waits has waited until now."""
        return {
            "customers": float(self.customers),
            "abandoned": self.abandoned / self.customers,
            "wait": (self.wait + still_waiting * now) / self.customers,
        }


# The queue


def simulate_queue(queue: Queue, seed: int) -> Statistics:
    """Run the queue once."""
    random, tally = Random(seed), Tally()
    environment = simpy.Environment()
    servers = simpy.Resource(environment, capacity=queue.servers)
    environment.process(_source(environment, queue, servers, random, tally))
    environment.run(until=queue.minutes)
    return tally.statistics(len(servers.queue), queue.minutes)


def _source(
    environment: simpy.Environment,
    queue: Queue,
    servers: simpy.Resource,
    random: Random,
    tally: Tally,
) -> Events:
    while True:
        yield environment.timeout(random.expovariate(queue.arrival_rate))
        environment.process(_customer(environment, queue, servers, random, tally))


def _customer(
    environment: simpy.Environment,
    queue: Queue,
    servers: simpy.Resource,
    random: Random,
    tally: Tally,
) -> Events:
    assert queue.mean_patience is not None
    tally.customers += 1
    tally.wait -= environment.now
    with servers.request() as request:
        yield request | environment.timeout(random.expovariate(1.0 / queue.mean_patience))
        tally.wait += environment.now
        if request.triggered:
            yield environment.timeout(random.expovariate(queue.service_rate))
        else:
            tally.abandoned += 1


# The bank day


def simulate_bank_day(day: BankDay, seed: int) -> Statistics:
    """Run the day once."""
    centre = _Centre(day, Random(seed))
    centre.environment.process(_calls(centre, day.call_times(seed)))
    centre.environment.run(until=day.minutes)
    return {
        f"{name}_{statistic}": value
        for name, agents in centre.agents.items()
        for statistic, value in agents.tally.statistics(len(agents.queue), day.minutes).items()
    }


class _Agents(simpy.Resource):
    """Agents of one desk whose number changes; surplus ones finish what they have in hand."""

    def __init__(self, environment: simpy.Environment, desk: Desk) -> None:
        super().__init__(environment, capacity=desk.roster[0][1])
        self.tally = Tally()
        self.log_mean, self.log_deviation = desk.lognormal
        self.hang_up_rate = 0.0 if desk.mean_patience is None else 1.0 / desk.mean_patience
        environment.process(self._keep_to(desk.roster[1:]))

    def _keep_to(self, roster: Roster) -> Events:
        # SimPy has no public way to change a capacity; this is the fastest of the usual ones.
        for minute, agents in roster:
            yield self._env.timeout(minute - self._env.now)
            self._capacity = agents
            self._trigger_put(None)


class _Centre:
    """The desks of one day."""

    def __init__(self, day: BankDay, random: Random) -> None:
        self.day, self.random = day, random
        self.environment = simpy.Environment()
        self.agents = {name: _Agents(self.environment, desk) for name, desk in day.desks.items()}


def _calls(centre: _Centre, times: list[float]) -> Events:
    environment = centre.environment
    for time in times:
        yield environment.timeout(time - environment.now)
        environment.process(_call(centre))


def _call(centre: _Centre) -> Events:
    day, agents = centre.day, centre.agents
    is_served = yield from _be_served(centre, agents["call"])
    if not is_served:
        return
    throw = centre.random.random()
    if throw < day.escalation_share:
        yield from _be_served(centre, agents["escalation"])
    elif throw < day.escalation_share + day.follow_up_share:
        yield from _be_served(centre, agents["follow_up"])


def _be_served(centre: _Centre, agents: _Agents) -> Generator[simpy.Event, Any, bool]:
    environment, random, tally = centre.environment, centre.random, agents.tally
    tally.customers += 1
    tally.wait -= environment.now
    with agents.request() as request:
        if agents.hang_up_rate:
            yield request | environment.timeout(random.expovariate(agents.hang_up_rate))
        else:
            yield request
        tally.wait += environment.now
        if not request.triggered:
            tally.abandoned += 1
            return False
        service = random.lognormvariate(agents.log_mean, agents.log_deviation)
        yield environment.timeout(service)
        return True
