"""What a surrogate looks at: the state, the decision and the parameters on even scales."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Shaped

from sim.description import Description, SystemDescription, Tally
from sim.epoch import Quantity
from surrogates.ahead import Ahead, Outlook, rows_of
from surrogates.clock import has_clock
from surrogates.questions import Questions

_PRIOR_CUSTOMERS = (50.0, 2000.0)
"""Weights, in customers, of the calendar's expectation in the ratios of counted to expected: a
quick reading of the day and a cautious one."""


@runtime_checkable
class Features(Protocol):
    """Turns rows of (state, decision, parameters) into regression inputs for one simulator."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        ...

    def matrix(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch feature"]:
        """One row of features for each row of inputs."""
        ...


def features_of(description: Description) -> Features:
    """What there is to look at: a calendar where the simulator has one, else plain numbers."""
    if isinstance(description, SystemDescription) and not description.is_event_driven:
        return SystemFeatures(description)
    return PlainFeatures(description)


Places = slice | list[int]


def places_of_counts(components: tuple[Quantity, ...]) -> Places:
    """Where the components that count stand; all together are a slice, which costs no copy."""
    counts = [place for place, component in enumerate(components) if component.is_count]
    return slice(len(counts)) if len(counts) == len(components) else counts


def evened(
    counts: Places, states: Float[np.ndarray, "batch component"]
) -> Float[np.ndarray, "batch component"]:
    """Components on scales where their spread is about even: counts as square roots."""
    seen = states.astype(float)
    seen[:, counts] = np.sqrt(np.maximum(seen[:, counts], 0.0))
    return seen


class PlainFeatures:
    """Every number of the question: counts as square roots, all else as it is.

    Where the state ends with the number of the epoch, the epoch's duration is added.
    """

    def __init__(self, description: Description) -> None:
        self.description = description
        self._counts = places_of_counts(description.components)
        self._has_durations = has_clock(description) and not description.is_event_driven
        self._questions = Questions(description)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        d = self.description
        named = (*d.state_names, *d.lever_names, *(p.name for p in d.parameters))
        return (*named, "duration") if self._has_durations else named

    def matrix(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch feature"]:
        """One row of features for each row of inputs.

        Raises InvalidQuestion for what the simulator cannot be asked.
        """
        self._questions.check(states, decisions, parameters)
        columns = [evened(self._counts, states), decisions, parameters]
        if self._has_durations:
            last = self.description.epochs - 1
            epochs = np.minimum(states[:, -1].astype(int), last)
            columns.append(self.description.durations[epochs][:, None])
        return np.concatenate(columns, axis=1)


class SystemFeatures:
    """What a system with a calendar shows.

    Stocks and agents enter as square roots, because their spread grows that way; tallies enter
    as the logarithm of counted over expected, which is what tells a busy day from a quiet one,
    alone and times the square root of the arrivals now expected: on that scale a surprise moves
    the next count linearly. Where a lever orders servers, those still to start and those too many
    enter by themselves, because one can start and the other must stop. Shares enter by the teams
    they make; other levers as they are.
    """

    def __init__(self, description: SystemDescription) -> None:
        self.description, self._ahead = description, Ahead(description)
        levers = enumerate(description.levers)
        self._levers = [i for i, lever in levers if lever.decides != "share"]
        self._servers = len(description.state_names) - 2 - len(description.servers)
        self._ordered = self._orders()
        self._durations, self.count = description.durations, len(self.names)
        limited = self._ahead.limited_pools
        self._unlimited = [i for i, t in enumerate(description.teams) if t.pool not in limited]
        self._weighed = [
            (len(description.stocks) + i, self._column(t.expected), self._column(_coming(t)), w)
            for i, t in enumerate(description.tallies)
            for w in _PRIOR_CUSTOMERS
        ]

    def _orders(self) -> list[tuple[int, list[int]]]:
        """Levers that order servers, each with the components that count those of its pool."""
        d = self.description
        return [
            (d.lever_names.index(lever), [d.state_names.index(n) for n in _counted(d, pool)])
            for pool, lever in d.staffing
            if _counted(d, pool)
        ]

    def _column(self, name: str) -> int:
        return self.description.calendar.columns.index(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        d = self.description
        ratios = [f"{t.name}_ratio_{weight:g}" for t in d.tallies for weight in _PRIOR_CUSTOMERS]
        return (
            *(stock.name for stock in d.stocks),
            *d.servers,
            *ratios,
            *(f"{name}_by_expected" for name in ratios),
            *d.calendar.columns,
            *(team.name for team in d.teams),
            *(d.levers[i].name for i in self._levers),
            *(p.name for p in d.parameters),
            "epoch",
            "duration",
            *(f"{d.lever_names[i]}_{what}" for i, _ in self._ordered for what in ("more", "fewer")),
        )

    @property
    def exogenous(self) -> tuple[int, ...]:
        """Positions of the features that arrivals depend on: expectations and their surprises."""
        names = enumerate(self.names)
        return tuple(i for i, name in names if name.endswith(("_by_expected", "expected_arrivals")))

    def matrix(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch feature"]:
        """One row of features for each row of inputs."""
        inputs = rows_of(states), rows_of(decisions), rows_of(parameters)
        seen = np.empty((self.count, len(states)))
        self.write(*inputs, self._ahead.look(*inputs), seen)
        return seen.T

    def write(
        self,
        states: Float[np.ndarray, "state batch"],
        decisions: Float[np.ndarray, "lever batch"],
        parameters: Float[np.ndarray, "parameter batch"],
        outlook: Outlook,
        seen: Shaped[np.ndarray, "feature batch"],
    ) -> None:
        """The same a row a feature into `seen`, from inputs that are laid out so."""
        d, known = self.description, outlook.known
        stocks, ratios = len(d.stocks), 2 * len(self._weighed)
        at = 0
        for block in (states[:stocks], states[self._servers : -2]):
            seen[at : at + len(block)] = block
            at += len(block)
        first, at = at, at + ratios
        calendar = at
        for block in (known, outlook.sizes):
            seen[at : at + len(block)] = block
            at += len(block)
        # Teams without a limit are always large enough: nothing to tell.
        seen[calendar + len(known) : at][self._unlimited] = 0.0
        for part in (seen[:first], seen[calendar:at]):
            np.sqrt(part, out=part)
        for block in (decisions[self._levers], parameters):
            seen[at : at + len(block)] = block
            at += len(block)
        seen[at], seen[at + 1] = states[-1], self._durations[outlook.epochs]
        for lever, servers in self._ordered:
            change = decisions[lever] - states[servers].sum(axis=0)
            at += 2
            np.sqrt(np.maximum(change, 0.0), out=seen[at], casting="same_kind")
            np.sqrt(np.maximum(-change, 0.0), out=seen[at + 1], casting="same_kind")
        surprises = seen[first : first + len(self._weighed)]
        for row, (counted, expected, _, weight) in zip(surprises, self._weighed, strict=True):
            row[:] = (states[counted] + weight) / (known[expected] + weight)
        np.log(surprises, out=surprises)
        coming = [calendar + column for _, _, column, _ in self._weighed]
        np.multiply(surprises, seen[coming], out=seen[first + len(self._weighed) : calendar])


def _counted(description: SystemDescription, pool: str) -> list[str]:
    """Components that count the servers of a pool: those who are up and those who start."""
    return [name for name in description.servers if name.rsplit("_", 1)[0] == pool]


def _coming(tally: Tally) -> str:
    """The calendar column of the arrivals that a tally will count next."""
    return tally.expected.removesuffix("so_far").removesuffix("last") + "arrivals"
