"""Coordinates in which every sample keeps the flow balance exactly.

A system's epoch is determined by fewer numbers than it has: with customers conserved, the end of
each stock and all but one of its outflows decide the remaining outflow. `FlowBalance` names these
free numbers in an order in which each is bounded by those before it, so that whatever a model
draws, once rounded and clipped to its bounds, gives whole, non-negative customers and
`stock' = stock + inflows - outflows` without error. Where customers wait until they are served,
however long it takes, the free number is what is served rather than what is left: a backlog adds
up errors, and a small error of a large stock is a large error of the work done.

Each free number is modelled on a scale where its spread is about constant: square roots for
counts and waiting time, an inverse hyperbolic sine for idle agents (the size of a team less its
busy agents, slightly negative while agents finish what they have in hand).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sim.description import Description, Flow, Stock, SystemDescription
from sim.errors import InvalidSystem
from surrogates.coordinates import Coordinate, Draw
from surrogates.dataset import Transitions
from surrogates.interface import Epochs
from surrogates.ledger import SystemLedger


def obstacle_to_balance(description: Description) -> str | None:
    """Why the flow balance cannot represent a simulator's epochs; None when it can."""
    if not isinstance(description, SystemDescription):
        return "it tells of no stocks and flows"
    if description.is_event_driven:
        return "its epochs end with events"
    if description.servers:
        return f"{description.servers[0]!r} counts servers who come and go by themselves"
    order = [stock.name for stock in description.stocks]
    for flow in description.flows:
        if flow.source is None or flow.target is None:
            continue
        if order.index(flow.target) <= order.index(flow.source):
            return (
                f"flow {flow.name!r} goes back from {flow.source!r} to {flow.target!r}, and stocks "
                "must stand in the order in which customers pass them"
            )
    limited = set(description.calendar.columns)
    for team in description.teams:
        if team.pool not in limited:
            return f"team {team.name!r} is of an unlimited pool"
    return None


class FlowBalance:
    """The free numbers of a system's epoch, and the way to and from transitions."""

    def __init__(self, description: Description) -> None:
        obstacle = obstacle_to_balance(description)
        if obstacle is not None:
            raise InvalidSystem(
                f"the flow balance cannot represent {description.name!r}: {obstacle}; the families "
                "mean, bootstrap and gp do without it"
            )
        assert isinstance(description, SystemDescription)
        self.description = description
        self._ledger = SystemLedger(description)
        self._stock_at = {stock.name: i for i, stock in enumerate(description.stocks)}
        self._flow_at = {flow.name: i for i, flow in enumerate(description.flows)}
        self._remainder = {stock.name: self._remainder_of(stock) for stock in description.stocks}
        self.coordinates = tuple(self._list_coordinates())

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The empty system at opening on each kind of day."""
        days = self.description.calendar.values.shape[0]
        return np.array([self.description.initial_state(day) for day in range(days)])

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Nothing: the description says it all."""
        return {}

    def _outflows(self, stock: Stock) -> list[Flow]:
        return [f for f in self.description.flows if f.source == stock.name]

    def _remainder_of(self, stock: Stock) -> str:
        """The outflow that follows from the others: to the main team, else the last listed."""
        outflows = self._outflows(stock)
        if not outflows:
            raise InvalidSystem(f"nothing flows out of stock {stock.name!r}")
        main = {team.name for team in self.description.teams if team.lever is None}
        team_of = {s.name: s.team for s in self.description.stocks}
        to_main = [f for f in outflows if f.target and team_of[f.target] in main]
        return (to_main or outflows[-1:])[0].name

    def _is_backlog(self, stock: Stock) -> bool:
        """Whether customers wait here until they are served, however long it takes."""
        return stock.team is None and all(f.target for f in self._outflows(stock))

    def _list_coordinates(self) -> list[Coordinate]:
        found = []
        for stock in self.description.stocks:
            found += [
                Coordinate(name=f.name, kind="exogenous")
                for f in self.description.flows
                if f.source is None and f.target == stock.name
            ]
            if self._is_backlog(stock):
                found.append(Coordinate(name=self._remainder[stock.name], kind="flow"))
            else:
                found.append(Coordinate(name=stock.name, kind="idle" if stock.team else "waiting"))
            found += [
                Coordinate(name=f.name, kind="flow")
                for f in self._outflows(stock)
                if f.name != self._remainder[stock.name]
            ]
        return found + [Coordinate(name=name, kind="measure") for name in self._measures]

    @property
    def _measures(self) -> list[str]:
        """Measures that do not follow from the decision."""
        names = [measure.name for measure in self.description.measures]
        return [name for name in names if name not in self._ledger.names]

    def sizes(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch team"]:
        """Agents in each team during the epoch."""
        days, epochs = states[:, -2].astype(int), states[:, -1].astype(int)
        known = self.description.known_ahead(days, epochs, parameters)
        return self.description.team_sizes(known, decisions)

    def encode(
        self, transitions: Transitions
    ) -> tuple[
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
    ]:
        """Free numbers of observed epochs and their lower and upper bounds, natural scale."""
        sizes = self.sizes(transitions.state, transitions.decision, transitions.parameters)
        shape = (len(transitions), len(self.coordinates))
        values, low, high = np.zeros(shape), np.zeros(shape), np.zeros(shape)

        def observe(
            position: int, least: Float[np.ndarray, "batch"], most: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            seen = self._observed(self.coordinates[position], transitions, sizes)
            values[:, position], low[:, position], high[:, position] = seen, least, most
            return seen

        self._walk(transitions.state, sizes, observe)
        return values, low, high

    def _observed(
        self,
        coordinate: Coordinate,
        transitions: Transitions,
        sizes: Float[np.ndarray, "batch team"],
    ) -> Float[np.ndarray, "batch"]:
        if coordinate.kind in ("exogenous", "flow", "measure"):
            return transitions.outputs[:, self.description.output_names.index(coordinate.name)]
        end = transitions.next_state[:, self._stock_at[coordinate.name]]
        return sizes[:, self._team_at(coordinate.name)] - end if coordinate.kind == "idle" else end

    def _team_at(self, stock: str) -> int:
        team = self.description.stocks[self._stock_at[stock]].team
        return [t.name for t in self.description.teams].index(str(team))

    def complete(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        draw: Draw,
    ) -> Epochs:
        """The epochs that follow from the drawn free numbers, balanced exactly.

        `draw` is called once per coordinate, in order, and returns what `Coordinate.settle` gives.
        """
        sizes = self.sizes(states, decisions, parameters)
        ends, flows, measures = self._walk(states, sizes, draw)
        drawn = np.column_stack([*flows, *measures])
        outputs = np.zeros((len(states), len(self.description.outputs)))
        outputs[:, : drawn.shape[1]] = drawn
        next_states = np.zeros_like(states)
        next_states[:, : len(ends)] = np.column_stack(ends)
        self._ledger.close(states, sizes, next_states, outputs)
        return Epochs(state=next_states, outputs=outputs, duration=self._ledger.durations(states))

    def _walk(
        self,
        states: Float[np.ndarray, "batch state"],
        sizes: Float[np.ndarray, "batch team"],
        draw: Draw,
    ) -> tuple[
        list[Float[np.ndarray, "batch"]],
        list[Float[np.ndarray, "batch"]],
        list[Float[np.ndarray, "batch"]],
    ]:
        """Visit the coordinates in order with their bounds; returns end stocks, flows, measures."""
        count = len(states)
        none, endless = np.zeros(count), np.full(count, np.inf)
        flows: list[Float[np.ndarray, "batch"]] = [none] * len(self.description.flows)
        ends: list[Float[np.ndarray, "batch"]] = []
        position = 0
        for at, stock in enumerate(self.description.stocks):
            left = states[:, at].copy()
            for index, flow in enumerate(self.description.flows):
                if flow.target == stock.name:
                    if flow.source is None:
                        flows[index] = draw(position, none, endless)
                        position += 1
                    left = left + flows[index]
            main = self._flow_at[self._remainder[stock.name]]
            is_backlog = self._is_backlog(stock)
            if is_backlog:
                flows[main] = draw(position, none, left)
                left = left - flows[main]
            elif stock.team is None:
                ends.append(draw(position, none, left))
                left = left - ends[-1]
            else:
                size = sizes[:, self._team_at(stock.name)]
                ends.append(size - draw(position, size - left, size))
                left = left - ends[-1]
            position += 1
            for flow in self._outflows(stock):
                if flow.name != self._remainder[stock.name]:
                    gone = draw(position, none, left)
                    position += 1
                    flows[self._flow_at[flow.name]] = gone
                    left = left - gone
            if is_backlog:
                ends.append(left)
            else:
                flows[main] = left
        measures = [draw(position + i, none, endless) for i in range(len(self._measures))]
        return ends, flows, measures
