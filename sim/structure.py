"""From a system to its description: names, flows, tallies and what is known ahead."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.customers import CustomerClass, Route
from sim.description import Calendar, Flow, Place, Stock, SystemDescription, Tally, Team
from sim.epoch import Quantity
from sim.parameters import ARRIVALS, STAFF
from sim.servers import ServerTeam
from sim.system import System


def describe(system: System) -> SystemDescription:
    """What a system says of itself."""
    stocks, flows, tallies = _stocks(system), tuple(_flows(system)), tuple(_tallies(system))
    measures = tuple(_measures(system))
    servers = dict(_server_components(system))
    assigned = [f"{team.name}_assigned" for team in system.teams if team.lever is not None]
    return SystemDescription(
        name=system.name,
        components=(
            *(Quantity(name=stock.name, unit="customers") for stock in stocks),
            *(Quantity(name=tally.name, unit="customers") for tally in tallies),
            *(Quantity(name=name, unit="agents") for name in (*assigned, *servers)),
            Quantity(name="day", unit="kind of day"),
            Quantity(name="epoch", unit="epochs"),
        ),
        outputs=(*(Quantity(name=flow.name, unit="customers") for flow in flows), *measures),
        levers=system.levers,
        parameters=system.parameters,
        epochs=system.events or len(system.boundaries) - 1,
        boundaries=system.boundaries,
        stocks=stocks,
        flows=flows,
        tallies=tallies,
        teams=tuple(
            Team(name=t.name, pool=t.pool, lever=t.lever, queue=f"{t.serves}_waiting")
            for t in system.teams
        ),
        calendar=_calendar(system),
        servers=tuple(servers),
        servers_at_opening=tuple(servers.values()),
        staffing=tuple((pool.name, pool.staffing) for pool in system.pools if pool.staffing),
        places=tuple(_places(system)),
    )


def _teams_of(system: System, name: str) -> list[ServerTeam]:
    return [team for team in system.teams if team.serves == name]


def _stocks(system: System) -> tuple[Stock, ...]:
    """Queues and those who serve them, in the order customers pass them."""
    return tuple(
        stock
        for c in system.classes
        for stock in (
            Stock(name=f"{c.name}_waiting"),
            *(Stock(name=f"{t.name}_busy", team=t.name) for t in _teams_of(system, c.name)),
        )
    )


def _flows(system: System) -> Iterator[Flow]:
    entrances = {target for source in system.arrivals for target in system.targets(source)}
    for c in system.classes:
        queue = f"{c.name}_waiting"
        if c.name in entrances:
            yield Flow(name=f"{c.name}_arrivals", source=None, target=queue)
        if c.patience is not None:
            yield from _ways(system, f"{c.name}_abandoned", queue, c.abandonment_routes)
            yield Flow(name=f"{c.name}_abandoned", source=queue, target=None)
        if may_reject(system, c):
            yield from _ways(system, f"{c.name}_rejected", queue, c.rejection_routes)
            yield Flow(name=f"{c.name}_rejected", source=queue, target=None)
        for team in _teams_of(system, c.name):
            busy = f"{team.name}_busy"
            yield Flow(name=f"{team.name}_started", source=queue, target=busy)
            if system.pool(team.pool).preemption is not None:
                yield Flow(name=f"{team.name}_interrupted", source=busy, target=queue)
            yield from _ways(system, team.name, busy, c.routes)
            yield Flow(name=f"{team.name}_finished", source=busy, target=None)


def may_reject(system: System, customer_class: CustomerClass) -> bool:
    """Whether customers who come to a class may be turned away."""
    return customer_class.may_reject or system.room_of(customer_class.name) is not None


def _ways(system: System, name: str, source: str, routes: tuple[Route, ...]) -> Iterator[Flow]:
    reached = dict.fromkeys(target for route in routes for target in system.targets(route.to))
    for target in reached:
        yield Flow(name=f"{name}_to_{target}", source=source, target=f"{target}_waiting")


def _sources(system: System) -> dict[str, str]:
    """Classes with arrivals of their own, and what their columns' names begin with."""
    classes = [c.name for c in system.classes]
    sources = [source for source in system.arrivals if source in classes]
    is_only = len(system.arrivals) == 1
    return {source: "" if is_only else f"{source}_" for source in sources}


def _tallies(system: System) -> Iterator[Tally]:
    if system.is_event_driven:
        return
    for source, prefix in _sources(system).items():
        for name, resets in (("so_far", False), ("last", True)):
            yield Tally(
                name=f"{prefix}arrived_{name}",
                flow=f"{source}_arrivals",
                resets=resets,
                expected=f"{prefix}expected_{name}",
            )


def _measures(system: System) -> Iterator[Quantity]:
    limited = [pool.name for pool in system.pools if not pool.is_unlimited]
    classes, teams = [c.name for c in system.classes], [t.name for t in system.teams]
    kinds = {
        "wait": ("customer minutes", [f"{name}_wait" for name in classes]),
        "present": ("customer minutes", [f"{name}_present" for name in classes]),
        "busy": ("server minutes", [f"{name}_busy_minutes" for name in teams]),
        "on": ("server minutes", [f"{name}_on_minutes" for name in limited]),
        "overtime": ("server minutes", [f"{name}_overtime_minutes" for name in limited]),
    }
    for kind in system.measures:
        unit, names = kinds[kind]
        yield from (Quantity(name=name, unit=unit, is_count=False) for name in names)
    if any(team.lever for team in system.teams):
        yield Quantity(name="moves", unit="agents")


def _server_components(system: System) -> Iterator[tuple[str, float]]:
    for pool in system.pools:
        if pool.is_flexible:
            yield f"{pool.name}_up", pool.on_duty(0.0)
        if pool.setup is not None:
            yield f"{pool.name}_starting", 0.0


def _places(system: System) -> Iterator[Place]:
    for dispatcher in system.dispatchers:
        for position, target in enumerate(dispatcher.to):
            room = system.room_of(target)
            if dispatcher.lever is not None and room is not None:
                yield Place(
                    lever=dispatcher.lever,
                    level=float(position),
                    stocks=tuple(
                        stock
                        for name in room.classes
                        for stock in (
                            f"{name}_waiting",
                            *(f"{team.name}_busy" for team in _teams_of(system, name)),
                        )
                    ),
                    places=room.places,
                )


def _calendar(system: System) -> Calendar:
    offered = {parameter.name for parameter in system.parameters}

    def scales(kind: str, part: str) -> tuple[str, ...]:
        return tuple(name for name in (kind, f"{part}_{kind}") if name in offered)

    columns: dict[str, np.ndarray] = {}
    scaled_by: list[tuple[str, ...]] = []
    for source, prefix in {} if system.is_event_driven else _sources(system).items():
        expected = system.arrivals[source].expected(system.boundaries)
        so_far = np.cumsum(expected, axis=1) - expected
        columns[f"{prefix}expected_arrivals"] = expected
        columns[f"{prefix}expected_so_far"] = so_far
        columns[f"{prefix}expected_last"] = np.diff(so_far, axis=1, prepend=0.0)
        scaled_by += [scales(ARRIVALS, source)] * 3
    for name, roster in system.rosters.items():
        columns[name] = roster[None, :]
        scaled_by.append(scales(STAFF, name))
    epochs = 1 if system.is_event_driven else len(system.boundaries) - 1
    days = max((len(values) for values in columns.values()), default=1)
    shape = (days, epochs)
    values = [np.broadcast_to(column, shape) for column in columns.values()]
    return Calendar(
        columns=tuple(columns),
        values=np.stack(values, axis=-1).astype(float) if values else np.zeros((*shape, 0)),
        scaled_by=tuple(scaled_by),
    )
