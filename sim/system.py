"""The frozen description of a service system: who comes, who serves them, what may be decided."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from sim.arrivals import Arrivals
from sim.description import Calendar, Description, Flow, Lever, Stock, Tally, Team
from sim.distributions import Distribution
from sim.epoch import Parameter, Quantity
from sim.errors import InvalidSystem, suggestion

SCALES = {
    "arrival_scale": "multiplies every arrival rate",
    "handle_time_scale": "multiplies every service time",
    "patience_scale": "multiplies every patience",
    "staff_scale": "multiplies every roster",
}
"""The parameters a system may offer; each is a factor, 1 when it is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a served customer goes next, with its probability; the remainder leaves."""

    to: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerClass:
    """Customers who wait in one queue, first come first served."""

    name: str
    service: Distribution
    patience: Distribution | None = None
    routes: tuple[Route, ...] = ()

    def __post_init__(self) -> None:
        total = sum(route.probability for route in self.routes)
        # A sum such as .1 + .2 + .7 may exceed 1 by rounding.
        if not all(route.probability >= 0 for route in self.routes) or not total <= 1 + 1e-9:
            raise InvalidSystem(
                f"class {self.name!r}: route probabilities sum to {total:g}; between 0 and 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTeam:
    """Agents of a pool who serve one class at a speed; a lever says how many, or the rest."""

    name: str
    pool: str
    serves: str
    speed: float = 1.0
    lever: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.speed < np.inf:
            raise InvalidSystem(f"team {self.name!r}: speed {self.speed}: a number above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """Classes, teams, rosters and levers of one centre, over one day of epochs.

    Customers move forward only: a class may route to classes listed after it. The first class
    receives the arrivals.
    """

    name: str
    arrivals: Arrivals
    classes: tuple[CustomerClass, ...]
    teams: tuple[ServerTeam, ...]
    rosters: dict[str, Float[np.ndarray, "epoch"]]
    """Agents on duty in each pool, by epoch."""
    boundaries: tuple[float, ...]
    levers: tuple[Lever, ...] = ()
    parameters: tuple[Parameter, ...] = ()

    def __post_init__(self) -> None:
        self._check_repeats()
        self._check_routes()
        self._check_teams()
        self._check_rosters()
        for parameter in self.parameters:
            if parameter.name not in SCALES:
                raise InvalidSystem(
                    f"unknown parameter {parameter.name!r}{suggestion(parameter.name, SCALES)}"
                )

    def _check_repeats(self) -> None:
        for kind, items in (
            ("class", self.classes),
            ("team", self.teams),
            ("lever", self.levers),
            ("parameter", self.parameters),
        ):
            names = [item.name for item in items]
            for name in names:
                if names.count(name) > 1:
                    raise InvalidSystem(f"{kind} {name!r} is given twice: each needs its own name")

    def _check_routes(self) -> None:
        names = [c.name for c in self.classes]
        for position, customer_class in enumerate(self.classes):
            for route in customer_class.routes:
                if route.to not in names:
                    raise InvalidSystem(
                        f"class {customer_class.name!r} routes to unknown class "
                        f"{route.to!r}{suggestion(route.to, names)}"
                    )
                if names.index(route.to) <= position:
                    raise InvalidSystem(
                        f"class {customer_class.name!r} routes back to {route.to!r}: "
                        "list classes in the order customers pass them"
                    )

    def _check_teams(self) -> None:
        classes = [c.name for c in self.classes]
        levers = [lever.name for lever in self.levers]
        for team in self.teams:
            if team.serves not in classes:
                raise InvalidSystem(
                    f"team {team.name!r} serves unknown class "
                    f"{team.serves!r}{suggestion(team.serves, classes)}"
                )
            if team.pool not in self.rosters:
                raise InvalidSystem(
                    f"team {team.name!r} is of unknown pool "
                    f"{team.pool!r}{suggestion(team.pool, self.rosters)}"
                )
            if team.lever is not None and team.lever not in levers:
                raise InvalidSystem(
                    f"team {team.name!r} has unknown lever "
                    f"{team.lever!r}{suggestion(team.lever, levers)}"
                )
        for pool in self.rosters:
            rest = [t.name for t in self.teams if t.pool == pool and t.lever is None]
            if len(rest) != 1:
                raise InvalidSystem(f"pool {pool!r}: exactly one team without a lever, not {rest}")
        for name in levers:
            if all(team.lever != name for team in self.teams):
                raise InvalidSystem(f"lever {name!r} moves no team: name it in a team, or drop it")
        for name in classes:
            if all(team.serves != name for team in self.teams):
                raise InvalidSystem(f"class {name!r} is served by no team")

    def _check_rosters(self) -> None:
        for pool, roster in self.rosters.items():
            if len(roster) != len(self.boundaries) - 1:
                raise InvalidSystem(
                    f"roster of {pool!r} has {len(roster)} values for "
                    f"{len(self.boundaries) - 1} epochs"
                )
            if not np.all(roster >= 1):
                raise InvalidSystem(
                    f"roster of {pool!r} has {roster.min():g} agents in epoch "
                    f"{int(roster.argmin()) + 1}: at least 1 must be on duty"
                )

    def with_arrivals(self, arrivals: Arrivals) -> System:
        """The same system with other arrivals, such as one recorded day."""
        return replace(self, arrivals=arrivals)

    def describe(self) -> Description:
        """What the system says of itself to surrogates and environments."""
        waiting = [Stock(name=f"{c.name}_waiting") for c in self.classes]
        serving = {t.name: Stock(name=f"{t.name}_busy", team=t.name) for t in self.teams}
        arrivals = f"{self.classes[0].name}_arrivals"
        return Description(
            name=self.name,
            stocks=tuple(self._stocks_in_passing_order(waiting, serving)),
            flows=tuple(self._flows()),
            tallies=(
                Tally(
                    name="arrived_so_far", flow=arrivals, resets=False, expected="expected_so_far"
                ),
                Tally(name="arrived_last", flow=arrivals, resets=True, expected="expected_last"),
            ),
            measures=(
                *(
                    Quantity(name=f"{c.name}_wait", unit="customer minutes", is_count=False)
                    for c in self.classes
                ),
                Quantity(name="moves", unit="agents"),
            ),
            parameters=self.parameters,
            levers=self.levers,
            teams=tuple(Team(name=t.name, pool=t.pool, lever=t.lever) for t in self.teams),
            calendar=self._calendar(),
            boundaries=self.boundaries,
        )

    def _stocks_in_passing_order(
        self, waiting: list[Stock], serving: dict[str, Stock]
    ) -> list[Stock]:
        stocks = []
        for customer_class, queue in zip(self.classes, waiting, strict=True):
            stocks.append(queue)
            stocks += [serving[t.name] for t in self.teams if t.serves == customer_class.name]
        return stocks

    def _flows(self) -> list[Flow]:
        flows = []
        for position, c in enumerate(self.classes):
            queue = f"{c.name}_waiting"
            if position == 0:
                flows.append(Flow(name=f"{c.name}_arrivals", source=None, target=queue))
            if c.patience is not None:
                flows.append(Flow(name=f"{c.name}_abandoned", source=queue, target=None))
            for team in (t for t in self.teams if t.serves == c.name):
                busy = f"{team.name}_busy"
                flows.append(Flow(name=f"{team.name}_started", source=queue, target=busy))
                for route in c.routes:
                    target = f"{route.to}_waiting"
                    flows.append(
                        Flow(name=f"{team.name}_to_{route.to}", source=busy, target=target)
                    )
                flows.append(Flow(name=f"{team.name}_finished", source=busy, target=None))
        return flows

    def _calendar(self) -> Calendar:
        expected = self.arrivals.expected(self.boundaries)
        so_far = np.cumsum(expected, axis=1) - expected
        last = np.diff(so_far, axis=1, prepend=0.0)
        offered = {p.name for p in self.parameters}
        rate = "arrival_scale" if "arrival_scale" in offered else None
        scale = "staff_scale" if "staff_scale" in offered else None
        staff = [np.broadcast_to(roster, expected.shape) for roster in self.rosters.values()]
        return Calendar(
            columns=("expected_arrivals", "expected_so_far", "expected_last", *self.rosters),
            values=np.stack([expected, so_far, last, *staff], axis=-1).astype(float),
            scaled_by=(rate, rate, rate, *(scale for _ in staff)),
        )
