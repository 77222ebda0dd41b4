"""Processor sharing: everybody is in service at once."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from itertools import count

from simpy.events import Event

from sim.engine.clock import Clock
from sim.engine.marks import Customer
from sim.engine.pools import PoolAtWork
from sim.engine.teams import TeamAtWork


class SharedPool(PoolAtWork):
    """A pool in which each customer gets an equal share of the servers, one server at most.

    Work is measured on a clock of its own that runs at that share, so that only the first
    departure needs an event (Kleinrock 1967). Whoever finds no room after service keeps the share.
    """

    __slots__ = ("_clock", "_done", "_due", "_event", "_last", "_serial", "_servers")

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self._servers, self.on_duty = 0.0, math.inf
        self._done = self._last = 0.0
        """Minutes of work that somebody present since opening has had, and when that was so."""
        self._due: list[tuple[float, int, TeamAtWork, Customer]] = []
        self._serial = count()
        self._event: Event | None = None

    def change(self, on_duty: float, now: float) -> None:
        """Change the servers that all share; nobody waits for one."""
        self.work_until(now)
        self._servers = on_duty
        self.resize(now)
        self._expect_next()

    def release(self, team: TeamAtWork, now: float) -> None:
        """Share the server of a customer who has just left."""
        self._expect_next()

    def join(self, team: TeamAtWork, customer: Customer) -> None:
        """Give a share to a customer who has just been counted in."""
        due = self._done + customer.work * team.slowness
        heappush(self._due, (due, next(self._serial), team, customer))
        self._expect_next()

    def work_until(self, now: float) -> None:
        """Bring the work done up to now, before the number of those who share changes."""
        self._done += (now - self._last) * self._speed
        self._last = now

    @property
    def _speed(self) -> float:
        return min(1.0, self._servers / self.busy) if self.busy else 0.0

    def _expect_next(self) -> None:
        self._event = None
        speed = self._speed
        if self._due and speed > 0.0:
            delay = max(self._due[0][0] - self._done, 0.0) / speed
            self._event = self._clock.after(delay, self._depart)

    def _depart(self, event: Event) -> None:
        # An event that is no longer the one expected was overtaken by a change of shares.
        if event is self._event:
            now = self._clock.now
            self.work_until(now)
            _, _, team, customer = heappop(self._due)
            team.finish(customer, now)
            if event is self._event:
                self._expect_next()


class SharingTeam(TeamAtWork):
    """A team whose customers share the pool's servers."""

    __slots__ = ()

    def start(self, customer: Customer, now: float) -> None:
        """Begin a service beside those of everybody else."""
        self._shared.work_until(now)
        super().start(customer, now)

    def _serve(self, customer: Customer, now: float) -> None:
        self._shared.join(self, customer)

    def end(self, customer: Customer, now: float) -> None:
        """Free the share."""
        self._shared.work_until(now)
        super().end(customer, now)

    @property
    def _shared(self) -> SharedPool:
        assert isinstance(self.pool, SharedPool)
        return self.pool
