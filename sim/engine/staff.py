"""Servers who come and go: at once, after a set-up, and with breakdowns."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from simpy.events import Event

from sim.distributions import Distribution
from sim.engine.clock import Clock
from sim.engine.pools import PoolAtWork
from sim.servers import Breakdown, Pool
from sim.streams import stream


class Staff:
    """The servers of one pool, who come and go at once."""

    __slots__ = ("_pool", "area", "up")

    def __init__(self, pool: PoolAtWork) -> None:
        self._pool = pool
        self.up = 0.0
        """Servers who may serve."""
        self.area = 0.0
        """Minus coming times plus leaving times of those paid since the epoch began."""

    @property
    def starting(self) -> int:
        """Servers being set up."""
        return 0

    @property
    def paid(self) -> float:
        """Servers who are there or on their way."""
        return self.up

    def open(self, number: float) -> None:
        """Begin an episode with so many servers, who need no set-up."""
        self._bring(number, 0.0)

    def order(self, number: float, now: float) -> None:
        """Ask for so many servers from now on."""
        self.area += now * self.paid
        self._ask(number, now)
        self.area -= now * self.paid

    def _ask(self, number: float, now: float) -> None:
        self._bring(number, now)

    def _bring(self, up: float, now: float) -> None:
        self.up = up
        self._pool.change(up, now)


class FlexibleStaff(Staff):
    """Servers who need a set-up before they serve, or break down, or both.

    When fewer are asked for, those still starting are called off first, the latest first; then
    the servers who came last leave, failed or not.
    """

    __slots__ = ("_breakdowns", "_clock", "_on_change", "_random", "_setup", "_starting", "_wanted")

    def __init__(
        self,
        pool: PoolAtWork,
        clock: Clock,
        settings: Pool,
        seed: int,
        on_change: Callable[[float], None],
    ) -> None:
        super().__init__(pool)
        self._clock, self._on_change = clock, on_change
        self._setup = settings.setup
        self._random = stream(seed, "set-up", settings.name)
        self._wanted = 0
        self._starting: list[Event] = []
        self._breakdowns: Breakdowns | None = None
        if settings.breakdown is not None:
            self._breakdowns = Breakdowns(
                settings.breakdown,
                clock,
                partial(stream, seed, "breakdown", settings.name),
                self._note_breakdown,
            )

    @property
    def starting(self) -> int:
        """Servers being set up."""
        return len(self._starting)

    @property
    def paid(self) -> float:
        """Servers who are there, working or failed, or on their way."""
        return float(self._wanted)

    def open(self, number: float) -> None:
        """Begin an episode with so many servers, who need no set-up."""
        self._wanted = round(number)
        self._settle(0.0)

    def _ask(self, number: float, now: float) -> None:
        ready = self._wanted - self.starting
        self._wanted = round(number)
        if self._setup is not None:
            self._start_or_call_off(self._setup, ready)
        self._settle(now)

    def _start_or_call_off(self, setup: Distribution, ready: int) -> None:
        while self._starting and ready + self.starting > self._wanted:
            self._starting.pop()
        while ready + self.starting < self._wanted:
            minutes = float(setup.sample(self._random, 1)[0])
            self._starting.append(self._clock.after(minutes, self._note_set_up))

    def _note_set_up(self, event: Event) -> None:
        if event in self._starting:
            self._starting.remove(event)
            self._settle(self._clock.now)
            self._on_change(self._clock.now)

    def _note_breakdown(self) -> None:
        if self._settle(self._clock.now):
            self._on_change(self._clock.now)

    def _settle(self, now: float) -> bool:
        """Tell the pool how many are up; False when that has not changed."""
        up = self._wanted - self.starting
        if self._breakdowns is not None:
            up -= self._breakdowns.failed_among(up)
        if up == self.up:
            return False
        self._bring(float(up), now)
        return True


class Breakdowns:
    """Which of a pool's servers have failed.

    Each server fails and is repaired on its own, from a random stream of its own: how many
    others there are changes nothing for it. One who is not there does not fail.
    """

    __slots__ = (
        "_breakdown",
        "_clock",
        "_failed",
        "_on_change",
        "_stream_of",
        "_streams",
        "_there",
        "_watched",
    )

    def __init__(
        self,
        breakdown: Breakdown,
        clock: Clock,
        stream_of: Callable[[str], np.random.Generator],
        on_change: Callable[[], None],
    ) -> None:
        self._breakdown, self._clock = breakdown, clock
        self._stream_of, self._on_change = stream_of, on_change
        self._streams: list[np.random.Generator] = []
        self._there = 0
        self._failed: set[int] = set()
        self._watched: set[int] = set()
        """Servers whose next failure or repair is on the clock."""

    def failed_among(self, there: int) -> int:
        """How many are failed of the first so many servers, who are there from now on."""
        self._there = there
        for server in range(there):
            if server == len(self._streams):
                self._streams.append(self._stream_of(str(server)))
            if server not in self._watched:
                self._watched.add(server)
                self._after(self._breakdown.uptime, self._fail, server)
        return sum(server < there for server in self._failed)

    def _after(self, delay: Distribution, then: Callable[[int], None], server: int) -> None:
        minutes = float(delay.sample(self._streams[server], 1)[0])
        self._clock.after(minutes, lambda _: then(server))

    def _fail(self, server: int) -> None:
        if server >= self._there:
            # Whoever left before failing begins afresh on coming back, and no event is left over.
            self._watched.discard(server)
            return
        self._failed.add(server)
        self._after(self._breakdown.repair, self._repair, server)
        self._on_change()

    def _repair(self, server: int) -> None:
        self._failed.discard(server)
        self._after(self._breakdown.uptime, self._fail, server)
        self._on_change()
