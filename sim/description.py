"""What a simulator says of itself: everything a surrogate or an environment may rely on.

The state of the system at an epoch is, in this order: the stocks (customers waiting or in
service), the tallies (what has been counted so far today), the agents last assigned by each
lever, the kind of day and the number of the epoch. The outputs are the flows between stocks,
then the measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int

from sim.epoch import Parameter, Quantity
from sim.errors import InvalidSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """Customers in one place: waiting in a class's queue, or in service with a team."""

    name: str
    team: str | None = None
    """The team whose agents hold this stock in service; None when the customers wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """Customers that go from one stock to another; None stands for the outside."""

    name: str
    source: str | None
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A running count of one flow, over the day so far or over the last epoch only."""

    name: str
    flow: str
    resets: bool
    expected: str
    """The calendar column that says what the count was expected to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One thing to decide each epoch: the share of a pool on duty that is moved to a team."""

    name: str
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        for level in self.levels:
            if not 0.0 <= level <= 1.0:
                raise InvalidSystem(f"lever {self.name!r} offers {level}: a share from 0 to 1")
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise InvalidSystem(f"lever {self.name!r} offers {self.levels}: each level once")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Agents of one pool assigned to one class; the team without a lever has what is left over."""

    name: str
    pool: str
    lever: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What is known of each epoch of each kind of day before it begins."""

    columns: tuple[str, ...]
    values: Float[np.ndarray, "day epoch column"]
    scaled_by: tuple[str | None, ...]
    """For each column the parameter that multiplies it, or None; agents are rounded."""

    def column(self, name: str) -> Float[np.ndarray, "day epoch"]:
        """One column over days and epochs."""
        return self.values[:, :, self.columns.index(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A system as seen from outside: names, units, structure, choices and horizon."""

    name: str
    stocks: tuple[Stock, ...]
    flows: tuple[Flow, ...]
    tallies: tuple[Tally, ...]
    measures: tuple[Quantity, ...]
    """Additive statistics beside the flows; the last is `moves`, agents whose team changed."""
    parameters: tuple[Parameter, ...]
    levers: tuple[Lever, ...]
    teams: tuple[Team, ...]
    calendar: Calendar
    boundaries: tuple[float, ...]
    """Minutes after opening at which epochs begin, and the close as the last."""

    def __post_init__(self) -> None:
        edges = self.boundaries
        if len(edges) < 2 or edges[0] != 0 or not np.all(np.diff(edges) > 0):
            raise InvalidSystem(f"epoch boundaries {edges}: at least two, rising from 0")
        names = [stock.name for stock in self.stocks]
        for flow in self.flows:
            for end in (flow.source, flow.target):
                if end is not None and end not in names:
                    raise InvalidSystem(f"flow {flow.name!r} touches unknown stock {end!r}")
        if not self.measures or self.measures[-1].name != "moves":
            raise InvalidSystem("the last measure must be 'moves'")

    @property
    def epochs(self) -> int:
        """Decision epochs in an episode."""
        return len(self.boundaries) - 1

    @property
    def durations(self) -> Float[np.ndarray, "epoch"]:
        """Minutes of each epoch."""
        return np.diff(np.asarray(self.boundaries, dtype=float))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state components, in order."""
        counted = (*(s.name for s in self.stocks), *(t.name for t in self.tallies))
        assigned = (f"{self.teams[team].name}_assigned" for team in self.moved_teams)
        return (*counted, *assigned, "day", "epoch")

    @property
    def moved_teams(self) -> tuple[int, ...]:
        """Positions of the teams that a lever sizes."""
        return tuple(i for i, team in enumerate(self.teams) if team.lever is not None)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return (*(f.name for f in self.flows), *(m.name for m in self.measures))

    @property
    def lever_names(self) -> tuple[str, ...]:
        """Names of the levers, in order."""
        return tuple(lever.name for lever in self.levers)

    @property
    def nominal(self) -> Float[np.ndarray, "parameter"]:
        """The nominal parameters."""
        return np.array([p.nominal for p in self.parameters], dtype=float)

    def parameter_values(self, vector: Float[np.ndarray, "parameter"]) -> dict[str, float]:
        """Parameters by name, from their values in order."""
        return {p.name: float(v) for p, v in zip(self.parameters, vector, strict=True)}

    @property
    def decisions(self) -> Float[np.ndarray, "decision lever"]:
        """Every joint choice, a row each; the last lever changes fastest."""
        return np.array(list(product(*(lever.levels for lever in self.levers))), dtype=float)

    def initial_state(self, day: int) -> Float[np.ndarray, "state"]:
        """The empty system at opening on one kind of day."""
        state = np.zeros(len(self.state_names))
        state[-2] = day
        return state

    def known_ahead(
        self,
        days: Int[np.ndarray, "batch"],
        epochs: Int[np.ndarray, "batch"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch column"]:
        """Calendar rows at the given days and epochs, scaled by the parameters."""
        rows: Float[np.ndarray, "batch column"] = self.calendar.values[
            days, np.minimum(epochs, self.epochs - 1)
        ].copy()
        names = [p.name for p in self.parameters]
        pools = {team.pool for team in self.teams}
        for column, parameter in enumerate(self.calendar.scaled_by):
            if parameter is not None:
                rows[:, column] *= parameters[:, names.index(parameter)]
            if self.calendar.columns[column] in pools:
                rows[:, column] = np.rint(rows[:, column])
        return rows

    def team_sizes(
        self,
        known: Float[np.ndarray, "batch column"],
        decisions: Float[np.ndarray, "batch lever"],
    ) -> Float[np.ndarray, "batch team"]:
        """Agents assigned to each team: the moved share, rounded, and the rest."""
        sizes = np.zeros((len(known), len(self.teams)))
        on_duty = {t.pool: known[:, self.calendar.columns.index(t.pool)] for t in self.teams}
        left = dict(on_duty)
        for index in self.moved_teams:
            team = self.teams[index]
            share = decisions[:, self.lever_names.index(team.lever or "")]
            # Several levers may together ask for more than are there: first listed, first served.
            sizes[:, index] = np.minimum(np.rint(share * on_duty[team.pool]), left[team.pool])
            left[team.pool] = left[team.pool] - sizes[:, index]
        for index, team in enumerate(self.teams):
            if team.lever is None:
                sizes[:, index] = left[team.pool]
        return sizes

    def assigned(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch moved"]:
        """Agents that each lever had assigned in the epoch before."""
        return states[:, -2 - len(self.moved_teams) : -2]

    def moves(
        self, states: Float[np.ndarray, "batch state"], sizes: Float[np.ndarray, "batch team"]
    ) -> Float[np.ndarray, "batch"]:
        """Agents whose team changes when the teams take these sizes."""
        change = np.abs(sizes[:, list(self.moved_teams)] - self.assigned(states))
        total: Float[np.ndarray, "batch"] = change.sum(axis=1)
        return total
