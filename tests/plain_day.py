"""A second simulator of the same systems, written to be obvious rather than fast.

It meets the same customers as `sim.engine`, but every patience has its own event, queue lengths
are integrated over time, and teams are seated by looking at everything again. What the two agree
on to the last customer is unlikely to be wrong in both.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any

import numpy as np

from sim.streams import stream
from sim.system import System


@dataclass
class Answer:
    """One epoch: flows by name, waiting minutes by class, customers by stock."""

    flows: dict[str, int]
    waits: dict[str, float]
    stocks: dict[str, int]


class PlainDay:
    def __init__(self, system: System, seed: int) -> None:
        self.system = system
        self.names = [c.name for c in system.classes]
        arrivals = system.arrivals[self.names[0]].begin(stream(seed, "arrivals"), 1.0)
        times = arrivals.until(system.boundaries[-1])
        size = len(times)
        self.work, self.patience, self.next = {}, {}, {}
        for c in system.classes:
            self.work[c.name] = c.service.sample(stream(seed, "service", c.name), size)
            self.patience[c.name] = (
                np.full(size, np.inf)
                if c.patience is None
                else c.patience.sample(stream(seed, "patience", c.name), size)
            )
            dice = stream(seed, "route", c.name).random(size)
            self.next[c.name] = [self._destination(c, throw) for throw in dice]
        self.now = 0.0
        self.order = count()
        self.events: list[Any] = []
        self.queues: dict[str, list[int]] = {name: [] for name in self.names}
        self.busy = {t.name: 0 for t in system.teams}
        self.target = dict(self.busy)
        self.on_duty = dict.fromkeys(system.rosters, 0)
        for customer, time in enumerate(times):
            self._schedule(time, "arrive", customer)

    def _destination(self, customer_class: Any, throw: float) -> str | None:
        total = 0.0
        for route in customer_class.routes:
            total += route.probability
            if throw < total:
                return str(route.to)
        return None

    def run_epoch(self, epoch: int, shares: dict[str, float]) -> Answer:
        self.flows: dict[str, int] = {}
        self.waits = dict.fromkeys(self.names, 0.0)
        for pool, roster in self.system.rosters.items():
            left = self.on_duty[pool] = round(roster[epoch])
            for team in (t for t in self.system.teams if t.pool == pool and t.lever):
                self.target[team.name] = min(round(shares[team.lever or ""] * roster[epoch]), left)
                left -= self.target[team.name]
            rest = next(t for t in self.system.teams if t.pool == pool and t.lever is None)
            self.target[rest.name] = left
        for team in self.system.teams:
            self._seat(team)
        end = self.system.boundaries[epoch + 1]
        while self.events and self.events[0][0] < end:
            time, _, kind, *details = heappop(self.events)
            self._pass_time(time)
            getattr(self, f"_{kind}")(*details)
        self._pass_time(end)
        waiting = {f"{name}_waiting": len(queue) for name, queue in self.queues.items()}
        serving = {f"{name}_busy": number for name, number in self.busy.items()}
        return Answer(flows=self.flows, waits=self.waits, stocks=waiting | serving)

    def _schedule(self, time: float, kind: str, *details: Any) -> None:
        heappush(self.events, (time, next(self.order), kind, *details))

    def _pass_time(self, time: float) -> None:
        for name, queue in self.queues.items():
            self.waits[name] += len(queue) * (time - self.now)
        self.now = time

    def _note(self, flow: str) -> None:
        self.flows[flow] = self.flows.get(flow, 0) + 1

    def _arrive(self, customer: int) -> None:
        self._note(f"{self.names[0]}_arrivals")
        self._enter(self.names[0], customer)

    def _enter(self, name: str, customer: int) -> None:
        self.queues[name].append(customer)
        self._schedule(self.now + self.patience[name][customer], "give_up", name, customer)
        for team in self.system.teams:
            if team.serves == name:
                self._seat(team)

    def _give_up(self, name: str, customer: int) -> None:
        if customer in self.queues[name]:
            self.queues[name].remove(customer)
            self._note(f"{name}_abandoned")

    def _seat(self, team: Any) -> None:
        mates = [t.name for t in self.system.teams if t.pool == team.pool]
        queue = self.queues[team.serves]
        while (
            queue
            and self.busy[team.name] < self.target[team.name]
            and sum(self.busy[mate] for mate in mates) < self.on_duty[team.pool]
        ):
            customer = queue.pop(0)
            self.busy[team.name] += 1
            self._note(f"{team.name}_started")
            minutes = self.work[team.serves][customer] / team.speed
            self._schedule(self.now + minutes, "depart", team, customer)

    def _depart(self, team: Any, customer: int) -> None:
        self.busy[team.name] -= 1
        self._seat(team)
        for mate in self.system.teams:
            if mate.pool == team.pool:
                self._seat(mate)
        destination = self.next[team.serves][customer]
        if destination is None:
            self._note(f"{team.name}_finished")
        else:
            self._note(f"{team.name}_to_{destination}")
            self._enter(destination, customer)
