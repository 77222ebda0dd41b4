"""Customers who come from outside."""

from __future__ import annotations

from collections.abc import Callable

from simpy.events import NORMAL, Event

from sim.arrivals import ArrivalStream
from sim.engine.clock import Clock
from sim.engine.doors import Destination
from sim.engine.marks import Blocks, Customer, Marks


class Source:
    """Lets the customers of one process in, with one event for all of them in turn."""

    __slots__ = (
        "_block",
        "_blocks",
        "_clock",
        "_destination",
        "_event",
        "_flows",
        "_marks",
        "_on_arrival",
        "_row",
        "_times",
    )

    def __init__(
        self,
        arrivals: ArrivalStream,
        marks: Blocks,
        destination: Destination,
        clock: Clock,
        flows: list[int],
    ) -> None:
        self._clock, self._flows, self._destination = clock, flows, destination
        self._blocks, self._marks = iter(arrivals.blocks), marks
        self._times: list[float] = []
        self._block: list[Marks] = []
        self._row = 0
        self._on_arrival: list[Callable[[Event], None]] = [self._arrive]
        self._event = Event(clock)
        self._event._ok, self._event._value = True, None
        self._await()

    def _arrive(self, _event: Event) -> None:
        clock = self._clock
        clock.happened = True
        customer = Customer(self._block, self._row)
        self._row += 1
        line = self._destination.resolve(None)
        self._flows[line.arrivals_flow] += 1
        line.enter(customer, clock.now)
        self._await()

    def _await(self) -> None:
        while self._row == len(self._times):
            block = next(self._blocks, None)
            if block is None:
                return
            self._times, self._row = block.tolist(), 0
            self._block = self._marks.draw(len(block)) if len(block) else []
        clock = self._clock
        self._event.callbacks = self._on_arrival
        delay = self._times[self._row] - clock.now
        clock.schedule(self._event, NORMAL, delay if delay > 0 else 0.0)
