"""The fluid model of a system: mean flows, no randomness; an analytic, low-fidelity surrogate.

Each class is one number, its customers in the system. Within a short step arrivals and capacity
are constant, so the number moves exponentially to its balance point: at the service rate when
agents are free, at the abandonment rate when all are busy (Whitt 2006, fluid models for
many-server queues with abandonments). It has no waiting below capacity, so it is for planning
ahead, not for judging policies. It knows customers who come to the first class and go forward
through queues that turn nobody away.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSystem
from sim.parameters import HANDLE_TIME, PATIENCE, ROUTE, Scales
from sim.system import System

Column = Float[np.ndarray, "batch"]
Rows = Float[np.ndarray, "rows"]
"""One value for each row, or one for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidStep:
    """What happened in a step, by class."""

    customers: Float[np.ndarray, "class batch"]
    """In the system at the end."""
    waiting: Float[np.ndarray, "class batch"]
    """Mean number waiting during the step."""
    abandoned: Float[np.ndarray, "class batch"]
    """Customers lost."""
    served: Float[np.ndarray, "class batch"]
    """Customers whose service ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidRates:
    """Rates per minute and routing, for every row of a batch or for all rows alike."""

    service: Float[np.ndarray, "class rows"]
    abandonment: Float[np.ndarray, "class rows"]
    routes: Float[np.ndarray, "class target rows"]
    """Share of those served who go on to another class."""


class FluidModel:
    """Mean dynamics of a system under given parameters."""

    def __init__(self, system: System, parameters: dict[str, float]) -> None:
        _refuse_unknown_shapes(system)
        names, scales = [c.name for c in system.classes], Scales(parameters)
        self._service = np.array(
            [1.0 / (c.service.mean * scales.of(HANDLE_TIME, c.name)) for c in system.classes]
        )
        self._abandonment = np.array(
            [
                0.0 if c.patience is None else 1.0 / (c.patience.mean * scales.of(PATIENCE, c.name))
                for c in system.classes
            ]
        )
        self._routes = np.zeros((len(names), len(names)))
        for position, c in enumerate(system.classes):
            for route in c.routes:
                scale = scales.of(ROUTE, f"{c.name}_to_{route.to}")
                self._routes[position, names.index(route.to)] = route.probability * scale
        self._routes /= np.maximum(self._routes.sum(axis=1, keepdims=True), 1.0)
        self._serves = np.zeros((len(names), len(system.teams)))
        for position, team in enumerate(system.teams):
            self._serves[names.index(team.serves), position] = team.speed

    def capacity(self, sizes: Float[np.ndarray, "batch team"]) -> Float[np.ndarray, "class batch"]:
        """Agents for each class, in tier-1 equivalents."""
        result: Float[np.ndarray, "class batch"] = self._serves @ sizes.T
        return result

    def step(
        self,
        customers: Float[np.ndarray, "class batch"],
        arrival_rate: Float[np.ndarray, "batch"],
        capacity: Float[np.ndarray, "class batch"],
        minutes: float,
    ) -> FluidStep:
        """Advance by `minutes`; arrivals from outside come to the first class."""
        rates = FluidRates(
            service=self._service[:, None],
            abandonment=self._abandonment[:, None],
            routes=self._routes[:, :, None],
        )
        return flow_on(rates, customers, arrival_rate, capacity, np.array([minutes]))


def flow_on(
    rates: FluidRates,
    customers: Float[np.ndarray, "class batch"],
    arrival_rate: Float[np.ndarray, "batch"],
    capacity: Float[np.ndarray, "class batch"],
    minutes: Float[np.ndarray, "rows"],
) -> FluidStep:
    """Advance every row by its minutes; arrivals from outside come to the first class."""
    after, served = np.empty_like(customers), np.empty_like(customers)
    waiting, abandoned = np.zeros_like(customers), np.zeros_like(customers)
    inflow = np.zeros_like(customers)
    inflow[0] = arrival_rate
    for k, (service, leaving) in enumerate(zip(rates.service, rates.abandonment, strict=True)):
        before, agents = customers[k], capacity[k]
        after[k] = _relax(before, inflow[k], agents, service, leaving, minutes)
        excess = np.maximum(before - agents, 0.0), np.maximum(after[k] - agents, 0.0)
        waiting[k] = (excess[0] + excess[1]) / 2
        abandoned[k] = leaving * minutes * waiting[k]
        left = inflow[k] * minutes + before - after[k] - abandoned[k]
        served[k] = np.maximum(left, 0.0)
        inflow += rates.routes[k] * served[k] / minutes
    return FluidStep(customers=after, waiting=waiting, abandoned=abandoned, served=served)


def _refuse_unknown_shapes(system: System) -> None:
    names = [c.name for c in system.classes]
    later = {name: names[i + 1 :] for i, name in enumerate(names)}
    faults = [
        (bool(system.dispatchers), "a dispatcher chooses the class"),
        (bool(system.rooms) or any(c.may_reject for c in system.classes), "customers are rejected"),
        (tuple(system.arrivals) != (names[0],), f"customers come to {', '.join(system.arrivals)}"),
        (any(c.abandonment_routes for c in system.classes), "who gives up comes again"),
        (
            any(r.to not in later[c.name] for c in system.classes for r in c.routes),
            "customers go back",
        ),
    ]
    for is_there, fault in faults:
        if is_there:
            raise InvalidSystem(
                f"the fluid model cannot represent {system.name!r}: {fault}; it knows customers "
                f"who come to the first class, {names[0]!r}, and go on to classes listed later"
            )


def _relax(
    before: Column,
    inflow: Column,
    agents: Column,
    service: Rows,
    leaving: Rows,
    minutes: Rows,
) -> Column:
    """Customers after a step: exponentially towards the balance point of the present regime."""
    free = inflow / service + (before - inflow / service) * np.exp(-service * minutes)
    net = inflow - service * agents
    balance = agents + net / np.where(leaving > 0, leaving, 1.0)
    patient = before + net * minutes
    impatient = balance + (before - balance) * np.exp(-leaving * minutes)
    full = np.where(leaving > 0, impatient, patient)
    settled = np.where(before >= agents, np.maximum(full, 0.0), free)
    # A step that runs out of free agents is finished at the full regime's pace.
    crossed = (before < agents) & (free > agents)
    result: Column = np.where(
        crossed, np.minimum(free, agents + np.maximum(net, 0.0) * minutes), settled
    )
    return result
