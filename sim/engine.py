"""The events of one day, on SimPy.

Events carry callbacks instead of one process per customer, and a departure event is used again
for the agent's next customer: SimPy's queue and clock stay, most of their cost goes. Two facts
keep the work small and exact. Impatient customers are settled when somebody looks at the queue,
at the moment their patience ran out, because nothing can depend on them earlier. Waiting time is
a sum of leaving times less entering times, so nothing is integrated on the way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from itertools import chain

import numpy as np
import simpy
from jaxtyping import Float
from simpy.events import NORMAL, Event

from sim.description import Description
from sim.streams import stream
from sim.system import CustomerClass, System

_LEAVES = -1


class _Departure(Event):
    """The end of one service; used again for the next customer of the same agent."""

    __slots__ = ("customer", "team")

    team: int
    customer: int


class Engine:
    """One day of a system under one seed and one set of parameters."""

    def __init__(
        self, system: System, description: Description, seed: int, scales: dict[str, float]
    ) -> None:
        self._environment = simpy.Environment(initial_time=0.0)
        self._draw_customers(system, seed, scales)
        self._lay_out(system, description)
        self._arrival = Event(self._environment)
        self._arrival._ok, self._arrival._value = True, None
        self._arrival_calls: list[Callable[[Event], None]] = [self._arrive]
        self._next_customer = 0
        self._await_arrival()

    def _draw_customers(self, system: System, seed: int, scales: dict[str, float]) -> None:
        """Draw every mark of every customer beforehand, so that policies meet the same people."""
        arrivals = system.arrivals.draw(stream(seed, "arrivals"), scales.get("arrival_scale", 1.0))
        self.day = arrivals.day
        self._arrival_times: list[float] = arrivals.times.tolist()
        count = len(self._arrival_times)
        names = [c.name for c in system.classes]
        handle, patience = scales.get("handle_time_scale", 1.0), scales.get("patience_scale", 1.0)
        self._work: list[list[float]] = []
        self._patience: list[list[float] | None] = []
        self._next_class: list[list[int]] = []
        for c in system.classes:
            work = c.service.sample(stream(seed, "service", c.name), count) * handle
            self._work.append(work.tolist())
            self._patience.append(
                None
                if c.patience is None
                else (
                    c.patience.sample(stream(seed, "patience", c.name), count) * patience
                ).tolist()
            )
            self._next_class.append(_routes(c, names, stream(seed, "route", c.name), count))

    def _lay_out(self, system: System, description: Description) -> None:
        """Turn names into positions once, so that events only index lists."""
        classes, teams = system.classes, system.teams
        pools = list(system.rosters)
        names = [c.name for c in classes]
        flow = {f.name: i for i, f in enumerate(description.flows)}
        self._queues: list[deque[int]] = [deque() for _ in classes]
        self._deadline: list[list[float]] = [[np.inf] * len(self._arrival_times) for _ in classes]
        self._area = [0.0] * len(classes)
        self._pool_of = [pools.index(t.pool) for t in teams]
        self._class_of = [names.index(t.serves) for t in teams]
        self._slowness = [1.0 / t.speed for t in teams]
        self._teams_for = [[i for i, t in enumerate(teams) if t.serves == name] for name in names]
        self._teams_in = [[i for i, t in enumerate(teams) if t.pool == pool] for pool in pools]
        self._target = [0] * len(teams)
        self._busy = [0] * len(teams)
        self._on_duty = [0] * len(pools)
        self._pool_busy = [0] * len(pools)
        self._flow_counts = [0] * len(description.flows)
        self._started_flow = [flow[f"{t.name}_started"] for t in teams]
        self._finished_flow = [
            {
                _LEAVES: flow[f"{t.name}_finished"],
                **{
                    names.index(r.to): flow[f"{t.name}_to_{r.to}"]
                    for c in classes
                    if c.name == t.serves
                    for r in c.routes
                },
            }
            for t in teams
        ]
        self._abandoned_flow = [flow.get(f"{name}_abandoned", -1) for name in names]
        self._arrival_flow = flow[f"{names[0]}_arrivals"]
        self._departure_calls: list[Callable[[Event], None]] = [self._depart]
        self._spare: list[_Departure] = []
        self._stock_order = _stock_order(description, names, [t.name for t in teams])

    # One day, seen from outside

    def begin_epoch(self, on_duty: list[int], targets: list[int]) -> None:
        """Set agents on duty and team sizes; agents finish what they have in hand."""
        now = self._environment.now
        self._flow_counts = [0] * len(self._flow_counts)
        self._area = [-now * len(queue) for queue in self._queues]
        self._on_duty, self._target = on_duty, targets
        for team in range(len(targets)):
            self._seat(team, now)

    def end_epoch(self, time: float) -> tuple[list[int], list[float]]:
        """Run to `time`; returns flow counts and waiting minutes by class since the beginning."""
        self._environment.run(until=time)
        for position in range(len(self._queues)):
            self._drop_impatient(position, time)
            area = self._area[position] + time * len(self._queues[position])
            # Times cancel only up to rounding, and nobody waits less than nothing.
            self._area[position] = max(area, 0.0)
        return self._flow_counts, self._area

    def stocks(self) -> list[int]:
        """Customers in every stock, in the order of the description."""
        places = list(chain((len(queue) for queue in self._queues), self._busy))
        return [places[position] for position in self._stock_order]

    # Events

    def _await_arrival(self) -> None:
        if self._next_customer < len(self._arrival_times):
            environment = self._environment
            self._arrival.callbacks = self._arrival_calls
            delay = self._arrival_times[self._next_customer] - environment.now
            environment.schedule(self._arrival, NORMAL, delay if delay > 0 else 0.0)

    def _arrive(self, _event: Event) -> None:
        customer = self._next_customer
        self._next_customer = customer + 1
        self._flow_counts[self._arrival_flow] += 1
        self._enter(0, customer, self._environment.now)
        self._await_arrival()

    def _enter(self, position: int, customer: int, now: float) -> None:
        for team in self._teams_for[position]:
            pool = self._pool_of[team]
            if (
                self._busy[team] < self._target[team]
                and self._pool_busy[pool] < self._on_duty[pool]
            ):
                self._start(team, pool, customer)
                return
        patience = self._patience[position]
        if patience is not None:
            self._deadline[position][customer] = now + patience[customer]
        self._area[position] -= now
        self._queues[position].append(customer)

    def _start(self, team: int, pool: int, customer: int) -> None:
        self._busy[team] += 1
        self._pool_busy[pool] += 1
        self._flow_counts[self._started_flow[team]] += 1
        if self._spare:
            departure = self._spare.pop()
        else:
            departure = _Departure(self._environment)
            departure._ok, departure._value = True, None
        departure.team, departure.customer = team, customer
        departure.callbacks = self._departure_calls
        duration = self._work[self._class_of[team]][customer] * self._slowness[team]
        self._environment.schedule(departure, NORMAL, duration)

    def _depart(self, event: Event) -> None:
        assert isinstance(event, _Departure)
        team, customer, now = event.team, event.customer, self._environment.now
        self._spare.append(event)
        pool = self._pool_of[team]
        self._busy[team] -= 1
        self._pool_busy[pool] -= 1
        self._seat(team, now)
        if self._pool_busy[pool] < self._on_duty[pool]:
            for other in self._teams_in[pool]:
                if other != team and self._queues[self._class_of[other]]:
                    self._seat(other, now)
        # Whoever waited is seated before the customer who is passed on: first come, first served.
        destination = self._next_class[self._class_of[team]][customer]
        self._flow_counts[self._finished_flow[team][destination]] += 1
        if destination != _LEAVES:
            self._enter(destination, customer, now)

    def _seat(self, team: int, now: float) -> None:
        """Start waiting customers while the team is below its size and agents are free."""
        pool = self._pool_of[team]
        position = self._class_of[team]
        queue = self._queues[position]
        while (
            queue
            and self._busy[team] < self._target[team]
            and self._pool_busy[pool] < self._on_duty[pool]
        ):
            customer = queue.popleft()
            deadline = self._deadline[position][customer]
            if deadline <= now:
                self._abandon(position, deadline)
            else:
                self._area[position] += now
                self._start(team, pool, customer)

    def _abandon(self, position: int, deadline: float) -> None:
        self._area[position] += deadline
        self._flow_counts[self._abandoned_flow[position]] += 1

    def _drop_impatient(self, position: int, now: float) -> None:
        if self._patience[position] is None:
            return
        queue, deadlines = self._queues[position], self._deadline[position]
        staying = deque(customer for customer in queue if deadlines[customer] > now)
        for customer in queue:
            if deadlines[customer] <= now:
                self._abandon(position, deadlines[customer])
        self._queues[position] = staying


def _routes(
    customer_class: CustomerClass, names: list[str], random: np.random.Generator, count: int
) -> list[int]:
    limits = np.cumsum([route.probability for route in customer_class.routes])
    targets = np.array([names.index(r.to) for r in customer_class.routes] + [_LEAVES])
    drawn: list[int] = targets[np.searchsorted(limits, random.random(count), side="right")].tolist()
    return drawn


def _stock_order(description: Description, classes: list[str], teams: list[str]) -> list[int]:
    places = [f"{name}_waiting" for name in classes] + [f"{name}_busy" for name in teams]
    return [places.index(stock.name) for stock in description.stocks]


def as_counts(values: Float[np.ndarray, "any"]) -> list[int]:
    """Whole agents as plain integers, which lists and comparisons handle fastest."""
    return [round(value) for value in values.tolist()]
