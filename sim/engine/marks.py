"""Customers and their marks: what each needs and wants, drawn beforehand from named streams.

A customer's marks do not depend on what is decided, so that policies meet the same people: the
n-th customer of a source has the same work in a class whenever she gets there. Only in classes
that customers may pass again are marks dealt in the order of the visits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from simpy.events import Event

from sim.customers import CustomerClass, Route
from sim.parameters import HANDLE_TIME, PATIENCE, ROUTE, Scales
from sim.streams import stream
from sim.system import System

if TYPE_CHECKING:
    from sim.engine.teams import Departure

_REVISITS = 1024
"""Marks dealt at a time where customers may come again."""


class Customer:
    """One customer on the way through the system."""

    __slots__ = ("block", "deadline", "departure", "entered", "expiry", "next", "row", "work")

    block: list[Marks]
    """By class, the marks of those who came with her."""
    row: int
    """Hers among them."""
    work: float
    """Minutes of service, at speed 1, that are left in the class she is in."""
    next: int
    """Number of the exit she takes from there; 0 leaves."""
    entered: float
    """When she began to wait."""
    deadline: float
    """When her patience ends, or would have ended had she not been served."""
    expiry: Event | None
    """The event of it, where there is one."""
    departure: Departure
    """The event that ends her service, where servers do not share."""

    def __init__(self, block: list[Marks], row: int) -> None:
        self.block, self.row = block, row


@dataclass(slots=True)
class Marks:
    """What a block of customers brings to one class, as plain lists, which are read fastest."""

    work: list[float]
    patience: list[float]
    next: list[int]
    """Number of the exit taken after service; 0 leaves."""


_NO_MARKS = Marks([], [], [])


class MarkBook:
    """Draws the marks of every class for block after block of customers."""

    def __init__(self, system: System, seed: int, scales: Scales) -> None:
        self._classes = system.classes
        self._drawers = [_Drawer(c, scales) for c in system.classes]
        self._names = [c.name for c in system.classes]
        self._seed = seed
        self.reach = {source: reachable(system, source) for source in system.arrivals}
        """By source the positions of the classes its customers may pass."""
        self.revisited = revisited(system)
        """Positions of the classes that customers may pass again."""

    def blocks(self, source: str) -> Blocks:
        """The marks of one source's customers."""
        found = []
        for position in self.reach[source]:
            if position in self.revisited:
                continue
            is_shared = sum(position in reach for reach in self.reach.values()) > 1
            key = (self._names[position], source) if is_shared else (self._names[position],)
            found.append((position, self._drawers[position].begin(self._seed, key)))
        return Blocks(found, len(self._classes))

    def visits(self, position: int) -> Iterator[tuple[Marks, int]]:
        """Marks visit by visit, for a class that customers may pass again."""
        draw = self._drawers[position].begin(self._seed, (self._names[position],))
        while True:
            marks = draw(_REVISITS)
            for row in range(_REVISITS):
                yield marks, row


class Blocks:
    """Deals the marks of one source's customers."""

    def __init__(self, drawers: list[tuple[int, _Draw]], classes: int) -> None:
        self._drawers, self._classes = drawers, classes

    def draw(self, size: int) -> list[Marks]:
        """Marks by class for the next customers; empty where they never come."""
        block = [_NO_MARKS] * self._classes
        for position, draw in self._drawers:
            block[position] = draw(size)
        return block


class _Drawer:
    """One class's distributions under the factors in force."""

    def __init__(self, customer_class: CustomerClass, scales: Scales) -> None:
        self._class = customer_class
        self._handle = scales.of(HANDLE_TIME, customer_class.name)
        self._patience = scales.of(PATIENCE, customer_class.name)
        self._limits = np.cumsum(scaled_routes(customer_class.name, customer_class.routes, scales))

    def begin(self, seed: int, key: tuple[str, ...]) -> _Draw:
        return _Draw(self._class, self._handle, self._patience, self._limits, seed, key)


class _Draw:
    """Deals marks of one class from streams of its own."""

    def __init__(
        self,
        customer_class: CustomerClass,
        handle: float,
        patience: float,
        limits: Float[np.ndarray, "route"],
        seed: int,
        key: tuple[str, ...],
    ) -> None:
        self._class, self._limits = customer_class, limits
        self._handle, self._patience_scale = handle, patience
        self._service = stream(seed, "service", *key)
        self._patience = stream(seed, "patience", *key)
        self._route = stream(seed, "route", *key)

    def __call__(self, size: int) -> Marks:
        c = self._class
        patience = c.patience
        return Marks(
            work=(c.service.sample(self._service, size) * self._handle).tolist(),
            patience=[]
            if patience is None
            else (patience.sample(self._patience, size) * self._patience_scale).tolist(),
            next=exits(self._limits, self._route.random(size)).tolist()
            if len(self._limits)
            else [0] * size,
        )


def scaled_routes(name: str, routes: tuple[Route, ...], scales: Scales) -> list[float]:
    """Probabilities of the routes under the factors in force; their sum is kept to 1 at most."""
    scaled = [r.probability * scales.of(ROUTE, f"{name}_to_{r.to}") for r in routes]
    total = sum(scaled)
    return [p / total for p in scaled] if total > 1.0 + 1e-9 else scaled


def exits(limits: Float[np.ndarray, "route"], dice: Float[np.ndarray, "size"]) -> np.ndarray:
    """Numbers of the exits that throws from 0 to 1 lead to: 1 for the first route, 0 leaves."""
    number = np.searchsorted(limits, dice, side="right") + 1
    return np.where(number > len(limits), 0, number)


def _next_positions(system: System) -> list[set[int]]:
    names = [c.name for c in system.classes]
    return [
        {names.index(target) for route in c.all_routes for target in system.targets(route.to)}
        for c in system.classes
    ]


def reachable(system: System, source: str) -> tuple[int, ...]:
    """Positions of the classes that customers of a source may pass."""
    names, onward = [c.name for c in system.classes], _next_positions(system)
    found: set[int] = set()
    ahead = {names.index(target) for target in system.targets(source)}
    while ahead:
        found |= ahead
        ahead = set().union(*(onward[position] for position in ahead)) - found
    return tuple(sorted(found))


def revisited(system: System) -> frozenset[int]:
    """Positions of the classes that lie on a way back to themselves."""
    onward = _next_positions(system)
    loops = set()
    for start in range(len(onward)):
        found: set[int] = set()
        ahead = onward[start]
        while ahead:
            found |= ahead
            ahead = set().union(*(onward[position] for position in ahead)) - found
        if start in found:
            loops.add(start)
    return frozenset(loops)
