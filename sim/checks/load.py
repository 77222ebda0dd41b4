"""Offered load against capacity, before anything is simulated.

Routes say how many customers each class gets, and who may serve it says to whom the work can go.
The least load of the busiest pool, over all ways of sharing out the work, is the value of the
static planning problem (Harrison and Lopez 1999): below 1 some policy can keep up, above 1 none.
Nobody is counted as leaving before service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from sim.errors import UnstableSystem
from sim.parameters import ARRIVALS, HANDLE_TIME, ROUTE, STAFF, Scales
from sim.servers import Pool, ServerTeam
from sim.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedLoad:
    """Work that comes, over work that can be done, where that is tightest."""

    utilisation: float
    """Of the busiest pools when work is shared out as well as may be."""
    pools: tuple[str, ...]
    """The pools that cannot be relieved."""


def mean_load(system: System) -> OfferedLoad:
    """The load on average: over the day, or in the long run where epochs end with events."""
    if system.is_event_driven:
        return offered_load(system, _long_run_rates(system), _capacities(system, None))
    rates = {
        name: float(process.expected(system.boundaries).mean(axis=0).sum() / system.boundaries[-1])
        for name, process in system.arrivals.items()
    }
    return offered_load(system, _scaled(system, rates), _capacities(system, None))


def busiest_epoch(system: System) -> OfferedLoad:
    """The load of the epoch in which it is greatest, on the busiest kind of day."""
    minutes = np.diff(np.asarray(system.boundaries))
    rates = {name: _busiest_day(system, name) / minutes for name in system.arrivals}
    loads = [
        offered_load(
            system,
            _scaled(system, {name: float(rate[epoch]) for name, rate in rates.items()}),
            _capacities(system, epoch),
        )
        for epoch in range(len(minutes))
    ]
    return max(loads, key=lambda load: load.utilisation)


def _busiest_day(system: System, name: str) -> Float[np.ndarray, "epoch"]:
    days = system.arrivals[name].expected(system.boundaries)
    return np.asarray(days[int(days.sum(axis=1).argmax())])


def _long_run_rates(system: System) -> dict[str, float]:
    rates = {name: process.mean_rate for name, process in system.arrivals.items()}
    return _scaled(system, rates)


def nominal_scales(system: System) -> Scales:
    """The factors in force when nothing is said."""
    return Scales({p.name: p.nominal for p in system.parameters})


def _scaled(system: System, rates: Mapping[str, float]) -> dict[str, float]:
    scales = nominal_scales(system)
    return {name: rate * scales.of(ARRIVALS, name) for name, rate in rates.items()}


def _capacities(system: System, epoch: int | None) -> dict[str, float]:
    """Servers of each limited pool in one epoch, or on average."""
    minutes = np.ones(1) if system.is_event_driven else np.diff(np.asarray(system.boundaries))
    found = {}
    for name, roster in system.rosters.items():
        pool = system.pool(name)
        on_duty = np.average(roster, weights=minutes) if epoch is None else roster[epoch]
        servers = float(on_duty) * nominal_scales(system).of(STAFF, name)
        found[name] = _most_ordered(system, pool, servers) * _availability(pool)
    return found


def _most_ordered(system: System, pool: Pool, servers: float) -> float:
    levels = [max(lever.levels) for lever in system.levers if lever.name == pool.staffing]
    return levels[0] if levels else servers


def _availability(pool: Pool) -> float:
    if pool.breakdown is None:
        return 1.0
    up, down = pool.breakdown.uptime.mean, pool.breakdown.repair.mean
    return up / (up + down)


def offered_load(
    system: System, rates: Mapping[str, float], capacities: Mapping[str, float]
) -> OfferedLoad:
    """The static planning problem for arrivals a minute by source, and servers by limited pool.

    Raises UnstableSystem when customers go round for ever, so that no rate is enough.
    """
    problem = _Planning(system, rates)
    matrix, right = problem.balance()
    work = problem.work(capacities)
    goal = np.zeros(problem.size)
    goal[-1] = 1.0
    found = linprog(goal, work, np.zeros(len(work)), matrix, right, method="highs")
    if found.fun is None:
        raise UnstableSystem(
            "customers go round for ever: let some leave, with routes whose probabilities sum to "
            "less than 1"
        )
    tight = found.ineqlin.marginals < -1e-9
    names = [name for name, is_tight in zip(capacities, tight, strict=True) if is_tight]
    return OfferedLoad(utilisation=float(found.fun), pools=tuple(names))


class _Planning:
    """Unknown: customers a minute of each team, those a dispatcher sends each way, and the load."""

    def __init__(self, system: System, rates: Mapping[str, float]) -> None:
        self._system, self._rates = system, rates
        self._teams = list(system.teams)
        self._ways = [(d.name, to) for d in system.dispatchers for to in d.to]
        self.size = len(self._teams) + len(self._ways) + 1
        self._scales = nominal_scales(system)

    def balance(
        self,
    ) -> tuple[Float[np.ndarray, "equation unknown"], Float[np.ndarray, "equation"]]:
        """What comes to a class is served, and what comes to a dispatcher is sent on."""
        rows = [*self._class_rows(), *self._dispatcher_rows(), *self._turn_rows()]
        return np.array([row for row, _ in rows]), np.array([rate for _, rate in rows])

    def _class_rows(self) -> Iterator[tuple[Float[np.ndarray, "unknown"], float]]:
        for c in self._system.classes:
            row = self._served(c.name) - self._routed_to(c.name)
            row -= self._sent(to=c.name)
            yield row, self._rates.get(c.name, 0.0)

    def _dispatcher_rows(self) -> Iterator[tuple[Float[np.ndarray, "unknown"], float]]:
        for d in self._system.dispatchers:
            row = self._sent(by=d.name) - self._routed_to(d.name)
            yield row, self._rates.get(d.name, 0.0)

    def _turn_rows(self) -> Iterator[tuple[Float[np.ndarray, "unknown"], float]]:
        for d in self._system.dispatchers:
            for to in d.to[1:] if d.rule == "round_robin" else ():
                yield self._sent(by=d.name, to=to) - self._sent(by=d.name, to=d.to[0]), 0.0

    def _served(self, name: str) -> Float[np.ndarray, "unknown"]:
        row = np.zeros(self.size)
        for position, team in enumerate(self._teams):
            row[position] = float(team.serves == name)
        return row

    def _sent(
        self, *, by: str | None = None, to: str | None = None
    ) -> Float[np.ndarray, "unknown"]:
        row = np.zeros(self.size)
        for position, (dispatcher, target) in enumerate(self._ways, start=len(self._teams)):
            row[position] = float(by in (None, dispatcher) and to in (None, target))
        return row

    def _routed_to(self, name: str) -> Float[np.ndarray, "unknown"]:
        row = np.zeros(self.size)
        for c in self._system.classes:
            for route in c.routes:
                if route.to == name:
                    scale = self._scales.of(ROUTE, f"{c.name}_to_{name}")
                    row += self._served(c.name) * min(route.probability * scale, 1.0)
        return row

    def work(self, capacities: Mapping[str, float]) -> Float[np.ndarray, "pool unknown"]:
        """Servers at work in each limited pool, less the load times those there are."""
        rows = np.zeros((len(capacities), self.size))
        for row, (pool, servers) in zip(rows, capacities.items(), strict=True):
            for position, team in enumerate(self._teams):
                if team.pool == pool:
                    row[position] = self._service(team)
            # Where nobody is on duty the load is as good as infinite.
            row[-1] = -max(servers, 1e-9)
        return rows

    def _service(self, team: ServerTeam) -> float:
        served = next(c for c in self._system.classes if c.name == team.serves)
        return served.service.mean * self._scales.of(HANDLE_TIME, served.name) / team.speed
