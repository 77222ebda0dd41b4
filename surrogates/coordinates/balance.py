"""Coordinates in which every sample keeps the flow balance exactly.

A system's epoch is determined by fewer numbers than it has: with customers conserved, the end of
each stock and all but one of its outflows decide the remaining outflow. `FlowBalance` names these
free numbers in an order in which each is bounded by those before it, so that whatever a model
draws, once rounded and clipped to its bounds, gives whole, non-negative customers and
`stock' = stock + inflows - outflows` without error. Where customers wait until they are served,
however long it takes, the free number is what is served rather than what is left: a backlog adds
up errors, and a small error of a large stock is a large error of the work done. Arrivals are drawn
first, then servers who come and go by themselves, then the flows that go back (see `passages`).

Each free number is modelled on a scale where its spread is about constant: square roots for
counts and waiting time, ratios or even steps for idle agents (the size of a team less its busy
agents, slightly negative while agents finish what they have in hand; see `idling`). Where all in
service share the servers, as on a web server, a team's size is no limit and its customers are
counted as those who wait are.

Teams that were never seen to idle while somebody waited for them cannot: work is conserved, and who
idles follows nearly always from the queue. Servers who were always on for as long as planned are on
for no more and no less: what they cost is known beforehand.

A time spent waiting or in service is the integral of a number of customers whose ends are known by
then. By the trapezoid rule it is nearly so much already, and what an epoch adds to that is far
easier to tell than the whole: see `trapezoids`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from sim.description import Description, Flow, Stock, SystemDescription
from sim.errors import InvalidSystem
from surrogates.ahead import Ahead, Outlook, rows_of
from surrogates.coordinates.coordinate import Coordinate, Draw, Kind
from surrogates.coordinates.idling import UNBENT, likeliest_bend
from surrogates.coordinates.learnt import Learnt
from surrogates.coordinates.ledger import SystemLedger
from surrogates.coordinates.passages import Column, Feed, Passages
from surrogates.coordinates.times import counted_in, teams_on
from surrogates.dataset import Transitions
from surrogates.features import SystemFeatures
from surrogates.interface import Epochs

Rows = Float[np.ndarray, "row coordinate"]
Sizes = Float[np.ndarray, "row team"]
_SHARED_SHARE = 0.01
"""Share of epochs that end with more in service than servers from which on these are shared."""
_PENNY = 1e-9
"""Minutes for a minute, by which sums of the same times may differ."""
_FEWEST_WAITING = 100
"""Epochs that must have ended with somebody waiting, to believe that nobody idles then."""
Tell = Callable[[int, Column], None]
"""Hears before a coordinate is drawn about what it will be, by its position."""


def obstacle_to_balance(description: Description) -> str | None:
    """Why the flow balance cannot represent a simulator's epochs; None when it can."""
    if not isinstance(description, SystemDescription):
        return "it tells of no stocks and flows"
    if description.is_event_driven:
        return "its epochs end with events"
    return Passages(description).obstacle


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """How the outflows and the end of one stock are settled."""

    stock: int
    inflows: tuple[int, ...]
    returns: tuple[int, ...]
    """Outflows that were drawn before."""
    team: int | None
    """Of which the idle agents are the free number; None where the customers at the end are."""
    queue: int | None
    """The stock that waits for a team which never idles while somebody does."""
    is_backlog: bool
    """Whether what is served is the free number, rather than what is left at the end."""
    drawn: tuple[int, ...]
    """Outflows to draw, those that feed a way back last."""
    remainder: int
    feeds: tuple[Feed, ...]


class FlowBalance:
    """The free numbers of a system's epoch, and the way to and from transitions."""

    def __init__(self, description: Description, learnt: Learnt | None = None) -> None:
        """Of a system of which so much was learnt.

        Raises InvalidSystem for one that the flow balance cannot represent.
        """
        obstacle = obstacle_to_balance(description)
        if obstacle is not None:
            raise InvalidSystem(
                f"the flow balance cannot represent {description.name!r}: {obstacle}; the families "
                "mean, bootstrap and gp do without it"
            )
        assert isinstance(description, SystemDescription)
        self.description, self._learnt = description, learnt or Learnt()
        self.ahead, self._ledger = Ahead(description), SystemLedger(description)
        self._passages = Passages(description)
        self._flow_at = {flow.name: i for i, flow in enumerate(description.flows)}
        self._stock_at = {stock.name: i for i, stock in enumerate(description.stocks)}
        self._arrivals = [i for i, f in enumerate(description.flows) if f.source is None]
        self._servers = [
            i
            for i, name in enumerate(description.state_names)
            if i >= len(description.stocks) and name not in self._ledger.names
        ]
        self._visits = tuple(self._visit(stock) for stock in description.stocks)
        self._measures = [
            i
            for i, name in enumerate(description.output_names)
            if i >= len(description.flows) and name not in self._ledger.names
        ]
        self._counted = tuple(self._components_of(i) for i in self._measures)
        on = teams_on(description)
        self._teams_on = [
            on[name] if (name := description.output_names[i]) in self._learnt.paid else []
            for i in self._measures
        ]
        self.coordinates = tuple(self._list_coordinates())

    @classmethod
    def learn(cls, description: Description, transitions: Transitions) -> FlowBalance:
        """Let the largest of the ways out of a team follow from the others.

        A way that nobody takes, such as the way out of a team whose customers all go on, is then a
        number that is always 0 rather than a difference that has to be learnt. Which servers are
        shared, which never idle while somebody waits and which are on as planned is learnt too: a
        description does not say. So are the scales of idle agents.
        """
        unbent = cls(description).learnt_on(transitions)
        bends = dict(unbent._likeliest_bends(transitions))
        return cls(description, replace(unbent._learnt, bends=bends))

    def learnt_on(self, transitions: Transitions) -> FlowBalance:
        """What these transitions say of the system, in numbers on the scales of these.

        What was learnt in those numbers can be taught more wherever the same are free.
        """
        plain, t = FlowBalance(self.description), transitions
        sizes = plain.sizes(t.state, t.decision, t.parameters)
        shared = plain._seen_shared(t, sizes)
        learnt = replace(
            self._learnt,
            remainders=dict(plain._largest(t)),
            shared=shared,
            conserving=plain._seen_conserving(t, sizes) - shared,
            paid=plain._seen_paid(t, sizes),
        )
        return FlowBalance(self.description, learnt)

    def _likeliest_bends(self, transitions: Transitions) -> Iterator[tuple[str, float]]:
        """By stock, from what is looked at and the numbers that are drawn before."""
        t = transitions
        values, low, high = self.encode(t)
        seen = SystemFeatures(self.description).matrix(t.state, t.decision, t.parameters)
        scaled = np.column_stack([c.scale(values[:, i]) for i, c in enumerate(self.coordinates)])
        for i, coordinate in enumerate(self.coordinates):
            if coordinate.kind == "idle":
                free = (low[:, i] < values[:, i]) & (values[:, i] < high[:, i])
                inputs = np.column_stack([seen, scaled[:, :i]])[free]
                yield coordinate.name, likeliest_bend(inputs, values[free, i])

    def _largest(self, transitions: Transitions) -> list[tuple[str, str]]:
        totals = transitions.outputs.sum(axis=0)
        found = []
        for stock in self.description.stocks:
            ways = [self._flow_at[flow.name] for flow in self._outflows(stock)]
            if stock.team is not None:
                found.append((stock.name, self.description.flows[max(ways, key=totals.item)].name))
        return found

    def _seen_shared(self, transitions: Transitions, sizes: Sizes) -> frozenset[str]:
        """Stocks whose customers in service grew past the size of their team."""
        t, found = transitions, set()
        for visit in self._visits:
            if visit.team is not None:
                # Who is in hand when a team shrinks may stay, but nobody joins them.
                most = np.maximum(sizes[:, visit.team], t.state[:, visit.stock])
                if (t.next_state[:, visit.stock] > most).mean() > _SHARED_SHARE:
                    found.add(self.description.stocks[visit.stock].name)
        return frozenset(found)

    def _seen_conserving(self, transitions: Transitions, sizes: Sizes) -> frozenset[str]:
        """Stocks whose team was all busy whenever an epoch ended with somebody waiting for it."""
        t, found = transitions, set()
        for visit in self._visits:
            queue = self._queue_of(visit.stock)
            if visit.team is None or queue is None or queue >= visit.stock:
                continue
            waits = t.next_state[:, queue] > 0
            idles = t.next_state[:, visit.stock] < sizes[:, visit.team]
            if waits.sum() >= _FEWEST_WAITING and not (waits & idles).any():
                found.add(self.description.stocks[visit.stock].name)
        return frozenset(found)

    def _seen_paid(self, transitions: Transitions, sizes: Sizes) -> frozenset[str]:
        """Measures of how long servers are on that were always what their teams' sizes said."""
        t, names, found = transitions, self.description.output_names, set()
        for name, teams in teams_on(self.description).items():
            planned = sizes[:, teams].sum(axis=1) * t.duration
            if name in names and np.isfinite(planned).all():
                off = np.abs(t.outputs[:, names.index(name)] - planned)
                if (off <= _PENNY * planned).all():
                    found.add(name)
        return frozenset(found)

    def _queue_of(self, stock: int) -> int | None:
        """The stock that waits for those who serve this one."""
        d = self.description
        queues = [t.queue for t in d.teams if t.name == d.stocks[stock].team]
        return self._stock_at.get(queues[0]) if queues else None

    @classmethod
    def from_tensors(cls, tensors: dict[str, np.ndarray], description: Description) -> FlowBalance:
        """The balance that `to_tensors` was asked of."""
        if not isinstance(description, SystemDescription):
            return cls(description)
        return cls(description, Learnt.from_tensors(tensors, description))

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Which outflow of each stock follows from the others, and what was learnt of servers."""
        d = self.description
        remainders = {d.stocks[v.stock].name: d.flows[v.remainder].name for v in self._visits}
        return replace(self._learnt, remainders=remainders).to_tensors(d)

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The empty system at opening on each kind of day."""
        days = self.description.calendar.values.shape[0]
        return np.array([self.description.initial_state(day) for day in range(days)])

    def _outflows(self, stock: Stock) -> list[Flow]:
        """Ways out that do not go back."""
        d = self.description
        return [
            f for i, f in enumerate(d.flows)
            if f.source == stock.name and i not in self._passages.returns
        ]  # fmt: skip

    def _remainder_of(self, stock: Stock) -> Flow:
        """The outflow that follows from the others: as told, to the main team, or the last."""
        outflows = self._outflows(stock)
        if not outflows:
            raise InvalidSystem(f"nothing flows out of stock {stock.name!r}")
        if stock.name in self._learnt.remainders:
            return next(f for f in outflows if f.name == self._learnt.remainders[stock.name])
        main = {team.name for team in self.description.teams if team.lever is None}
        team_of = {s.name: s.team for s in self.description.stocks}
        to_main = [f for f in outflows if f.target and team_of[f.target] in main]
        return (to_main or outflows[-1:])[0]

    def _visit(self, stock: Stock) -> _Visit:
        at, outflows = self._stock_at[stock.name], self._outflows(stock)
        remainder = self._remainder_of(stock)
        feeds = self._passages.feeds_from(at)
        others = [self._flow_at[f.name] for f in outflows if f is not remainder]
        return _Visit(
            stock=at,
            inflows=tuple(
                i for i, f in enumerate(self.description.flows) if f.target == stock.name
            ),
            returns=self._passages.returns_from(at),
            team=self._limited_team(stock),
            queue=self._queue_of(at) if stock.name in self._learnt.conserving else None,
            is_backlog=stock.team is None and all(f.target for f in outflows),
            drawn=tuple(sorted(others, key=lambda i: i in {feed.flow for feed in feeds})),
            remainder=self._flow_at[remainder.name],
            feeds=feeds,
        )

    def _limited_team(self, stock: Stock) -> int | None:
        d = self.description
        if stock.name in self._learnt.shared:
            return None
        limited = {*d.calendar.columns, *(pool for pool, _ in d.staffing)}
        for position, team in enumerate(d.teams):
            if team.name == stock.team and team.pool in limited:
                return position
        return None

    def _components_of(self, output: int) -> tuple[int, ...]:
        """Positions of the components whose number a time spent adds up; none for other outputs."""
        d = self.description
        names = counted_in(d).get(d.output_names[output], ()) if self._learnt.is_told else ()
        return tuple(d.state_names.index(name) for name in names)

    def _list_coordinates(self) -> list[Coordinate]:
        d = self.description
        found = [Coordinate(name=d.flows[i].name, kind="exogenous") for i in self._arrivals]
        found += [Coordinate(name=d.state_names[i], kind="count") for i in self._servers]
        found += [Coordinate(name=d.flows[i].name, kind="flow") for i in self._passages.returns]
        for visit in self._visits:
            if visit.is_backlog:
                found.append(Coordinate(name=d.flows[visit.remainder].name, kind="flow"))
            else:
                kind: Kind = "waiting" if visit.team is None else "idle"
                name = d.stocks[visit.stock].name
                bend = self._learnt.bends.get(name, UNBENT) if kind == "idle" else UNBENT
                found.append(Coordinate(name=name, kind=kind, bend=bend))
            found += [Coordinate(name=d.flows[i].name, kind="flow") for i in visit.drawn]
        for i in self._measures:
            is_count = d.outputs[i].is_count
            found.append(
                Coordinate(name=d.output_names[i], kind="count" if is_count else "measure")
            )
        return found

    def sizes(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch team"]:
        """Agents in each team during the epoch."""
        outlook = self.ahead.look(rows_of(states), rows_of(decisions), rows_of(parameters))
        return np.asarray(outlook.sizes.T)

    def encode(
        self, transitions: Transitions
    ) -> tuple[
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
    ]:
        """Free numbers of observed epochs and their lower and upper bounds, natural scale."""
        return self.encode_told(transitions)[:3]

    def trapezoids(self, transitions: Transitions) -> Float[np.ndarray, "row coordinate"]:
        """Times spent in observed epochs by the trapezoid rule, 0 for all other free numbers."""
        return self.encode_told(transitions)[3]

    def encode_told(self, transitions: Transitions) -> tuple[Rows, Rows, Rows, Rows]:
        """What `encode` gives, and `trapezoids`, in one walk."""
        states = rows_of(transitions.state)
        outlook = self.ahead.look(
            states, rows_of(transitions.decision), rows_of(transitions.parameters)
        )
        shape = (len(transitions), len(self.coordinates))
        values, low, high, told = (np.zeros(shape) for _ in range(4))

        def observe(position: int, least: Column, most: Column) -> Column:
            seen = self._observed(self.coordinates[position], transitions, outlook)
            if self.coordinates[position].kind == "measure":
                # Sums of the same times may differ in the last digit.
                seen = np.clip(seen, least, most)
            values[:, position], low[:, position], high[:, position] = seen, least, most
            return seen

        def tell(position: int, about: Column) -> None:
            told[:, position] = about

        self._walk(states, outlook.sizes, observe, tell)
        return values, low, high, told

    def _observed(
        self, coordinate: Coordinate, transitions: Transitions, outlook: Outlook
    ) -> Column:
        d = self.description
        if coordinate.kind not in ("waiting", "idle") and coordinate.name in d.output_names:
            return transitions.outputs[:, d.output_names.index(coordinate.name)]
        at = d.state_names.index(coordinate.name)
        end = transitions.next_state[:, at]
        if coordinate.kind == "idle":
            team = self._visits[at].team
            assert team is not None
            return np.asarray(outlook.sizes[team] - end)
        return end

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
        rows = rows_of(states)
        outlook = self.ahead.look(rows, rows_of(decisions), rows_of(parameters))
        return self.close(rows, outlook, draw)

    def close(
        self,
        states: Float[np.ndarray, "state batch"],
        outlook: Outlook,
        draw: Draw,
        tell: Tell | None = None,
    ) -> Epochs:
        """The same from states with a row a name, whose outlook is known already.

        `tell` hears what the trapezoid rule says of a time spent before that is drawn.
        """
        # Every row is written below: what is no free number is a flow, a stock or the ledger's.
        next_states = np.empty_like(states)
        outputs = np.empty((len(self.description.outputs), states.shape[1]))
        ends, servers, flows, measures = self._walk(states, outlook.sizes, draw, tell)
        for rows, found in (
            (next_states, enumerate(ends)),
            (next_states, zip(self._servers, servers, strict=True)),
            (outputs, enumerate(flows)),
            (outputs, zip(self._measures, measures, strict=True)),
        ):
            for at, values in found:
                rows[at] = values
        self._ledger.close(states.T, outlook.sizes.T, next_states.T, outputs.T)
        durations = self._ledger.durations(states.T)
        return Epochs(state=next_states.T, outputs=outputs.T, duration=durations)

    def _walk(
        self,
        states: Float[np.ndarray, "state batch"],
        sizes: Float[np.ndarray, "team batch"],
        draw: Draw,
        tell: Tell | None = None,
    ) -> tuple[list[Column], list[Column], list[Column], list[Column]]:
        """Visit all coordinates with their bounds: end stocks, servers, flows, measures."""
        none, endless = np.zeros(states.shape[1]), np.full(states.shape[1], np.inf)
        flows: list[Column] = [none] * len(self.description.flows)
        position = -1

        def take(low: Column, high: Column) -> Column:
            nonlocal position
            position += 1
            return draw(position, low, high)

        for i in self._arrivals:
            flows[i] = take(none, endless)
        servers = [take(none, endless) for _ in self._servers]
        for i in self._passages.returns:
            flows[i] = take(none, endless)
        ends: list[Column] = []
        for visit in self._visits:
            ends.append(self._pass(visit, states, sizes, flows, ends, none, take))
        after = dict(enumerate(ends)) | dict(zip(self._servers, servers, strict=True))
        minutes, measures = self._ledger.durations(states.T), []
        for counted, teams in zip(self._counted, self._teams_on, strict=True):
            if counted and tell is not None:
                both = sum(states[at] + after.get(at, states[at]) for at in counted)
                tell(position + 1, minutes / 2 * both)
            bounds = (minutes * sizes[teams].sum(axis=0),) * 2 if teams else (none, endless)
            measures.append(take(*bounds))
        return ends, servers, flows, measures

    def _pass(
        self,
        visit: _Visit,
        states: Float[np.ndarray, "state batch"],
        sizes: Float[np.ndarray, "team batch"],
        flows: list[Column],
        ends: list[Column],
        none: Column,
        take: Callable[[Column, Column], Column],
    ) -> Column:
        """Settle the outflows of one stock; returns who is left at the end. `none` is zeros.

        `ends` are those of the stocks before.
        """
        needs = {feed.flow: feed for feed in visit.feeds}
        left = states[visit.stock]
        for i in visit.inflows:
            left = left + flows[i]
        for i in visit.returns:
            left = left - flows[i]

        def spare(*but: int) -> Column:
            rest = left
            for i, feed in needs.items():
                if i not in but:
                    rest = rest - feed.need(states, flows)
            return np.asarray(rest)

        def least(i: int) -> Column:
            return needs[i].need(states, flows) if i in needs else none

        end = none
        if visit.is_backlog:
            flows[visit.remainder] = take(least(visit.remainder), spare(visit.remainder))
            needs.pop(visit.remainder, None)
            left = left - flows[visit.remainder]
        elif visit.team is None:
            end = take(none, spare())
            left = left - end
        else:
            size = sizes[visit.team]
            least_idle, most_idle = size - spare(), size
            if visit.queue is not None:
                most_idle = np.where(ends[visit.queue] > 0, np.maximum(least_idle, 0.0), size)
            end = size - take(least_idle, most_idle)
            left = left - end
        for i in visit.drawn:
            flows[i] = take(least(i), spare(*self._helps(visit, i)))
            needs.pop(i, None)
            left = left - flows[i]
        if visit.is_backlog:
            return np.asarray(left)
        flows[visit.remainder] = left
        return end

    def _helps(self, visit: _Visit, flow: int) -> list[int]:
        """The feeding flows that are needed less, the more goes this way."""
        target = self.description.flows[flow].target
        return [
            feed.flow for feed in visit.feeds if self.description.flows[feed.flow].target == target
        ]
