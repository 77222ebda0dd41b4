"""One episode of a system, run from decision to decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from jaxtyping import Float
from simpy.events import Event

from sim.description import SystemDescription
from sim.engine.counting import Counting
from sim.engine.dispatch import Decided
from sim.engine.lines import GuardedLine
from sim.engine.parts import Parts
from sim.engine.pools import PriorityPool
from sim.engine.teams import TeamAtWork
from sim.parameters import STAFF, Scales
from sim.servers import Pool
from sim.system import System

Effect = Callable[[float], None]
"""What a level of a lever sets in motion."""


class Engine:
    """One episode of a system under one seed and one set of parameters."""

    def __init__(
        self, system: System, description: SystemDescription, seed: int, values: dict[str, float]
    ) -> None:
        self._system, self._scales = system, Scales(values)
        self._parts = parts = Parts(system, description, seed, self._scales)
        self._clock = parts.clock
        self._counting = Counting(system, description, parts)
        self._lever_at = {lever.name: i for i, lever in enumerate(system.levers)}
        self._effects = [(self._lever_at[name], effect) for name, effect in self._list_effects()]
        self._decided: list[float] | None = None
        sized = {team.pool for team in system.teams if team.lever is not None}
        self._sized = [at_work for name, at_work in parts.pools.items() if name in sized]
        self._told = [
            (parts.staff[pool.name], pool.setup is not None)
            for pool in system.pools
            if pool.is_flexible
        ]
        self._shares = [team for team in parts.teams.values() if team.share is not None]
        # Where events decide, every change of shift is an event.
        self._asked = [p for p in system.pools if p.staffing or not system.is_event_driven]
        self._expect_shifts()
        for pool in system.pools:
            parts.staff[pool.name].open(self._scheduled(pool))
            parts.pools[pool.name].resize(0.0)

    @property
    def now(self) -> float:
        """Minutes since opening."""
        return float(self._clock.now)

    @property
    def day(self) -> int:
        """The kind of day."""
        return self._parts.day

    # Epochs

    def begin_epoch(self, decision: Float[np.ndarray, "lever"]) -> None:
        """Apply a decision and begin to count."""
        now = self._clock.now
        self._counting.begin(now)
        decided: list[float] = decision.tolist()
        is_new = decided != self._decided
        self._decided = decided
        # A decision that stays in force changes nothing.
        if is_new or not self._system.is_event_driven:
            self._apply(decided, now, is_new=is_new)

    def end_epoch(self, time: float) -> None:
        """Run to `time`."""
        self._clock.run(until=time)
        for line in self._parts.lines.values():
            line.settle(time)

    def end_with_event(self) -> bool:
        """Run until something happens; False when nothing will happen any more."""
        return self._clock.run_until_something_happens()

    @property
    def flows(self) -> list[int]:
        """Customers counted since the epoch began, by flow."""
        return self._parts.flows

    def measures(self) -> list[float]:
        """Times spent since the epoch began, in the order of the system's measures."""
        return self._counting.measures(self._clock.now)

    # The state

    def stocks(self) -> list[int]:
        """Customers in every stock, in the order of the description."""
        return self._counting.stocks()

    def assigned(self) -> list[float]:
        """Agents of each team that a lever sizes."""
        return [team.size for team in self._shares]

    def servers(self) -> list[float]:
        """Servers who are up and starting, in pools where no shift says so."""
        found: list[float] = []
        for staff, starts in self._told:
            found.append(staff.up)
            if starts:
                found.append(float(staff.starting))
        return found

    # Decisions

    def _apply(self, decided: list[float], now: float, *, is_new: bool) -> None:
        if is_new:
            for lever, effect in self._effects:
                effect(decided[lever])
        for pool in self._asked:
            self._order_servers(pool, decided, now)
        if is_new:
            for at_work in self._sized:
                at_work.resize(now)
        self._parts.put_to_work(now)

    def _order_servers(self, pool: Pool, decided: list[float], now: float) -> None:
        number = (
            self._scheduled(pool)
            if pool.staffing is None
            else decided[self._lever_at[pool.staffing]]
        )
        staff = self._parts.staff[pool.name]
        if number != staff.paid:
            staff.order(number, now)

    def _list_effects(self) -> Iterator[tuple[str, Effect]]:
        """By lever what its levels set in motion, but for the servers ordered."""
        parts, system = self._parts, self._system
        for team in system.teams:
            if team.lever is not None:
                yield team.lever, partial(_set_share, parts.teams[team.name])
        for pool in system.pools:
            at_work = parts.pools[pool.name]
            if pool.order is not None:
                assert isinstance(at_work, PriorityPool)
                orders = [[parts.teams[name] for name in order] for order in pool.orders]
                yield pool.order, partial(_set_order, at_work, orders)
        for dispatcher in system.dispatchers:
            dispatch = parts.dispatchers[dispatcher.name]
            if dispatcher.lever is not None:
                assert isinstance(dispatch, Decided)
                yield dispatcher.lever, partial(_set_choice, dispatch)
        for c in system.classes:
            line = parts.lines[c.name]
            if c.admission is not None:
                assert isinstance(line, GuardedLine)
                yield c.admission, partial(_set_admission, line)

    # Shifts

    def _scheduled(self, pool: Pool) -> float:
        number = pool.on_duty(self._clock.now)
        return (
            number if np.isinf(number) else float(round(number * self._scales.of(STAFF, pool.name)))
        )

    def _expect_shifts(self) -> None:
        """Expect the changes of shift that do not come with an epoch."""
        edges = {0.0, *self._system.boundaries}
        for pool in self._system.pools:
            for moment, _ in pool.schedule() if pool.staffing is None else ():
                if moment not in edges:
                    self._clock.after(moment, partial(self._change_shift, pool))

    def _change_shift(self, pool: Pool, _event: Event) -> None:
        now = self._clock.now
        staff, number = self._parts.staff[pool.name], self._scheduled(pool)
        if number != staff.paid:
            staff.order(number, now)
            self._parts.note_servers_changed(now)


def _set_share(team: TeamAtWork, level: float) -> None:
    team.share = level


def _set_order(pool: PriorityPool, orders: list[list[TeamAtWork]], level: float) -> None:
    pool.order = orders[int(level)]


def _set_choice(dispatch: Decided, level: float) -> None:
    dispatch.choice = int(level)


def _set_admission(line: GuardedLine, level: float) -> None:
    line.admitted = level
