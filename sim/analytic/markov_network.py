"""A network of single servers that may be controlled at every event.

Arrivals are Poisson and services exponential, so that the numbers of each class in system are a
Markov chain. A server may change to another class at any event, and an interrupted service
resumes later: with exponential services nothing else of the past matters. A customer is served by
one server at most, and a server may idle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float

from sim.analytic.stability import refuse_if_negative, refuse_unless_positive
from sim.errors import InvalidSystem

Assignment = tuple["Activity", ...]
"""What some servers do at the same time, one activity each; a server that is absent idles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One server serving one class; both are numbered from 0."""

    server: int
    customer_class: int
    rate: float
    """Services per minute."""
    routes: tuple[tuple[int, float], ...] = ()
    """Class that a customer enters next, and with what probability; with the rest of it none."""

    def __post_init__(self) -> None:
        refuse_unless_positive(rate=self.rate)
        refuse_if_negative(server=self.server, customer_class=self.customer_class)
        probabilities = [probability for _, probability in self.routes]
        if not (all(p >= 0 for p in probabilities) and sum(probabilities) <= 1 + 1e-12):
            raise InvalidSystem(
                f"routes {self.routes} of class {self.customer_class}: "
                "probabilities, which add up to at most 1"
            )

    @property
    def destinations(self) -> tuple[tuple[int | None, float], ...]:
        """Where a customer may go, and with what probability; None is out of the network."""
        leaving = 1.0 - sum(probability for _, probability in self.routes)
        return ((None, leaving), *self.routes) if leaving > 1e-12 else self.routes


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkovNetwork:
    """Classes of customers, what each server can do for them, and what it costs to keep them."""

    arrival_rates: tuple[float, ...]
    """From outside, per minute, by class."""
    holding_costs: tuple[float, ...]
    """Per customer in system and minute, by class."""
    activities: tuple[Activity, ...]

    def __post_init__(self) -> None:
        if len(self.arrival_rates) != len(self.holding_costs):
            raise InvalidSystem(
                f"{len(self.arrival_rates)} arrival rates and {len(self.holding_costs)} holding "
                "costs: give one of each to every class"
            )
        for rate, cost in zip(self.arrival_rates, self.holding_costs, strict=True):
            refuse_if_negative(arrival_rate=rate, holding_cost=cost)
        self._refuse_unserved_classes()
        pairs = Counter((a.server, a.customer_class) for a in self.activities)
        (server, kind), times = pairs.most_common(1)[0]
        if times > 1:
            raise InvalidSystem(
                f"server {server} has {times} activities for class {kind}: keep one"
            )

    def _refuse_unserved_classes(self) -> None:
        served = {activity.customer_class for activity in self.activities}
        entered = {kind for activity in self.activities for kind, _ in activity.routes}
        classes = set(range(len(self.arrival_rates)))
        for kind in sorted(classes - served):
            raise InvalidSystem(f"no server serves class {kind}: add an activity")
        for kind in sorted((served | entered) - classes):
            raise InvalidSystem(
                f"an activity names class {kind} of {len(classes)}: number them from 0"
            )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.arrival_rates)

    @property
    def servers(self) -> int:
        """Number of servers."""
        return 1 + max(activity.server for activity in self.activities)

    def greatest_rate(self, kind: int) -> float:
        """Services per minute of a class when every server that can serves it."""
        return sum(a.rate for a in self.activities if a.customer_class == kind)

    def effective_rates(self) -> Float[np.ndarray, "kind"]:
        """Customers of each class per minute, from outside or other classes, if all is stable.

        Raises InvalidSystem when some class is served by several servers that route differently:
        the rates then depend on the policy.
        """
        routing = np.zeros((self.classes, self.classes))
        known: dict[int, tuple[tuple[int, float], ...]] = {}
        for activity in self.activities:
            kind = activity.customer_class
            if known.setdefault(kind, activity.routes) != activity.routes:
                raise InvalidSystem(f"servers route class {kind} differently: its rates vary")
            for entered, probability in activity.routes:
                routing[kind, entered] = probability
        return np.linalg.solve(np.eye(self.classes) - routing.T, np.array(self.arrival_rates))

    def crews(self) -> tuple[tuple[int, ...], ...]:
        """Servers in groups that share a class, directly or through others; one alone is a crew.

        Crews decide independently of each other, and only within a crew may two servers want the
        same customer.
        """
        crews = [({a.server}, {a.customer_class}) for a in self.activities]
        merged: list[tuple[set[int], set[int]]] = []
        for servers, kinds in crews:
            apart = []
            for other_servers, other_kinds in merged:
                if servers & other_servers or kinds & other_kinds:
                    servers, kinds = servers | other_servers, kinds | other_kinds
                else:
                    apart.append((other_servers, other_kinds))
            merged = [*apart, (servers, kinds)]
        return tuple(sorted(tuple(sorted(servers)) for servers, _ in merged))

    def assignments(self, crew: tuple[int, ...]) -> Iterator[Assignment]:
        """Everything that the servers of a crew can do at the same time, idling last."""
        choices = [[a for a in self.activities if a.server == server] for server in crew]
        for joint in product(*([*activities, None] for activities in choices)):
            yield tuple(activity for activity in joint if activity is not None)
