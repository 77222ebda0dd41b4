"""What a simulator says of itself: everything a surrogate or an environment may rely on.

`Description` is what any simulator can say: the names and units of its state and outputs, what may
be decided and how long an episode is. `SystemDescription` adds the structure that the built-in
simulator knows of its systems. Its state is, in this order: the stocks (customers waiting or in
service), the tallies (what has been counted so far today), the agents last assigned by each
lever, the servers of pools whose number is not given by a shift, the kind of day and the number
of the epoch. Its outputs are the flows between stocks, then the measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.epoch import Parameter, Quantity
from sim.errors import InvalidSystem

Decides = Literal["share", "servers", "order", "route", "admission", "value"]
_SHARES = ("share", "admission")
_POSITIONS = ("order", "route")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lever:
    """One thing to decide each epoch.

    A level is, by what the lever decides: the `share` of a pool on duty that is moved to a team,
    the number of `servers` ordered, the position of an `order` of priority or of the class to
    `route` to, the share of arrivals let in (`admission`), or whatever `value` a user's simulator
    takes it for.
    """

    name: str
    levels: tuple[float, ...]
    decides: Decides = "share"

    def __post_init__(self) -> None:
        for level in self.levels:
            if not self.allows(level):
                raise InvalidSystem(f"lever {self.name!r} offers {level}: {self.bounds}")
        if not self.levels or len(set(self.levels)) < len(self.levels):
            raise InvalidSystem(f"lever {self.name!r} offers {self.levels}: each level once")

    @property
    def bounds(self) -> str:
        """In words, what a level may be."""
        if self.decides in _SHARES:
            return "a share from 0 to 1"
        return "a finite number" if self.decides == "value" else "a whole number, 0 or more"

    def allows(self, level: float) -> bool:
        """Whether a simulator can apply this level, offered or not."""
        if self.decides in _SHARES:
            return bool(0.0 <= level <= 1.0)
        if self.decides in _POSITIONS:
            return level in self.levels
        return bool(np.isfinite(level) and (self.decides == "value" or level == round(level) >= 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A simulator as seen from outside: names, units, choices and horizon."""

    name: str
    components: tuple[Quantity, ...]
    """The numbers of the state, in order."""
    outputs: tuple[Quantity, ...]
    """The additive statistics of an epoch, in order."""
    levers: tuple[Lever, ...]
    parameters: tuple[Parameter, ...] = ()
    epochs: int
    """Decision epochs in an episode; a simulator may end one earlier."""
    boundaries: tuple[float, ...] = ()
    """Minutes after opening at which epochs begin, and the close as the last; empty where epochs
    end with events, so that nobody knows beforehand."""

    def __post_init__(self) -> None:
        edges = self.boundaries
        if edges and (len(edges) < 2 or edges[0] != 0 or not np.all(np.diff(edges) > 0)):
            raise InvalidSystem(f"epoch boundaries {edges}: at least two, rising from 0")
        if self.epochs < 1 or (edges and self.epochs != len(edges) - 1):
            raise InvalidSystem(
                f"{self.epochs} epochs with {len(edges)} boundaries: at least one epoch, and a "
                "boundary at each end of each"
            )
        for kind, items in (
            ("component", self.components),
            ("output", self.outputs),
            ("lever", self.levers),
            ("parameter", self.parameters),
        ):
            names = [item.name for item in items]
            for name in names:
                if names.count(name) > 1:
                    raise InvalidSystem(f"{kind} {name!r} is given twice: each needs its own name")

    @property
    def is_event_driven(self) -> bool:
        """Whether an epoch lasts until something happens, for a time of its own."""
        return not self.boundaries

    @property
    def durations(self) -> Float[np.ndarray, "epoch"]:
        """Minutes of each epoch. Raises InvalidSystem where only events tell."""
        if self.is_event_driven:
            raise InvalidSystem(f"the epochs of {self.name!r} end with events: no known durations")
        return np.diff(np.asarray(self.boundaries, dtype=float))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the state components, in order."""
        return tuple(component.name for component in self.components)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(output.name for output in self.outputs)

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

    def levels_of(self, choices: Int[np.ndarray, "batch"]) -> Float[np.ndarray, "batch lever"]:
        """The rows of `decisions` with these numbers, without all the others.

        With many levers there are too many to be listed. Whoever has other decisions than every
        combination of levels must override this too.
        """
        positions = np.unravel_index(choices, [len(lever.levels) for lever in self.levers])
        return np.stack(
            [
                np.array(lever.levels, dtype=float)[at]
                for lever, at in zip(self.levers, positions, strict=True)
            ],
            axis=1,
        )

    def feasible(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Bool[np.ndarray, "batch decision"]:
        """Which joint choices can be carried out in each state; here all of them."""
        return np.ones((len(states), len(self.decisions)), dtype=bool)

    def non_idling(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Bool[np.ndarray, "batch decision"]:
        """Which joint choices leave no server idle whom another would put to work; here all."""
        return self.feasible(states)


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
class Team:
    """Agents of one pool who serve one class; a lever sizes the team, or it has what is left."""

    name: str
    pool: str
    lever: str | None
    queue: str
    """The stock of customers who wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A finite room as a decision sees it: where a lever may not send anybody when it is full."""

    lever: str
    level: float
    stocks: tuple[str, ...]
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """What is known of each epoch of each kind of day before it begins."""

    columns: tuple[str, ...]
    values: Float[np.ndarray, "day epoch column"]
    """One epoch stands for all where epochs end with events."""
    scaled_by: tuple[tuple[str, ...], ...]
    """For each column the parameters that multiply it; agents are rounded."""

    def column(self, name: str) -> Float[np.ndarray, "day epoch"]:
        """One column over days and epochs."""
        return self.values[:, :, self.columns.index(name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemDescription(Description):
    """A system of stocks, flows, teams and a calendar."""

    stocks: tuple[Stock, ...]
    flows: tuple[Flow, ...]
    tallies: tuple[Tally, ...]
    teams: tuple[Team, ...]
    calendar: Calendar
    servers: tuple[str, ...] = ()
    """State components that count servers who are up or starting, where no shift says so."""
    servers_at_opening: tuple[float, ...] = ()
    """Their values at opening, at nominal parameters."""
    staffing: tuple[tuple[str, str], ...] = ()
    """(pool, lever) where a lever orders the number of servers."""
    places: tuple[Place, ...] = ()

    def __post_init__(self) -> None:
        # Python 3.11 loses the class cell of a slotted dataclass, so `super()` would fail.
        Description.__post_init__(self)
        names = [stock.name for stock in self.stocks]
        for flow in self.flows:
            for end in (flow.source, flow.target):
                if end is not None and end not in names:
                    raise InvalidSystem(f"flow {flow.name!r} touches unknown stock {end!r}")

    @property
    def measures(self) -> tuple[Quantity, ...]:
        """The outputs beside the flows; the last is `moves` where levers move agents."""
        return self.outputs[len(self.flows) :]

    @property
    def has_moves(self) -> bool:
        """Whether the last output counts the agents whose team changed."""
        return self.outputs[-1].name == "moves"

    @property
    def moved_teams(self) -> tuple[int, ...]:
        """Positions of the teams that a lever sizes."""
        return tuple(i for i, team in enumerate(self.teams) if team.lever is not None)

    def initial_state(self, day: int) -> Float[np.ndarray, "state"]:
        """The empty system at opening on one kind of day, at nominal parameters."""
        state = np.zeros(len(self.state_names))
        state[-2 - len(self.servers) : -2] = self.servers_at_opening
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
            days, np.minimum(epochs, self.calendar.values.shape[1] - 1)
        ].copy()
        names = [p.name for p in self.parameters]
        pools = {team.pool for team in self.teams}
        for column, scales in enumerate(self.calendar.scaled_by):
            for parameter in scales:
                rows[:, column] *= parameters[:, names.index(parameter)]
            if self.calendar.columns[column] in pools:
                rows[:, column] = np.rint(rows[:, column])
        return rows

    def team_sizes(
        self,
        known: Float[np.ndarray, "batch column"],
        decisions: Float[np.ndarray, "batch lever"],
    ) -> Float[np.ndarray, "batch team"]:
        """Most agents of each team: the moved share, rounded, and the rest.

        In a pool without a sizing lever every team may have all agents on duty.
        """
        sizes = np.zeros((len(known), len(self.teams)))
        on_duty = {pool: self._on_duty(pool, known, decisions) for pool in self._pools}
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

    @property
    def _pools(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(team.pool for team in self.teams))

    def _on_duty(
        self,
        pool: str,
        known: Float[np.ndarray, "batch column"],
        decisions: Float[np.ndarray, "batch lever"],
    ) -> Float[np.ndarray, "batch"]:
        for staffed, lever in self.staffing:
            if staffed == pool:
                return decisions[:, self.lever_names.index(lever)]
        if pool in self.calendar.columns:
            return known[:, self.calendar.columns.index(pool)]
        return np.full(len(known), np.inf)

    def assigned(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch moved"]:
        """Agents that each lever had assigned in the epoch before."""
        begin = len(self.stocks) + len(self.tallies)
        return states[:, begin : begin + len(self.moved_teams)]

    def moves(
        self, states: Float[np.ndarray, "batch state"], sizes: Float[np.ndarray, "batch team"]
    ) -> Float[np.ndarray, "batch"]:
        """Agents whose team changes when the teams take these sizes."""
        change = np.abs(sizes[:, list(self.moved_teams)] - self.assigned(states))
        total: Float[np.ndarray, "batch"] = change.sum(axis=1)
        return total

    def feasible(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Bool[np.ndarray, "batch decision"]:
        """All joint choices but those that send customers to a full room."""
        decisions = self.decisions
        allowed = np.ones((len(states), len(decisions)), dtype=bool)
        if not self.places:
            return allowed
        names = [stock.name for stock in self.stocks]
        for place in self.places:
            inside = states[:, [names.index(stock) for stock in place.stocks]].sum(axis=1)
            sends = decisions[:, self.lever_names.index(place.lever)] == place.level
            allowed &= ~((inside >= place.places)[:, None] & sends)
        # Where every room is full there is nothing better to do than to be turned away.
        return allowed | ~allowed.any(axis=1, keepdims=True)

    def non_idling(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Bool[np.ndarray, "batch decision"]:
        """Feasible joint choices under which every pool leaves as few servers idle as it can.

        Counted at the moment of the decision, at nominal parameters: a team's servers beyond the
        customers who wait for it or are in its hands are idle.
        """
        idle = self._idle(states)
        allowed = self.feasible(states)
        least = np.where(allowed[:, :, None], idle, np.inf).min(axis=1, keepdims=True)
        chosen: Bool[np.ndarray, "batch decision"] = allowed & (idle <= least).all(axis=2)
        return chosen | (allowed & ~chosen.any(axis=1, keepdims=True))

    def _idle(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float[np.ndarray, "batch decision pool"]:
        names = [stock.name for stock in self.stocks]
        decisions, pools = self.decisions, self._pools
        parameters = np.broadcast_to(self.nominal, (len(states), len(self.parameters)))
        known = self.known_ahead(states[:, -2].astype(int), states[:, -1].astype(int), parameters)
        # Every state with every decision, the decisions of a state side by side.
        sizes = self.team_sizes(
            np.repeat(known, len(decisions), axis=0), np.tile(decisions, (len(states), 1))
        ).reshape(len(states), len(decisions), len(self.teams))
        waiting = states[:, [names.index(team.queue) for team in self.teams]]
        at_hand = waiting + states[:, [names.index(f"{team.name}_busy") for team in self.teams]]
        spare = np.maximum(sizes - at_hand[:, None], 0.0)
        idle = np.zeros((len(states), len(decisions), len(pools)))
        for position, pool in enumerate(pools):
            mine = [i for i, team in enumerate(self.teams) if team.pool == pool]
            if any(self.teams[i].lever for i in mine):
                idle[:, :, position] = spare[:, :, mine].sum(axis=2)
        return idle
