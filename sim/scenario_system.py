"""From the form of a scenario file to the system that it describes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import numpy as np

from sim.arrivals import PoissonArrivals
from sim.choices import faults_of
from sim.customers import Balking, CustomerClass, Route
from sim.description import Decides, Lever
from sim.epoch import Parameter
from sim.errors import InvalidSettings, InvalidSystem, SurrogymError
from sim.routing import Dispatcher, Room
from sim.scenario_file import (
    BoxSettings,
    BreakSettings,
    ClassSettings,
    LeverSettings,
    PoolSettings,
    ScenarioFile,
)
from sim.servers import Break, Breakdown, Pool, ServerTeam
from sim.system import System

Given = TypeVar("Given")
Made = TypeVar("Made")
_DAY = 24 * 60


def build_system(parsed: ScenarioFile) -> System:
    """The system of a scenario file. Raises InvalidSettings with every fault of its parts.

    Where volumes are to be learnt its arrivals are a stand-in, for without customers no system is
    whole.
    """
    workshop = _Workshop()
    make, decides = workshop.make, _decisions(parsed)
    boundaries = make(_boundaries, (parsed,))
    classes = make(_customer_class, parsed.classes)
    pools = make(lambda named: _pool(*named, parsed), parsed.pools.items())
    teams = make(lambda team: ServerTeam(**team.model_dump()), parsed.teams)
    dispatchers = make(lambda one: Dispatcher(**one.model_dump()), parsed.dispatchers)
    rooms = make(lambda room: Room(**room.model_dump()), parsed.rooms)
    levers = make(lambda lever: _lever(parsed, lever, decides), parsed.levers)
    parameters = make(_parameter, parsed.parameters.items())
    workshop.refuse_faults()
    return System(
        name=parsed.name,
        arrivals=parsed.arrivals or {classes[0].name: PoissonArrivals(rate=1.0)},
        classes=classes,
        pools=pools,
        teams=teams,
        boundaries=boundaries[0],
        events=parsed.epochs.events or 0,
        dispatchers=dispatchers,
        rooms=rooms,
        levers=levers,
        parameters=parameters,
        measures=parsed.measures,
    )


class _Workshop:
    """Makes part after part and keeps what is wrong until all have been tried."""

    def __init__(self) -> None:
        self._faults: list[str] = []

    def make(self, build: Callable[[Given], Made], given: Iterable[Given]) -> tuple[Made, ...]:
        made = []
        for one in given:
            try:
                made.append(build(one))
            except SurrogymError as error:
                self._faults += faults_of(error)
        return tuple(made)

    def refuse_faults(self) -> None:
        if self._faults:
            raise InvalidSettings(*self._faults)


def _opening(parsed: ScenarioFile) -> str:
    if parsed.volumes is not None:
        return parsed.volumes.opening
    return "00:00" if parsed.day is None else parsed.day.opening


def _minutes_open(parsed: ScenarioFile) -> float:
    """From opening to close; without end where events end an episode."""
    if parsed.volumes is not None:
        return float(parsed.volumes.slots * parsed.volumes.slot_minutes)
    return np.inf if parsed.day is None else parsed.day.minutes


def _boundaries(parsed: ScenarioFile) -> tuple[float, ...]:
    """Epochs of equal length; what remains at the end makes the last one longer."""
    minutes, close = parsed.epochs.minutes, _minutes_open(parsed)
    if minutes is None:
        return ()
    if parsed.volumes is not None and minutes % parsed.volumes.slot_minutes:
        raise InvalidSystem(
            f"epochs.minutes = {minutes:g}: a multiple of volumes.slot_minutes "
            f"({parsed.volumes.slot_minutes})"
        )
    if minutes > close:
        raise InvalidSystem(f"epochs.minutes = {minutes:g}: at most the whole day ({close:g})")
    return (*(minutes * k for k in range(int(close // minutes))), close)


def _decisions(parsed: ScenarioFile) -> dict[str, Decides]:
    """What each lever decides, by where it is named."""
    found: dict[str, Decides] = {}
    found |= {team.lever: "share" for team in parsed.teams if team.lever}
    found |= {pool.staffing: "servers" for pool in parsed.pools.values() if pool.staffing}
    found |= {pool.order: "order" for pool in parsed.pools.values() if pool.order}
    found |= {d.lever: "route" for d in parsed.dispatchers if d.lever}
    found |= {c.admission: "admission" for c in parsed.classes if c.admission}
    return found


def _lever(parsed: ScenarioFile, lever: LeverSettings, decides: dict[str, Decides]) -> Lever:
    levels = lever.levels
    if not levels:
        choices = {p.order: len(p.orders) for p in parsed.pools.values()}
        choices |= {d.lever: len(d.to) for d in parsed.dispatchers}
        levels = tuple(float(position) for position in range(choices.get(lever.name, 0)))
    if not levels:
        raise InvalidSystem(f"lever {lever.name!r} has no levels: give those that may be chosen")
    return Lever(name=lever.name, levels=levels, decides=decides.get(lever.name, "share"))


def _parameter(named: tuple[str, BoxSettings]) -> Parameter:
    name, box = named
    return Parameter(name=name, unit="factor", low=box.low, high=box.high, nominal=1.0)


def _customer_class(parsed: ClassSettings) -> CustomerClass:
    return CustomerClass(
        name=parsed.name,
        service=parsed.service,
        patience=parsed.patience,
        routes=_routes(parsed.routes),
        abandonment_routes=_routes(parsed.abandonment_routes),
        rejection_routes=_routes(parsed.rejection_routes),
        balking=tuple(Balking(**door.model_dump()) for door in parsed.balking),
        order=parsed.order,
        admission=parsed.admission,
    )


def _routes(parsed: dict[str, float]) -> tuple[Route, ...]:
    return tuple(Route(to=to, probability=p) for to, p in parsed.items())


def _pool(name: str, pool: PoolSettings, parsed: ScenarioFile) -> Pool:
    breakdown = pool.breakdown
    return Pool(
        name=name,
        shifts=_shifts(name, pool, parsed),
        breaks=tuple(_break(one, parsed) for one in pool.breaks),
        picks=pool.picks,
        preemption=pool.preemption,
        is_shared=pool.shared,
        setup=pool.setup,
        breakdown=None
        if breakdown is None
        else Breakdown(uptime=breakdown.uptime, repair=breakdown.repair),
        staffing=pool.staffing,
        order=pool.order,
        orders=pool.orders,
    )


def _shifts(name: str, pool: PoolSettings, parsed: ScenarioFile) -> tuple[tuple[float, float], ...]:
    if pool.shifts is None:
        assert pool.servers is not None
        return ((0.0, _number(pool.servers)),)
    opening, close = _opening(parsed), _minutes_open(parsed)
    starts = [_minutes(start, opening) for start, _ in pool.shifts]
    if not starts or starts[0] != 0 or not np.all(np.diff(starts) > 0) or starts[-1] >= close:
        given = ", ".join(f"{start}" for start, _ in pool.shifts)
        raise InvalidSystem(
            f"pools.{name}: shifts from {given}: they must begin at opening ({opening}), follow "
            f"in order and begin before close ({close:g} minutes later)"
        )
    return tuple(
        (start, _number(number)) for start, (_, number) in zip(starts, pool.shifts, strict=True)
    )


def _number(servers: int | str) -> float:
    return np.inf if servers == "unlimited" else float(servers)


def _break(parsed: BreakSettings, scenario: ScenarioFile) -> Break:
    start = _minutes(parsed.start, _opening(scenario))
    return Break(start=start, minutes=parsed.minutes, servers=parsed.servers)


def _minutes(moment: str | float, opening: str) -> float:
    """Minutes after opening of a time of day, the first after it; a number is minutes already."""
    if not isinstance(moment, str):
        return moment
    hours, minutes = moment.split(":")
    opens, past = opening.split(":")
    return float((60 * (int(hours) - int(opens)) + int(minutes) - int(past)) % _DAY)
