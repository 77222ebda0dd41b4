"""Open networks of queues whose stations behave as if they were alone (Jackson 1957, 1963)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from sim.analytic.delay import erlang_c_mean_queue
from sim.analytic.stability import refuse_if_negative, refuse_unless_positive
from sim.errors import InvalidSystem, UnstableSystem, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class JacksonStation:
    """A station with one queue, Poisson arrivals from outside and exponential service."""

    name: str
    service_rate: float
    servers: int | None = 1
    """None for a delay that serves everybody at once; its service may have any law."""
    arrival_rate: float = 0.0
    """From outside, per minute."""
    routes: Mapping[str, float] = field(default_factory=dict)
    """Probability of going on to each station; with what is missing to 1 a customer leaves."""

    def __post_init__(self) -> None:
        refuse_unless_positive(service_rate=self.service_rate, servers=self.servers or 1)
        refuse_if_negative(arrival_rate=self.arrival_rate)
        probabilities = self.routes.values()
        if not all(0 <= probability <= 1 for probability in probabilities):
            raise InvalidSystem(
                f"routes from station {self.name!r} are {dict(self.routes)}: 0 to 1"
            )
        if sum(probabilities) > 1 + 1e-12:
            raise InvalidSystem(
                f"routes from station {self.name!r} add up to {sum(probabilities):g}: at most 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class StationAverages:
    """What holds on average at one station of a stationary network."""

    name: str
    throughput: float
    """Customers per minute, from outside and from other stations."""
    utilisation: float
    """Share of their time for which servers serve; 0 for a delay, which has no servers."""
    mean_number: float
    """Mean number of customers waiting or in service."""
    mean_sojourn: float
    """Mean minutes of one visit; 0 where nobody comes."""


def jackson_network(stations: Sequence[JacksonStation]) -> tuple[StationAverages, ...]:
    """Averages of every station of an open network, in the order given.

    Raises UnstableSystem for a station that cannot keep up, by its name, and InvalidSystem for an
    unknown route or customers who can never leave.
    """
    routing = _routing(stations)
    _refuse_a_trap(stations, routing)
    coming = np.array([station.arrival_rate for station in stations])
    throughputs = np.linalg.solve(np.eye(len(stations)) - routing.T, coming)
    return tuple(
        _averages(station, max(float(throughput), 0.0))
        for station, throughput in zip(stations, throughputs, strict=True)
    )


def _routing(stations: Sequence[JacksonStation]) -> Float[np.ndarray, "station next_station"]:
    names = [station.name for station in stations]
    if not names or len(set(names)) < len(names):
        raise InvalidSystem(f"stations {names}: give at least one, each its own name")
    routing = np.zeros((len(names), len(names)))
    for row, station in zip(routing, stations, strict=True):
        for name, probability in station.routes.items():
            if name not in names:
                hint = suggestion(name, names)
                raise InvalidSystem(f"station {station.name!r} routes to {name!r}{hint}")
            row[names.index(name)] = probability
    return routing


def _refuse_a_trap(
    stations: Sequence[JacksonStation], routing: Float[np.ndarray, "station next_station"]
) -> None:
    """Every station must have a way out, or its traffic has no solution."""
    leaves = routing.sum(axis=1) < 1 - 1e-12
    for _ in stations:
        leaves = leaves | (routing @ leaves > 0)
    if not leaves.all():
        trapped = stations[int(np.argmin(leaves))].name
        raise InvalidSystem(f"who reaches station {trapped!r} never leaves: lower its routes")


def _averages(station: JacksonStation, throughput: float) -> StationAverages:
    load = throughput / station.service_rate
    utilisation = load / station.servers if station.servers else 0.0
    if utilisation >= 1:
        raise UnstableSystem(
            f"utilisation {utilisation:g} at station {station.name!r}: "
            "add a server or lower arrival_rate"
        )
    number = load
    if station.servers and throughput > 0:
        number += erlang_c_mean_queue(throughput, station.service_rate, station.servers)
    return StationAverages(
        name=station.name,
        throughput=throughput,
        utilisation=utilisation,
        mean_number=number,
        mean_sojourn=number / throughput if throughput > 0 else 0.0,
    )
