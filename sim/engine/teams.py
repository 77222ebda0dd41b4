"""Teams at work: servers of one pool who serve one line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from simpy.events import NORMAL, Event

from sim.engine.clock import Clock
from sim.engine.lines import Line
from sim.engine.marks import Customer
from sim.servers import ServerTeam

if TYPE_CHECKING:
    from sim.engine.pools import PoolAtWork


class Departure(Event):
    """The end of one service; used again for another customer."""

    __slots__ = ("customer",)

    customer: Customer | None
    """None: the service was interrupted, and the event means nothing any more."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._ok, self._value = True, None


class TeamAtWork:
    """Servers of a pool who serve one line."""

    __slots__ = (
        "_clock",
        "_flows",
        "_on_departure",
        "_spare",
        "area",
        "busy",
        "finished_flow",
        "interrupted_flow",
        "line",
        "onward_flows",
        "pool",
        "share",
        "size",
        "slowness",
        "started_flow",
    )

    def __init__(
        self, team: ServerTeam, line: Line, pool: PoolAtWork, clock: Clock, flows: list[int]
    ) -> None:
        self._clock, self._flows = clock, flows
        self._on_departure: list[Callable[[Departure], None]] = [self._depart]
        self._spare: list[Departure] = []
        self.line, self.pool = line, pool
        self.slowness = 1.0 / team.speed
        self.share: float | None = None if team.lever is None else 0.0
        """Of the pool's servers, those who are moved here; None: the rest, or all."""
        self.busy = 0
        """Customers in service, with those who keep a server because a room is full."""
        self.size = 0.0
        """Most servers who may work here at once."""
        self.area = 0.0
        """Minus starting times plus ending times of the services since the epoch began."""
        self.started_flow = self.finished_flow = self.interrupted_flow = -1
        self.onward_flows: dict[int, int] = {}

    def seat(self, now: float) -> None:
        """Start waiting customers while the team is below its size and servers are free."""
        line, pool = self.line, self.pool
        while line.waiting and self.busy < self.size and pool.busy < pool.on_duty:
            customer = line.take(now)
            if customer is not None:
                self.start(customer, now)

    def start(self, customer: Customer, now: float) -> None:
        """Begin a service; whoever calls has seen that a server is free."""
        self.busy += 1
        self.pool.busy += 1
        self.area -= now
        self._flows[self.started_flow] += 1
        self._serve(customer, now)

    def _serve(self, customer: Customer, now: float) -> None:
        spare = self._spare
        customer.departure = departure = spare.pop() if spare else Departure(self._clock)
        departure.customer = customer
        departure.callbacks = self._on_departure
        self._clock.schedule(departure, NORMAL, customer.work * self.slowness)

    def _depart(self, departure: Departure) -> None:
        customer = departure.customer
        self._spare.append(departure)
        if customer is not None:
            self.finish(customer, self._clock.now)

    def finish(self, customer: Customer, now: float) -> None:
        """Let a customer go on whose service is over, or keep the server until she can."""
        self._clock.happened = True
        chosen = self.line.exits[customer.next]
        line = None if chosen is None else chosen.resolve(self.line)
        if line is None or line.room is None or not line.room.blocks(self.line):
            self._let_go(customer, line, now)
        else:
            line.room.block(partial(self._let_go, customer, line))

    def _let_go(self, customer: Customer, line: Line | None, now: float) -> None:
        self.end(customer, now)
        # Whoever waited is seated before the customer who is passed on: first come, first served.
        self.pool.release(self, now)
        if line is None:
            self._flows[self.finished_flow] += 1
        else:
            self._flows[self.onward_flows[line.position]] += 1
        if line is not None or self.line.room is not None:
            self.line.pass_on(customer, line, now)

    def end(self, customer: Customer, now: float) -> None:
        """Free the server."""
        del customer
        pool = self.pool
        if pool.busy > pool.on_duty:
            pool.over_area += now
        self.busy -= 1
        pool.busy -= 1
        self.area += now
