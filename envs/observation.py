"""What the decision maker sees: the state and the calendar on scales that suit a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from sim.description import Description, SystemDescription
from sim.errors import InvalidSystem
from surrogates.clock import has_clock
from surrogates.features import evened

_PRIOR_CUSTOMERS = 200.0
_AHEAD = 3


@runtime_checkable
class Viewpoint(Protocol):
    """Maps states to what is seen of them."""

    @property
    def description(self) -> Description:
        """The simulator whose states are seen."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        ...

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        ...


def viewpoint_of(
    description: Description,
    parameters: Float[np.ndarray, "parameter"],
    states: Float[np.ndarray, "row state"],
) -> Viewpoint:
    """The calendar's view where a simulator has one, else its numbers beside those of `states`."""
    if isinstance(description, SystemDescription) and not description.is_event_driven:
        return Observation(description=description, parameters=parameters)
    return PlainObservation.of(description, states)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainObservation:
    """Every component of the state in standard deviations from its mean over some states.

    Counts enter as square roots. Where the state ends with the number of the epoch, the clock is
    told in its place.
    """

    description: Description
    centre: Float[np.ndarray, "component"]
    width: Float[np.ndarray, "component"]

    @classmethod
    def of(
        cls, description: Description, states: Float[np.ndarray, "row state"]
    ) -> PlainObservation:
        """Standardised by what these states show, such as those that were collected."""
        shown = _shown(description)
        seen = evened(description.components[:shown], states[:, :shown])
        width = seen.std(axis=0)
        return cls(
            description=description,
            centre=seen.mean(axis=0),
            width=np.where(width > 1e-6, width, 1.0),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        clock = ("clock", "clock_sin", "clock_cos") if has_clock(self.description) else ()
        return (*self.description.state_names[: len(self.centre)], *clock)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        d, shown = self.description, len(self.centre)
        seen = (evened(d.components[:shown], states[:, :shown]) - self.centre) / self.width
        clock = _clock(states, d) if has_clock(d) else []
        return np.column_stack([seen, *clock]).astype(np.float32)


def _shown(description: Description) -> int:
    """How many components are seen as they are."""
    return len(description.components) - int(has_clock(description))


def _clock(
    states: Float[np.ndarray, "batch state"], description: Description
) -> list[Float[np.ndarray, "batch"]]:
    clock = states[:, -1].astype(int) / description.epochs
    return [2 * clock - 1, np.sin(np.pi * clock), np.cos(2 * np.pi * clock)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A system with a calendar; hidden factors stay hidden, only what was counted shows."""

    description: SystemDescription
    parameters: Float[np.ndarray, "parameter"]
    """What the decision maker believes of the system; it scales the rosters that are seen."""

    def __post_init__(self) -> None:
        if self.description.is_event_driven:
            raise InvalidSystem(
                f"the epochs of {self.description.name!r} end with events, so there is no "
                "calendar to look at: use PlainObservation"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        d = self.description
        ahead = [f"{column}_in_{k}" for k in range(_AHEAD) for column in self._seen_columns]
        return (
            *(stock.name for stock in d.stocks),
            *d.servers,
            *(f"{tally.name}_ratio" for tally in d.tallies),
            *(f"{d.teams[team].name}_share" for team in d.moved_teams),
            *ahead,
            *(f"{column}_remaining" for column in self._seen_columns),
            "clock",
            "clock_sin",
            "clock_cos",
        )

    @property
    def _seen_columns(self) -> tuple[str, ...]:
        columns = self.description.calendar.columns
        pools = dict.fromkeys(team.pool for team in self.description.teams)
        expected = (name for name in columns if name.endswith("expected_arrivals"))
        return (*expected, *(pool for pool in pools if pool in columns))

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        d = self.description
        days, epochs = states[:, -2].astype(int), states[:, -1].astype(int)
        beliefs = np.broadcast_to(self.parameters, (len(states), len(self.parameters)))
        now = d.known_ahead(days, epochs, beliefs)
        columns = [d.calendar.columns.index(name) for name in self._seen_columns]
        scale = _at_least_some(d.calendar.values[:, :, columns].max(axis=(0, 1)))
        stocks, servers = len(d.stocks), len(d.state_names) - 2 - len(d.servers)
        parts = [np.sqrt(states[:, :stocks]) / 10.0, np.sqrt(states[:, servers:-2]) / 10.0]
        for i, tally in enumerate(d.tallies):
            expected = now[:, d.calendar.columns.index(tally.expected)]
            counted = states[:, stocks + i]
            parts.append(8 * np.log((counted + _PRIOR_CUSTOMERS) / (expected + _PRIOR_CUSTOMERS)))
        assigned = d.assigned(states)
        for i, team in enumerate(d.moved_teams):
            pool = d.calendar.columns.index(d.teams[team].pool)
            parts.append(2 * assigned[:, i] / np.maximum(now[:, pool], 1.0))
        for k in range(_AHEAD):
            known = d.known_ahead(days, epochs + k, beliefs)[:, columns]
            parts.append(known / scale * (epochs + k < d.epochs)[:, None])
        rest = self._remaining(columns)[days, np.minimum(epochs, d.epochs)]
        return np.column_stack([*parts, rest, *_clock(states, d)]).astype(np.float32)

    def _remaining(self, columns: list[int]) -> Float[np.ndarray, "day epoch column"]:
        values = self.description.calendar.values[:, :, columns]
        backwards = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        padded = np.concatenate([backwards, np.zeros_like(backwards[:, :1])], axis=1)
        share: Float[np.ndarray, "day epoch column"] = padded / _at_least_some(
            padded[:, :1].max(axis=0)
        )
        return share


def _at_least_some(scale: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The scale, 1 where nothing ever comes."""
    return np.where(scale > 0, scale, 1.0)
