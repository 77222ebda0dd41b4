"""What may happen in an epoch that ends with an event: a table of the patterns that data show.

Such an epoch is one happening: somebody comes, is served or gives up, after the decision has moved
whoever it moves. A pattern is all that follows from it: the number that every flow carried, the
change of servers who come and go, and how many customers were in each place while the epoch
lasted, beside those who were there before. What lasts is constant in between, so that times spent
are these numbers times the duration and stocks change by what the flows carry: both exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.description import Flow, SystemDescription, Team
from sim.parameters import ARRIVALS, HANDLE_TIME
from surrogates.ahead import Ahead
from surrogates.coordinates.ledger import SystemLedger
from surrogates.coordinates.times import counted_in
from surrogates.dataset import Transitions
from surrogates.flow.questions import Asked
from surrogates.interface import Epochs

TABLE, LEAST, SEEN = "patterns.table", "patterns.least", "patterns.seen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Positions:
    """Where the parts of a pattern lie in states and outputs."""

    counts: tuple[int, ...]
    """Outputs that are counted: the flows, and what else the ledger does not know."""
    times: tuple[int, ...]
    """Outputs that are times spent."""
    servers: tuple[int, ...]
    """Components beside the stocks that the ledger does not know."""

    @classmethod
    def of(cls, description: SystemDescription) -> Positions:
        """Read them from the description."""
        known, stocks = SystemLedger(description).names, len(description.stocks)
        outputs = [(i, q) for i, q in enumerate(description.outputs) if q.name not in known]
        names = enumerate(description.state_names)
        return cls(
            counts=tuple(i for i, q in outputs if q.is_count),
            times=tuple(i for i, q in outputs if not q.is_count),
            servers=tuple(i for i, name in names if i >= stocks and name not in known),
        )


class Patterns:
    """The patterns of a system's events, where each may happen, and what follows from it."""

    def __init__(
        self,
        description: SystemDescription,
        table: Float[np.ndarray, "part pattern"],
        least: Float[np.ndarray, "stock pattern"],
        seen: Float[np.ndarray, "pattern"],
    ) -> None:
        self.description, self.positions = description, Positions.of(description)
        self._ahead, self._ledger = Ahead(description), SystemLedger(description)
        self._table, self._least, self.seen = table, least, seen
        counts, servers = len(self.positions.counts), len(self.positions.servers)
        self._counted, self._changed = table[:counts], table[counts : counts + servers]
        self._beside, self._present = table[counts + servers :], presence(description)
        self._change = incidence(description) @ table[: len(description.flows)]
        self._pools = list(_limited_pools(description))

    def __len__(self) -> int:
        return len(self.seen)

    @cached_property
    def events(self) -> Int[np.ndarray, "pattern"]:
        """Which event each pattern is one of: who came, or whose service ended, is the same."""
        d = self.description
        causes = [i for i, flow in enumerate(d.flows) if _cause(flow, d) is not None]
        _, which = np.unique(self._table[causes], axis=1, return_inverse=True)
        return np.asarray(which.reshape(-1))

    @cached_property
    def members(self) -> Float[np.ndarray, "event pattern"]:
        """1 where a pattern is one of an event."""
        events = self.events
        matrix = events[None, :] == np.arange(events.max(initial=-1) + 1)[:, None]
        return np.asarray(matrix, dtype=np.float32)

    @cached_property
    def powers(self) -> Float[np.ndarray, "event parameter"]:
        """How the rate of each event goes with the parameters: as arrivals or as services do.

        A power of 1 for those that scale the arrivals of whoever comes, of -1 for those that
        scale the times of the service that ends.
        """
        d, events = self.description, self.events
        names = [p.name for p in d.parameters]
        found = np.zeros((events.max(initial=-1) + 1, len(names)))
        for flow, carried in zip(d.flows, self._table, strict=False):
            kind, part, power = _cause(flow, d) or ("", "", 0.0)
            for name in {kind, f"{part}_{kind}"}.intersection(names):
                found[events[carried > 0], names.index(name)] = power
        return found

    def known_rates(
        self,
        parameters: Float[np.ndarray, "parameter batch"],
        at_work: Float[np.ndarray, "team batch"],
    ) -> Float[np.ndarray, "event batch"]:
        """The part of the log rates of events that parameters tell, and how many are at work."""
        known = self.powers @ np.log(parameters)
        for event, team in enumerate(self._teams):
            if team >= 0:
                known[event] += np.log(np.maximum(at_work[team], 1.0))
        return np.asarray(known)

    @cached_property
    def _teams(self) -> Int[np.ndarray, "event"]:
        """The team whose service ends in each event, -1 where no or several teams' do."""
        d, events = self.description, self.events
        found = np.full(events.max(initial=-1) + 1, -1)
        for number, team in enumerate(d.teams):
            for flow, carried in zip(d.flows, self._table, strict=False):
                if _ends_service(flow, team):
                    mine = np.unique(events[carried > 0])
                    found[mine] = np.where(found[mine] == -1, number, -2)
        return np.maximum(found, -1)

    @classmethod
    def learn(cls, description: SystemDescription, transitions: Transitions) -> Patterns:
        """All patterns in the data, in order of their parts."""
        table, which, seen = np.unique(
            parts_of(description, transitions), axis=0, return_inverse=True, return_counts=True
        )
        before = transitions.state[:, : len(description.stocks)]
        least = np.full((len(table), before.shape[1]), np.inf)
        np.minimum.at(least, which.reshape(-1), before)
        leaving = -np.minimum(incidence(description), 0.0) @ table[:, : len(description.flows)].T
        # Whoever left was there before, unless they came and went in the same moment.
        return cls(description, table.T, np.minimum(least.T, leaving), seen.astype(float))

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: SystemDescription
    ) -> Patterns:
        """The patterns that `to_tensors` was asked of."""
        return cls(description, tensors[TABLE], tensors[LEAST], tensors[SEEN])

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything that was learnt."""
        return {TABLE: self._table, LEAST: self._least, SEEN: self.seen}

    def ask(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Asked:
        """The questions, laid out as patterns are looked for."""
        return Asked.of(self._ahead, states, decisions, parameters)

    def ask_again(self, transitions: Transitions) -> Asked:
        """The questions of observed epochs."""
        return self.ask(transitions.state, transitions.decision, transitions.parameters)

    def find(self, transitions: Transitions) -> Int[np.ndarray, "row"]:
        """The number of each epoch's pattern, -1 for one that is not in the table."""
        known = {tuple(pattern): i for i, pattern in enumerate(self._table.T.tolist())}
        parts = parts_of(self.description, transitions).tolist()
        return np.array([known.get(tuple(pattern), -1) for pattern in parts], dtype=int)

    def match(self, other: Patterns) -> Int[np.ndarray, "pattern"]:
        """For each pattern its number in another table, -1 where it is not there."""
        known = {tuple(pattern): i for i, pattern in enumerate(other._table.T.tolist())}
        return np.array([known.get(tuple(p), -1) for p in self._table.T.tolist()], dtype=int)

    def feasible(
        self, states: Float[np.ndarray, "state batch"]
    ) -> Bool[np.ndarray, "pattern batch"]:
        """Where each pattern may happen: whoever leaves is there, and no server has two.

        Where none may, nobody is asked to be at work.
        """
        stocks = len(self.description.stocks)
        allowed = np.ones((len(self), states.shape[1]), dtype=bool)
        for before, change, least in zip(states[:stocks], self._change, self._least, strict=True):
            needed = np.maximum(-change, least)
            if needed.any():
                allowed &= before >= needed[:, None]
        loose = allowed.copy()
        for places, size in self._pools:
            busy, change = states[places].sum(axis=0), self._change[places].sum(axis=0)
            allowed &= busy + change[:, None] <= np.maximum(busy, size)
        stuck = ~allowed.any(axis=0)
        allowed[:, stuck] = loose[:, stuck]
        return allowed

    def complete(
        self,
        asked: Asked,
        which: Int[np.ndarray, "batch"],
        durations: Float[np.ndarray, "batch"],
    ) -> Epochs:
        """The epochs in which these patterns happen; -1 is that nothing does."""
        d, at, states = self.description, self.positions, asked.states
        happens = (which >= 0).astype(float)
        next_states = np.zeros_like(states)
        outputs = np.zeros((len(d.outputs), states.shape[1]))
        next_states[: len(d.stocks)] = states[: len(d.stocks)]
        next_states[: len(d.stocks)] += self._change[:, which] * happens
        next_states[list(at.servers)] = states[list(at.servers)]
        next_states[list(at.servers)] += self._changed[:, which] * happens
        outputs[list(at.counts)] = self._counted[:, which] * happens
        present = self._present @ states + self._beside[:, which] * happens
        outputs[list(at.times)] = np.maximum(present, 0.0) * durations
        self._ledger.close(states.T, asked.sizes.T, next_states.T, outputs.T)
        np.maximum(next_states, 0.0, out=next_states)
        return Epochs(state=next_states.T, outputs=outputs.T, duration=durations)


def incidence(description: SystemDescription) -> Float[np.ndarray, "stock flow"]:
    """What a unit of each flow adds to each stock."""
    names = [stock.name for stock in description.stocks]
    matrix = np.zeros((len(names), len(description.flows)))
    for position, flow in enumerate(description.flows):
        if flow.source is not None:
            matrix[names.index(flow.source), position] -= 1.0
        if flow.target is not None:
            matrix[names.index(flow.target), position] += 1.0
    return matrix


def presence(description: SystemDescription) -> Float[np.ndarray, "time state"]:
    """The components whose number a time spent adds up, a row for each such output.

    Where a name tells nothing the row is 0, and the pattern has the whole number.
    """
    names, counted = list(description.state_names), counted_in(description)
    at = Positions.of(description)
    matrix = np.zeros((len(at.times), len(names)))
    for row, output in enumerate(at.times):
        for name in counted.get(description.output_names[output], ()):
            matrix[row, names.index(name)] = 1.0
    return matrix


def parts_of(
    description: SystemDescription, transitions: Transitions
) -> Float[np.ndarray, "row part"]:
    """The pattern of each observed epoch: counts, changes of servers, and who else was present."""
    at = Positions.of(description)
    counts, servers, times = list(at.counts), list(at.servers), list(at.times)
    lasting = np.maximum(transitions.duration, np.finfo(float).tiny)[:, None]
    present = transitions.state @ presence(description).T
    beside = np.rint(transitions.outputs[:, times] / lasting - present)
    beside[transitions.duration <= 0.0] = 0.0
    changed = transitions.next_state[:, servers] - transitions.state[:, servers]
    # Adding 0 makes every -0 a 0, which would be another pattern.
    return np.concatenate([transitions.outputs[:, counts], changed, beside], axis=1) + 0.0


def _cause(flow: Flow, description: SystemDescription) -> tuple[str, str, float] | None:
    """If a flow is what makes an event: the kind of parameter, the class and the power in its rate.

    Starts, interruptions and rejections follow from something else.
    """
    if flow.source is None:
        return ARRIVALS, str(flow.target).removesuffix("_waiting"), 1.0
    for team in description.teams:
        if _ends_service(flow, team):
            return HANDLE_TIME, team.queue.removesuffix("_waiting"), -1.0
    return None


def _ends_service(flow: Flow, team: Team) -> bool:
    # Whoever is interrupted goes back to the queue of the team, and no service ends.
    return flow.source == f"{team.name}_busy" and flow.target != team.queue


def _limited_pools(description: SystemDescription) -> list[tuple[list[int], float]]:
    """Stocks in service and most servers of each pool whose number is fixed, as it is here."""
    names, columns = [stock.name for stock in description.stocks], description.calendar.columns
    flexible = {name.removesuffix("_up") for name in description.servers}
    found = []
    for pool in dict.fromkeys(team.pool for team in description.teams):
        if pool in columns and pool not in flexible:
            mine = [names.index(f"{t.name}_busy") for t in description.teams if t.pool == pool]
            values = description.calendar.column(pool)
            column = columns.index(pool)
            if values.size == 1 and not description.calendar.scaled_by[column]:
                found.append((mine, float(values[0, 0])))
    return found
