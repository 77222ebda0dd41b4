"""Customers: the classes they belong to, and where they go from each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sim.distributions import Distribution
from sim.errors import InvalidSystem

QueueOrder = Literal["first_come", "last_come", "shortest_first"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where customers go next, with its probability; the remainder leaves."""

    to: str
    """A class or a dispatcher."""
    probability: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Balking:
    """A share of customers who turn away when they find this many waiting, or more."""

    waiting: int
    share: float

    def __post_init__(self) -> None:
        if self.waiting < 0 or not 0 <= self.share <= 1:
            raise InvalidSystem(
                f"balking of {self.share} from {self.waiting} waiting: a share from 0 to 1, "
                "from 0 customers or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerClass:
    """Customers who wait in one queue for one kind of service.

    A customer who passes several stages changes class at each. Travel and other delays are
    classes whose team is of an unlimited pool.
    """

    name: str
    service: Distribution
    patience: Distribution | None = None
    """How long customers wait before they give up; None: until served."""
    routes: tuple[Route, ...] = ()
    """After service."""
    abandonment_routes: tuple[Route, ...] = ()
    """After giving up: a later retrial, a callback; who has no route is gone."""
    rejection_routes: tuple[Route, ...] = ()
    """After being turned away: no room, not admitted, or unwilling to queue."""
    balking: tuple[Balking, ...] = ()
    order: QueueOrder = "first_come"
    """Who is served next; shortest_first knows the work beforehand."""
    admission: str | None = None
    """The lever that says which share of those who come is let in."""

    def __post_init__(self) -> None:
        for kind in ("routes", "abandonment_routes", "rejection_routes"):
            total = sum(route.probability for route in getattr(self, kind))
            # A sum such as .1 + .2 + .7 may exceed 1 by rounding.
            if total > 1 + 1e-9 or any(r.probability < 0 for r in getattr(self, kind)):
                raise InvalidSystem(
                    f"class {self.name!r}: {kind.replace('_', ' ')[:-1]} probabilities sum to "
                    f"{total:g}; between 0 and 1"
                )
        if self.order not in ("first_come", "last_come", "shortest_first"):
            raise InvalidSystem(
                f"class {self.name!r}: order {self.order!r}: first_come, last_come or "
                "shortest_first"
            )
        if self.abandonment_routes and self.patience is None:
            raise InvalidSystem(
                f"class {self.name!r} has abandonment routes and nobody gives up: add patience"
            )

    @property
    def all_routes(self) -> Iterator[Route]:
        """Every way out of the class, whatever the reason."""
        yield from (*self.routes, *self.abandonment_routes, *self.rejection_routes)

    @property
    def may_reject(self) -> bool:
        """Whether customers may be turned away by the class itself; a full room may do it too."""
        return bool(self.balking) or self.admission is not None
