"""Waiting lines: one for each class, with its doors."""

from __future__ import annotations

from bisect import insort_left, insort_right
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from simpy.events import Event

from sim.customers import Balking, QueueOrder
from sim.engine.clock import Clock
from sim.engine.doors import Destination, Exits, PlacesAtWork
from sim.engine.marks import Customer, Marks

if TYPE_CHECKING:
    from sim.engine.teams import TeamAtWork

_FOREVER = float("inf")


class Line:
    """Customers of one class who wait, and the teams that may serve them."""

    __slots__ = (
        "_clock",
        "_flows",
        "_is_impatient",
        "_next_stands_at",
        "_pop",
        "_push",
        "_put_back",
        "abandoned_flow",
        "area",
        "arrivals_flow",
        "exits",
        "may_interrupt",
        "onward_flows",
        "position",
        "room",
        "teams",
        "visits",
        "waiting",
    )

    def __init__(
        self,
        position: int,
        order: QueueOrder,
        clock: Clock,
        flows: list[int],
        *,
        is_impatient: bool,
    ) -> None:
        self._clock, self._flows = clock, flows
        self.position, self._is_impatient = position, is_impatient
        self.area = 0.0
        """Minus entering times plus leaving times of those who waited since the epoch began."""
        self.teams: list[TeamAtWork] = []
        self.may_interrupt: list[TeamAtWork] = []
        """Those of the teams that may take a server from a lower one."""
        self.exits: list[Destination | None] = [None]
        self.arrivals_flow = self.abandoned_flow = -1
        self.onward_flows: dict[str, dict[int, int]] = {}
        """By reason (abandoned, rejected) and position of the next class, the flow to count."""
        self.visits: Iterator[tuple[Marks, int]] | None = None
        self.room: PlacesAtWork | None = None
        self._open(order)

    def _open(self, order: QueueOrder) -> None:
        self._next_stands_at = 0 if order == "first_come" else -1
        if order == "shortest_first":
            # The shortest stands last, where a list gives it up fastest, and behind its equals.
            queue: list[Customer] = []
            self.waiting: deque[Customer] | list[Customer] = queue
            self._push: Callable[[Customer], None] = lambda one: insort_left(queue, one, key=_rank)
            self._put_back: Callable[[Customer], None] = lambda one: insort_right(
                queue, one, key=_rank
            )
            self._pop: Callable[[], Customer] = queue.pop
            return
        line: deque[Customer] = deque()
        self.waiting, self._push = line, line.append
        self._pop = line.popleft if order == "first_come" else line.pop
        self._put_back = line.appendleft if order == "first_come" else line.append

    def resolve(self, leaving: Line | None) -> Line:
        """The line itself: a route to a class leads nowhere else."""
        del leaving
        return self

    @property
    def present(self) -> int:
        """Customers waiting and in service."""
        return len(self.waiting) + sum(team.busy for team in self.teams)

    @property
    def next_up(self) -> Customer:
        """Who would be served next."""
        return self.waiting[self._next_stands_at]

    def enter(self, customer: Customer, now: float) -> None:
        """Serve at once or wait."""
        visits = self.visits
        if visits is None:
            marks, row = customer.block[self.position], customer.row
        else:
            marks, row = next(visits)
        customer.work, customer.next = marks.work[row], marks.next[row]
        customer.deadline = now + marks.patience[row] if self._is_impatient else _FOREVER
        for team in self.teams:
            if team.busy < team.size and team.pool.busy < team.pool.on_duty:
                team.start(customer, now)
                return
        for team in self.may_interrupt:
            interrupted = team.pool.make_way(team, now)
            if interrupted is not None:
                team.start(customer, now)
                interrupted.call(now)
                return
        self._wait(customer, self._push, now)

    def take_back(self, customer: Customer, patience: float, now: float) -> None:
        """Let somebody who was interrupted wait at the head, with the patience that is left."""
        customer.deadline = now + patience
        self._wait(customer, self._put_back, now)

    def _wait(self, customer: Customer, stand: Callable[[Customer], None], now: float) -> None:
        customer.entered = now
        self.area -= now
        stand(customer)

    def take(self, now: float) -> Customer | None:
        """Whoever is next, who waits no longer; None when she was and has lost patience."""
        customer = self._pop()
        customer.expiry = None
        deadline = customer.deadline
        if deadline <= now:
            self._give_up(customer, deadline)
            return None
        self.area += now
        return customer

    def call(self, now: float) -> None:
        """Let those who wait be served wherever a server is free or may be taken from another."""
        for team in self.teams:
            team.seat(now)
        for team in self.may_interrupt:
            team.pool.give_way(team, now)

    def _give_up(self, customer: Customer, when: float) -> None:
        """Count somebody whose patience ran out and who is no longer in the line."""
        del customer
        self.area += when
        self._flows[self.abandoned_flow] += 1

    def settle(self, now: float) -> None:
        """Let those go whose patience has run out."""
        if not self._is_impatient or not self.waiting:
            return
        gone = [customer for customer in self.waiting if customer.deadline <= now]
        if gone:
            staying = [customer for customer in self.waiting if customer.deadline > now]
            self.waiting.clear()
            self.waiting.extend(staying)
            for customer in gone:
                self._give_up(customer, customer.deadline)

    def pass_on(self, customer: Customer, line: Line | None, now: float) -> None:
        """Let a customer go to another line, or out; whose room this was has a place again."""
        room = self.room
        if room is not None:
            room.give_back()
        if line is not None:
            line.enter(customer, now)
        if room is not None:
            room.admit_blocked(now)


def _rank(customer: Customer) -> float:
    return -customer.work


class WatchedLine(Line):
    """A line where the moment of giving up matters: each patience has an event of its own."""

    __slots__ = ("abandonment",)

    def __init__(
        self,
        position: int,
        order: QueueOrder,
        clock: Clock,
        flows: list[int],
        *,
        is_impatient: bool,
    ) -> None:
        super().__init__(position, order, clock, flows, is_impatient=is_impatient)
        self.abandonment: Exits | None = None

    def _wait(self, customer: Customer, stand: Callable[[Customer], None], now: float) -> None:
        super()._wait(customer, stand, now)
        if customer.deadline < _FOREVER:
            customer.expiry = self._clock.after(
                customer.deadline - now, lambda event: self._expire(event, customer)
            )

    def settle(self, now: float) -> None:
        """Nobody is late: their events have seen to it."""

    def _expire(self, event: Event, customer: Customer) -> None:
        if customer.expiry is event:
            self._clock.happened = True
            self.waiting.remove(customer)
            self._give_up(customer, self._clock.now)

    def _give_up(self, customer: Customer, when: float) -> None:
        self.area += when
        line = self._sent_to("abandoned", self.abandoned_flow, self.abandonment)
        self.pass_on(customer, line, when)

    def _sent_to(self, reason: str, leaves: int, exits: Exits | None) -> Line | None:
        """Where somebody goes who is not served, counted as such; None leaves."""
        line = None if exits is None else exits.choose()
        self._flows[leaves if line is None else self.onward_flows[reason][line.position]] += 1
        return line


class GuardedLine(WatchedLine):
    """A line behind doors: admission, balking and a finite room, in this order."""

    __slots__ = ("admitted", "balking", "rejected_flow", "rejection", "throw")

    def __init__(
        self,
        position: int,
        order: QueueOrder,
        clock: Clock,
        flows: list[int],
        *,
        is_impatient: bool,
    ) -> None:
        super().__init__(position, order, clock, flows, is_impatient=is_impatient)
        self.admitted = 1.0
        self.balking: tuple[Balking, ...] = ()
        self.throw: Callable[[], float]
        self.rejection: Exits | None = None
        self.rejected_flow = -1

    def enter(self, customer: Customer, now: float) -> None:
        """Pass the doors or be turned away; whoever passes takes a place in the room."""
        if self._turns_away():
            line = self._sent_to("rejected", self.rejected_flow, self.rejection)
            if line is not None:
                line.enter(customer, now)
            return
        if self.room is not None:
            self.room.take()
        super().enter(customer, now)

    def _turns_away(self) -> bool:
        # Both throws are made whatever the doors are, so that decisions change nobody's luck.
        admission, balking = self.throw(), self.throw()
        if admission >= self.admitted or balking < self._balking_share():
            return True
        return self.room is not None and self.room.is_full

    def _balking_share(self) -> float:
        waiting = len(self.waiting)
        return max((door.share for door in self.balking if waiting >= door.waiting), default=0.0)
