"""A second simulator of networks, written to be obvious rather than fast.

It meets the same customers as `sim.engine`, with the marks of its book, and shares nothing else:
every number is counted anew from two lists, of who waits and who is in service. It knows neither
levers nor servers who come and go. What the two agree on, event by event, is unlikely to be wrong
in both.
"""

import math
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any

from sim.engine.marks import MarkBook, Marks
from sim.parameters import Scales
from sim.routing import Dispatcher, Room
from sim.servers import Pool, ServerTeam
from sim.streams import stream
from sim.system import System


@dataclass(eq=False)
class Person:
    marks: list[Marks]
    number: int
    work: float = 0.0
    next: int = 0
    since: float = 0.0
    patience: float = math.inf
    visit: int = 0


@dataclass(eq=False)
class Service:
    person: Person
    team: ServerTeam
    ends: float
    is_blocked: bool = False
    is_dropped: bool = False


class PlainNetwork:
    def __init__(self, system: System, seed: int) -> None:
        self.system, self.now = system, 0.0
        self.classes = {c.name: c for c in system.classes}
        self.book = MarkBook(system, seed, Scales({}))
        self.visits = {i: self.book.visits(i) for i in self.book.revisited}
        self.waiting: dict[str, list[Person]] = {name: [] for name in self.classes}
        self.serving: list[Service] = []
        self.blocked: list[tuple[Room, Service, str]] = []
        self.turns = {d.name: count() for d in system.dispatchers}
        self.order, self.events = count(), list[Any]()
        for name, arrivals in system.arrivals.items():
            purpose = ("arrivals",) if len(system.arrivals) == 1 else ("arrivals", name)
            times = next(iter(arrivals.begin(stream(seed, *purpose), 1.0).blocks))
            marks = self.book.blocks(name).draw(len(times))
            for number, time in enumerate(times):
                self._expect(float(time), "arrive", name, Person(marks, number))

    def run_to_next_event(self) -> None:
        """Pass over what no longer means anything."""
        while True:
            self.now, _, kind, *details = heappop(self.events)
            if getattr(self, f"_{kind}")(*details):
                return

    def stocks(self) -> dict[str, int]:
        waiting = {f"{name}_waiting": len(queue) for name, queue in self.waiting.items()}
        return waiting | {f"{t.name}_busy": self._busy(t) for t in self.system.teams}

    def _expect(self, time: float, kind: str, *details: Any) -> None:
        heappush(self.events, (time, next(self.order), kind, *details))

    # What happens

    def _arrive(self, place: str, person: Person) -> bool:
        self._enter(self._sent(place, None), person)
        return True

    def _give_up(self, name: str, person: Person, visit: int) -> bool:
        if person not in self.waiting[name] or person.visit != visit:
            return False
        self.waiting[name].remove(person)
        self._admit_blocked(self.system.room_of(name))
        return True

    def _finish(self, service: Service) -> bool:
        if service.is_dropped:
            return False
        here = service.team.serves
        number = service.person.next
        place = self.classes[here].routes[number - 1].to if number else None
        name = None if place is None else self._sent(place, here)
        room = None if name is None else self.system.room_of(name)
        is_other = room is not None and room is not self.system.room_of(here)
        if name and room and is_other and room.when_full == "block" and self._is_full(room):
            service.is_blocked = True
            self.blocked.append((room, service, name))
        else:
            self._let_go(service, name)
        return True

    # What follows

    def _enter(self, name: str, person: Person) -> None:
        room = self.system.room_of(name)
        if room is not None and self._is_full(room):
            return
        position = list(self.classes).index(name)
        marks, row = (
            next(self.visits[position])
            if position in self.visits
            else (person.marks[position], person.number)
        )
        person.work, person.next = marks.work[row], marks.next[row]
        person.patience = marks.patience[row] if marks.patience else math.inf
        self.waiting[name].append(person)
        person.since = self.now
        self._seat(name)
        if person in self.waiting[name]:
            self._lose_patience(name, person)

    def _lose_patience(self, name: str, person: Person) -> None:
        person.since, person.visit = self.now, next(self.order)
        self._expect(self.now + person.patience, "give_up", name, person, person.visit)

    def _let_go(self, service: Service, name: str | None) -> None:
        self.serving.remove(service)
        self._pick(service.team)
        if name is not None:
            self._enter(name, service.person)
        self._admit_blocked(self.system.room_of(service.team.serves))

    def _admit_blocked(self, room: Room | None) -> None:
        while room is not None and not self._is_full(room):
            mine = [entry for entry in self.blocked if entry[0] is room]
            if not mine:
                return
            self.blocked.remove(mine[0])
            self._let_go(mine[0][1], mine[0][2])

    def _seat(self, name: str) -> None:
        """Start those who wait in one queue wherever there is a server, free or taken away."""
        for team in (t for t in self.system.teams if t.serves == name):
            while self.waiting[name] and self._is_free(self._pool(team)):
                self._start(team)
        for team in (t for t in self.system.teams if t.serves == name):
            while self.waiting[name] and (victim := self._lowest_below(team)) is not None:
                self._drop(victim)
                self._start(team)
                self._seat(victim.team.serves)

    def _pick(self, team: ServerTeam) -> None:
        """Give a pool's free server to whom its rule picks."""
        pool = self._pool(team)
        mates = [t for t in self.system.teams if t.pool == pool.name]
        if pool.picks == "stay":
            mates.sort(key=lambda t: t is not team)
        while self._is_free(pool):
            able = [t for t in mates if self.waiting[t.serves]]
            if not able:
                return
            if pool.picks == "first_come":
                able.sort(key=lambda t: self._next_up(t.serves).since)
            elif pool.picks == "longest_queue":
                able.sort(key=lambda t: -len(self.waiting[t.serves]))
            self._start(able[0])

    def _start(self, team: ServerTeam) -> None:
        person = self._next_up(team.serves)
        self.waiting[team.serves].remove(person)
        person.patience -= self.now - person.since
        service = Service(person, team, self.now + person.work / team.speed)
        self.serving.append(service)
        self._expect(service.ends, "finish", service)

    def _drop(self, service: Service) -> None:
        person, name = service.person, service.team.serves
        service.is_dropped = True
        self.serving.remove(service)
        if self._pool(service.team).preemption == "resume":
            person.work = (service.ends - self.now) * service.team.speed
        at_the_end = self.classes[name].order == "last_come"
        self.waiting[name].insert(len(self.waiting[name]) if at_the_end else 0, person)
        self._lose_patience(name, person)

    # What is asked

    def _sent(self, place: str, leaving: str | None) -> str:
        for dispatcher in self.system.dispatchers:
            if dispatcher.name == place:
                return self._dispatched(dispatcher, leaving)
        return place

    def _dispatched(self, dispatcher: Dispatcher, leaving: str | None) -> str:
        if dispatcher.rule == "round_robin":
            return dispatcher.to[next(self.turns[dispatcher.name]) % len(dispatcher.to)]
        return min(dispatcher.to, key=lambda name: self._present(name) - (name == leaving))

    def _present(self, name: str) -> int:
        return len(self.waiting[name]) + sum(s.team.serves == name for s in self.serving)

    def _is_full(self, room: Room) -> bool:
        return sum(self._present(name) for name in room.classes) >= room.places

    def _next_up(self, name: str) -> Person:
        queue, order = self.waiting[name], self.classes[name].order
        if order == "shortest_first":
            return min(queue, key=lambda person: person.work)
        return queue[0 if order == "first_come" else -1]

    def _pool(self, team: ServerTeam) -> Pool:
        return self.system.pool(team.pool)

    def _busy(self, team: ServerTeam) -> int:
        return sum(s.team is team for s in self.serving)

    def _is_free(self, pool: Pool) -> bool:
        return sum(s.team.pool == pool.name for s in self.serving) < pool.shifts[0][1]

    def _lowest_below(self, team: ServerTeam) -> Service | None:
        """Whom the lowest team under this one began last, of another class."""
        pool = self._pool(team)
        if pool.preemption is None or pool.picks != "priority" or not pool.shifts[0][1]:
            return None
        mates = [t for t in self.system.teams if t.pool == pool.name]
        for lower in reversed(mates[mates.index(team) + 1 :]):
            mine = [s for s in self.serving if s.team is lower]
            if mine and lower.serves != team.serves:
                return mine[-1]
        return None
