"""The frozen description of a service system: who comes, who serves them, what may be decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Literal

import numpy as np
from jaxtyping import Float

from sim.arrivals import Arrivals
from sim.customers import CustomerClass
from sim.description import Lever, SystemDescription
from sim.epoch import Parameter
from sim.errors import InvalidSettings, suggestion
from sim.parameters import ARRIVALS, HANDLE_TIME, PATIENCE, ROUTE, SCALES, STAFF
from sim.routing import Dispatcher, Room
from sim.servers import Pool, ServerTeam

Measure = Literal["wait", "present", "busy", "on", "overtime"]
MEASURES: dict[Measure, str] = {
    "wait": "customer minutes waiting, by class",
    "present": "customer minutes waiting or in service, by class",
    "busy": "server minutes at work or held by a full room, by team; customer minutes where shared",
    "on": "server minutes up or starting, by pool",
    "overtime": "server minutes at work beyond the roster, by pool",
}
"""Additive statistics that a system may keep beside its flows."""


@dataclass(frozen=True, kw_only=True)
class System:
    """Classes, pools, routes and levers of one system, and when decisions are taken.

    Decisions are taken at `boundaries`, or after every event in episodes of `events` epochs: an
    arrival, an end of service, an abandonment, a server who comes or goes.
    """

    name: str
    arrivals: Mapping[str, Arrivals]
    """By class or dispatcher: who comes from outside."""
    classes: tuple[CustomerClass, ...]
    pools: tuple[Pool, ...]
    teams: tuple[ServerTeam, ...]
    """In a pool that picks by priority, the first listed is the highest."""
    boundaries: tuple[float, ...] = ()
    events: int = 0
    dispatchers: tuple[Dispatcher, ...] = ()
    rooms: tuple[Room, ...] = ()
    levers: tuple[Lever, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    measures: tuple[Measure, ...] = field(default=("wait",))

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise InvalidSettings(*faults)

    def describe(self) -> SystemDescription:
        """What the system says of itself to surrogates and environments."""
        from sim.structure import describe

        return describe(self)

    def with_arrivals(self, arrivals: Arrivals) -> System:
        """The same system with other arrivals, such as one recorded day, to its first source."""
        first = next(iter(self.arrivals))
        return replace(self, arrivals={**self.arrivals, first: arrivals})

    @property
    def is_event_driven(self) -> bool:
        """Whether decisions are taken after every event."""
        return not self.boundaries

    @cached_property
    def rosters(self) -> dict[str, Float[np.ndarray, "epoch"]]:
        """Mean servers on duty in each limited pool, by epoch; one epoch where events decide."""
        return {pool.name: self._roster(pool) for pool in self.pools if not pool.is_unlimited}

    def _roster(self, pool: Pool) -> Float[np.ndarray, "epoch"]:
        schedule = pool.schedule()
        if self.is_event_driven:
            return np.array([schedule[0][1]])
        edges = np.array(self.boundaries)
        starts = np.array([start for start, _ in schedule])
        servers = np.array([number for _, number in schedule])
        cuts = np.union1d(edges, starts[starts < edges[-1]])
        held = servers[np.searchsorted(starts, cuts[:-1], side="right") - 1] * np.diff(cuts)
        total = np.add.reduceat(held, np.searchsorted(cuts, edges[:-1]))
        return np.asarray(total / np.diff(edges))

    def targets(self, name: str) -> tuple[str, ...]:
        """The classes that a route to this class or dispatcher may end in."""
        for dispatcher in self.dispatchers:
            if dispatcher.name == name:
                return dispatcher.to
        return (name,)

    def room_of(self, name: str) -> Room | None:
        """The finite room that a class stands in."""
        return next((room for room in self.rooms if name in room.classes), None)

    def pool(self, name: str) -> Pool:
        """One pool by its name."""
        return next(pool for pool in self.pools if pool.name == name)

    @property
    def scale_names(self) -> tuple[str, ...]:
        """Every parameter that the system can offer."""
        sources = [f"{name}_{ARRIVALS}" for name in self.arrivals]
        work = [f"{c.name}_{HANDLE_TIME}" for c in self.classes]
        patience = [f"{c.name}_{PATIENCE}" for c in self.classes if c.patience]
        staff = [f"{pool.name}_{STAFF}" for pool in self.pools if not pool.is_unlimited]
        routes = [f"{c.name}_to_{r.to}_{ROUTE}" for c in self.classes for r in c.routes]
        return (*SCALES, *sources, *work, *patience, *staff, *routes)

    # What may be wrong; every fault is told at once

    def _faults(self) -> Iterator[str]:
        if bool(self.boundaries) == bool(self.events):
            yield (
                f"{len(self.boundaries)} boundaries and {self.events} events: epochs either end "
                "at given minutes or with events"
            )
        edges = np.array(self.boundaries)
        if len(edges) and not (
            len(edges) > 1 and edges[0] == 0 and np.all(np.diff(edges) > 0) and edges[-1] < np.inf
        ):
            yield f"epoch boundaries {self.boundaries}: at least two, rising from 0, all finite"
        yield from self._repeats()
        yield from self._routing_faults()
        yield from self._team_faults()
        yield from self._pool_faults()
        yield from self._room_faults()
        yield from self._lever_faults()
        for parameter in self.parameters:
            yield from _unknown("unknown parameter", parameter.name, self.scale_names)
        for measure in self.measures:
            yield from _unknown("unknown measure", measure, MEASURES)

    def _repeats(self) -> Iterator[str]:
        places = [*(c.name for c in self.classes), *(d.name for d in self.dispatchers)]
        for kind, names in (
            ("class", places),
            ("pool", [p.name for p in self.pools]),
            ("team", [t.name for t in self.teams]),
            ("room", [r.name for r in self.rooms]),
            ("lever", [lever.name for lever in self.levers]),
            ("parameter", [p.name for p in self.parameters]),
        ):
            for name in dict.fromkeys(names):
                if names.count(name) > 1:
                    yield f"{kind} {name!r} is given twice: each needs its own name"

    def _routing_faults(self) -> Iterator[str]:
        classes = [c.name for c in self.classes]
        places = [*classes, *(d.name for d in self.dispatchers)]
        if not self.arrivals:
            yield "nobody comes: give arrivals to a class"
        for source in self.arrivals:
            yield from _unknown("arrivals to unknown class", source, places)
        yield from self._endless_rejections()
        for c in self.classes:
            for route in c.all_routes:
                yield from _unknown(f"class {c.name!r} routes to unknown class", route.to, places)
        for dispatcher in self.dispatchers:
            for target in dispatcher.to:
                yield from _unknown(
                    f"dispatcher {dispatcher.name!r} sends to unknown class", target, classes
                )

    def _endless_rejections(self) -> Iterator[str]:
        """Classes between which customers are turned away for ever, in no time at all."""
        onward = {
            c.name: {name for route in c.rejection_routes for name in self.targets(route.to)}
            for c in self.classes
        }
        try:
            TopologicalSorter(onward).prepare()
        except CycleError as error:
            round_trip = " to ".join(repr(name) for name in reversed(error.args[1]))
            yield (
                f"those turned away go from class {round_trip} at once and without end: let them "
                "wait in a class of an unlimited pool first"
            )

    def _team_faults(self) -> Iterator[str]:
        classes = [c.name for c in self.classes]
        pools = [p.name for p in self.pools]
        for team in self.teams:
            yield from _unknown(f"team {team.name!r} serves unknown class", team.serves, classes)
            yield from _unknown(f"team {team.name!r} is of unknown pool", team.pool, pools)
        for name in classes:
            if all(team.serves != name for team in self.teams):
                yield f"class {name!r} is served by no team"

    def _pool_faults(self) -> Iterator[str]:
        for pool in self.pools:
            mine = [team for team in self.teams if team.pool == pool.name]
            rest = [team.name for team in mine if team.lever is None]
            if not mine:
                yield f"pool {pool.name!r} has no team"
            elif len(rest) < len(mine) and len(rest) != 1:
                yield (
                    f"pool {pool.name!r} has teams sized by levers: exactly one team without a "
                    f"lever, not {rest}"
                )
            if len(rest) < len(mine) and (pool.is_shared or pool.is_unlimited):
                yield f"pool {pool.name!r} is shared or unlimited: no lever sizes its teams"
            for order in pool.orders:
                if sorted(order) != sorted(team.name for team in mine):
                    yield f"pool {pool.name!r}: order {order} must list each of its teams once"
            if pool.preemption and pool.picks not in ("stay", "priority"):
                yield f"pool {pool.name!r}: preemption goes by priority, not by {pool.picks!r}"
            if pool.preemption and self._leads_to_blocking_room(mine):
                yield (
                    f"pool {pool.name!r} is preempted and may be blocked by a full room: a blocked "
                    "server cannot drop its customer; let the room lose customers instead"
                )

    def _leads_to_blocking_room(self, teams: list[ServerTeam]) -> bool:
        served = {team.serves for team in teams}
        onward = (r.to for c in self.classes if c.name in served for r in c.routes)
        rooms = (self.room_of(target) for name in onward for target in self.targets(name))
        return any(room is not None and room.when_full == "block" for room in rooms)

    def _room_faults(self) -> Iterator[str]:
        classes = [c.name for c in self.classes]
        for room in self.rooms:
            for name in room.classes:
                yield from _unknown(f"room {room.name!r} holds unknown class", name, classes)
        for name in classes:
            if sum(name in room.classes for room in self.rooms) > 1:
                yield f"class {name!r} stands in two rooms"

    def _lever_faults(self) -> Iterator[str]:
        used: dict[str, str] = {}
        for what, name, decides in self._lever_uses():
            yield from _unknown(
                f"{what} has unknown lever", name, [lever.name for lever in self.levers]
            )
            used[name] = decides
        for lever in self.levers:
            if lever.name not in used:
                yield f"lever {lever.name!r} decides nothing: name it in a team, or drop it"
            elif lever.decides != used[lever.name]:
                yield (
                    f"lever {lever.name!r} decides {lever.decides!r} and is used for "
                    f"{used[lever.name]!r}"
                )
        yield from self._position_faults()

    def _position_faults(self) -> Iterator[str]:
        choices = {p.order: len(p.orders) for p in self.pools if p.order}
        choices |= {d.lever: len(d.to) for d in self.dispatchers if d.lever}
        for lever in self.levers:
            for level in lever.levels if lever.name in choices else ():
                if level not in range(choices[lever.name]):
                    yield (
                        f"lever {lever.name!r} offers {level:g}: a position from 0 to "
                        f"{choices[lever.name] - 1}"
                    )

    def _lever_uses(self) -> Iterator[tuple[str, str, str]]:
        for team in self.teams:
            if team.lever is not None:
                yield f"team {team.name!r}", team.lever, "share"
        for pool in self.pools:
            if pool.staffing is not None:
                yield f"pool {pool.name!r}", pool.staffing, "servers"
            if pool.order is not None:
                yield f"pool {pool.name!r}", pool.order, "order"
        for dispatcher in self.dispatchers:
            if dispatcher.lever is not None:
                yield f"dispatcher {dispatcher.name!r}", dispatcher.lever, "route"
        for c in self.classes:
            if c.admission is not None:
                yield f"class {c.name!r}", c.admission, "admission"


def _unknown(what: str, name: str, known: Iterable[str]) -> Iterator[str]:
    if name not in known:
        yield f"{what} {name!r}{suggestion(name, known)}"
