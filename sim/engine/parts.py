"""A system put together for one episode: a part of the right class for everything in it."""

from __future__ import annotations

import numpy as np

from sim.customers import CustomerClass, Route
from sim.description import SystemDescription
from sim.engine.clock import Clock
from sim.engine.dispatch import DISPATCHES, Decided, InTurn, Shortest
from sim.engine.doors import Destination, Exits, PlacesAtWork, throws
from sim.engine.lines import GuardedLine, Line, WatchedLine
from sim.engine.marks import MarkBook, scaled_routes
from sim.engine.pools import RANKS, PoolAtWork, PriorityPool, RankedPool
from sim.engine.preemption import InterruptingPool, PreemptibleTeam, PreemptivePool
from sim.engine.sharing import SharedPool, SharingTeam
from sim.engine.sources import Source
from sim.engine.staff import FlexibleStaff, Staff
from sim.engine.teams import TeamAtWork
from sim.parameters import ARRIVALS, Scales
from sim.servers import Pool, ServerTeam
from sim.streams import stream
from sim.structure import may_reject
from sim.system import System


class Parts:
    """What is at work in one episode of a system, by name, on one clock."""

    def __init__(
        self, system: System, description: SystemDescription, seed: int, scales: Scales
    ) -> None:
        self._system, self._seed, self._scales = system, seed, scales
        self._flow_at = {flow.name: i for i, flow in enumerate(description.flows)}
        self._book = MarkBook(system, seed, scales)
        self.clock = Clock()
        self.flows = [0] * len(description.flows)
        """Customers counted since the epoch began, by flow."""
        self.lines = {c.name: self._line(i, c) for i, c in enumerate(system.classes)}
        self.pools = {pool.name: self._pool(pool) for pool in system.pools}
        self.teams = {team.name: self._team(team) for team in system.teams}
        fills = {team: fill for p in self.pools.values() for team, fill in p.fills.items()}
        self._fills = [fills[team] for team in self.teams.values() if team in fills]
        self.dispatchers: dict[str, Shortest | InTurn | Decided] = {
            d.name: DISPATCHES[d.rule]([self.lines[name] for name in d.to])
            for d in system.dispatchers
        }
        self._destinations: dict[str, Destination] = {**self.lines, **self.dispatchers}
        for c in system.classes:
            self._connect(c, self.lines[c.name])
        self._furnish_rooms()
        self.staff = {pool.name: self._staff(pool) for pool in system.pools}
        self.day = max(self._let_in(source) for source in system.arrivals)
        """The kind of day."""

    def put_to_work(self, now: float) -> None:
        """Give free servers whoever waits for them, teams in the order listed."""
        for fill in self._fills:
            fill(now)

    def note_servers_changed(self, now: float) -> None:
        """Answer a server who came or went between two decisions."""
        self.clock.happened = True
        self.put_to_work(now)

    # Lines, and where they lead

    def _line(self, position: int, c: CustomerClass) -> Line:
        is_guarded = may_reject(self._system, c)
        kind = GuardedLine if is_guarded else WatchedLine if self._is_watched(c) else Line
        line = kind(position, c.order, self.clock, self.flows, is_impatient=c.patience is not None)
        if position in self._book.revisited:
            line.visits = self._book.visits(position)
        line.arrivals_flow = self._flow_at.get(f"{c.name}_arrivals", -1)
        line.abandoned_flow = self._flow_at.get(f"{c.name}_abandoned", -1)
        return line

    def _is_watched(self, c: CustomerClass) -> bool:
        """Whether anything depends on the moment at which somebody gives up."""
        system = self._system
        is_joined = any(c.name in d.to and d.rule == "shortest" for d in system.dispatchers)
        pools = [system.pool(team.pool) for team in system.teams if team.serves == c.name]
        is_counted = any(pool.preemption or pool.picks == "longest_queue" for pool in pools)
        return c.patience is not None and (
            system.is_event_driven or is_joined or is_counted or bool(c.abandonment_routes)
        )

    def _connect(self, c: CustomerClass, line: Line) -> None:
        line.exits += [self._destinations[route.to] for route in c.routes]
        line.onward_flows = {
            reason: self._onward(f"{c.name}_{reason}") for reason in ("abandoned", "rejected")
        }
        if isinstance(line, WatchedLine):
            line.abandonment = self._exits(c, "abandonment", c.abandonment_routes)
        if isinstance(line, GuardedLine):
            line.rejection = self._exits(c, "rejection", c.rejection_routes)
            line.rejected_flow = self._flow_at[f"{c.name}_rejected"]
            line.balking = c.balking
            line.throw = throws(stream(self._seed, "doors", c.name))

    def _exits(self, c: CustomerClass, reason: str, routes: tuple[Route, ...]) -> Exits | None:
        if not routes:
            return None
        limits = np.cumsum(scaled_routes(c.name, routes, self._scales))
        random = stream(self._seed, f"{reason}_route", c.name)
        return Exits([self._destinations[route.to] for route in routes], limits, random)

    def _onward(self, prefix: str) -> dict[int, int]:
        """By position of the next class, the flow of those who go there."""
        named = {f"{prefix}_to_{name}": line.position for name, line in self.lines.items()}
        return {position: self._flow_at[n] for n, position in named.items() if n in self._flow_at}

    def _furnish_rooms(self) -> None:
        for room in self._system.rooms:
            places = PlacesAtWork(room.places, holds_servers=room.when_full == "block")
            for name in room.classes:
                self.lines[name].room = places

    # Servers

    def _pool(self, pool: Pool) -> PoolAtWork:
        is_by_priority = pool.picks == "priority" or pool.order is not None
        if pool.is_shared:
            return SharedPool(self.clock)
        if pool.preemption is not None:
            kind = PreemptivePool if is_by_priority else InterruptingPool
            return kind(is_repeated=pool.preemption == "repeat")
        if is_by_priority:
            return PriorityPool()
        return RankedPool(RANKS[pool.picks]) if pool.picks in RANKS else PoolAtWork()

    def _team(self, team: ServerTeam) -> TeamAtWork:
        pool, line = self.pools[team.pool], self.lines[team.serves]
        kind = (
            SharingTeam
            if isinstance(pool, SharedPool)
            else PreemptibleTeam
            if isinstance(pool, InterruptingPool)
            else TeamAtWork
        )
        built = kind(team, line, pool, self.clock, self.flows)
        built.started_flow = self._flow_at[f"{team.name}_started"]
        built.finished_flow = self._flow_at[f"{team.name}_finished"]
        built.interrupted_flow = self._flow_at.get(f"{team.name}_interrupted", -1)
        built.onward_flows = self._onward(team.name)
        pool.teams.append(built)
        line.teams.append(built)
        if isinstance(pool, PreemptivePool):
            line.may_interrupt.append(built)
        return built

    def _staff(self, pool: Pool) -> Staff:
        at_work = self.pools[pool.name]
        if pool.setup is None and pool.breakdown is None:
            return Staff(at_work)
        return FlexibleStaff(at_work, self.clock, pool, self._seed, self.note_servers_changed)

    # Arrivals

    def _let_in(self, name: str) -> int:
        """Let the customers of one source in; returns the kind of day on which they come."""
        purpose = ("arrivals",) if len(self._system.arrivals) == 1 else ("arrivals", name)
        random, scale = stream(self._seed, *purpose), self._scales.of(ARRIVALS, name)
        arrivals = self._system.arrivals[name].begin(random, scale)
        marks, destination = self._book.blocks(name), self._destinations[name]
        Source(arrivals, marks, destination, self.clock, self.flows)
        return arrivals.day
