"""What the decision maker sees: the state and the calendar on scales that suit a network."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from sim.description import Description, SystemDescription
from sim.errors import InvalidSystem
from surrogates.clock import has_clock
from surrogates.features import Places, evened, places_of_counts

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

    names: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Names of the observed numbers, in order."""
    _counts: Places = field(init=False, repr=False, compare=False)
    _hands: Float32[np.ndarray, "epoch hand"] | None = field(init=False, repr=False, compare=False)
    """The clock at every epoch, where there is one."""

    def __post_init__(self) -> None:
        d, shown = self.description, len(self.centre)
        clock = ("clock", "clock_sin", "clock_cos") if has_clock(d) else ()
        hands = _clock(np.arange(d.epochs + 1), d).astype(np.float32) if clock else None
        object.__setattr__(self, "names", (*d.state_names[:shown], *clock))
        object.__setattr__(self, "_counts", places_of_counts(d.components[:shown]))
        object.__setattr__(self, "_hands", hands)

    @classmethod
    def of(
        cls, description: Description, states: Float[np.ndarray, "row state"]
    ) -> PlainObservation:
        """Standardised by what these states show, such as those that were collected."""
        shown = _shown(description)
        seen = evened(places_of_counts(description.components[:shown]), states[:, :shown])
        width = seen.std(axis=0)
        return cls(
            description=description,
            centre=seen.mean(axis=0),
            width=np.where(width > 1e-6, width, 1.0),
        )

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        shown = len(self.centre)
        seen = np.empty((len(states), len(self.names)), dtype=np.float32)
        numbers = evened(self._counts, states[:, :shown])
        numbers -= self.centre
        np.divide(numbers, self.width, out=seen[:, :shown], casting="same_kind")
        if self._hands is not None:
            # Beyond the last epoch the clock stands still, as the calendar does.
            epochs = np.minimum(states[:, -1].astype(int), self.description.epochs)
            seen[:, shown:] = self._hands[epochs]
        return seen


def _shown(description: Description) -> int:
    """How many components are seen as they are."""
    return len(description.components) - int(has_clock(description))


def _clock(
    epochs: Int[np.ndarray, "batch"], description: Description
) -> Float[np.ndarray, "batch hand"]:
    clock = epochs / description.epochs
    return np.column_stack([2 * clock - 1, np.sin(np.pi * clock), np.cos(2 * np.pi * clock)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the calendar tells at some moments, in the form in which it is seen."""

    expected: Float32[np.ndarray, "tally moment"]
    """Customers that each tally was expected to have counted by then, and some."""
    per_agent: Float32[np.ndarray, "moved moment"]
    """Two over the agents on duty in the pool of each team that a lever sizes."""
    seen: Float32[np.ndarray, "moment observation"]
    """What is seen, 0 where the state will tell."""

    def take(self, moments: Int[np.ndarray, "batch"]) -> _Known:
        """The given moments, in their order."""
        return _Known(
            expected=self.expected.take(moments, axis=1),
            per_agent=self.per_agent.take(moments, axis=1),
            seen=self.seen.take(moments, axis=0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where the parts of a state stand; they are seen in another order, the calendar after them."""

    stocks: slice
    counted: slice
    assigned: slice
    servers: slice

    @classmethod
    def of(cls, description: SystemDescription) -> _Places:
        """Those of a system."""
        d = description
        sizes = [len(part) for part in (d.stocks, d.tallies, d.moved_teams, d.servers)]
        first, second, third, last = np.cumsum(sizes).tolist()
        return cls(
            stocks=slice(0, first),
            counted=slice(first, second),
            assigned=slice(second, third),
            servers=slice(third, last),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A system with a calendar; hidden factors stay hidden, only what was counted shows."""

    description: SystemDescription
    parameters: Float[np.ndarray, "parameter"]
    """What the decision maker believes of the system; it scales the rosters that are seen."""

    _known: _Known = field(init=False, repr=False, compare=False)
    """What is known of every epoch of every kind of day, under these beliefs."""
    _places: _Places = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.description.is_event_driven:
            raise InvalidSystem(
                f"the epochs of {self.description.name!r} end with events, so there is no "
                "calendar to look at: use PlainObservation"
            )
        object.__setattr__(self, "_places", _Places.of(self.description))
        object.__setattr__(self, "_known", self._whole_calendar())

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
        epochs = self.description.epochs
        moments = states[:, -2] * (epochs + 1) + np.minimum(states[:, -1], epochs)
        return self._beside_state(states, self._known.take(moments.astype(np.intp)))

    def believing(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of states, rosters scaled by what is believed in each row."""
        days = states[:, -2].astype(int)
        epochs = np.minimum(states[:, -1].astype(int), self.description.epochs)
        return self._beside_state(states, self._calendar(days, epochs, parameters))

    def _beside_state(
        self, states: Float[np.ndarray, "batch state"], known: _Known
    ) -> Float32[np.ndarray, "batch observation"]:
        seen, at = known.seen, self._places
        numbers = np.ascontiguousarray(states.T[:-2], dtype=np.float32)
        roots = np.sqrt(numbers)
        roots *= np.float32(0.1)
        ratios = numbers[at.counted] + np.float32(_PRIOR_CUSTOMERS)
        ratios /= known.expected
        np.log(ratios, out=ratios)
        ratios *= np.float32(8.0)
        shares = numbers[at.assigned] * known.per_agent
        # Column by column: much faster than parts whose memory lies the other way.
        for column, row in enumerate([*roots[at.stocks], *roots[at.servers], *ratios, *shares]):
            seen[:, column] = row
        return seen

    def _whole_calendar(self) -> _Known:
        d = self.description
        days, epochs = np.divmod(np.arange(len(d.calendar.values) * (d.epochs + 1)), d.epochs + 1)
        beliefs = np.broadcast_to(self.parameters, (len(days), len(self.parameters)))
        return self._calendar(days, epochs, beliefs)

    def _calendar(
        self,
        days: Int[np.ndarray, "batch"],
        epochs: Int[np.ndarray, "batch"],
        beliefs: Float[np.ndarray, "batch parameter"],
    ) -> _Known:
        """What is known at each of the moments, whatever the state."""
        d = self.description
        columns = [d.calendar.columns.index(name) for name in self._seen_columns]
        scale = _at_least_some(d.calendar.values[:, :, columns].max(axis=(0, 1)))
        now = d.known_ahead(days, epochs, beliefs)
        expected = now[:, [d.calendar.columns.index(tally.expected) for tally in d.tallies]]
        pools = [d.calendar.columns.index(d.teams[team].pool) for team in d.moved_teams]
        ahead = [
            d.known_ahead(days, epochs + k, beliefs)[:, columns]
            / scale
            * (epochs + k < d.epochs)[:, None]
            for k in range(_AHEAD)
        ]
        rest = self._remaining(columns)[days, epochs]
        told = np.concatenate([*ahead, rest, _clock(epochs, d)], axis=1)
        seen = np.zeros((len(days), len(self.names)), dtype=np.float32)
        seen[:, self._places.servers.stop :] = told
        return _Known(
            expected=(expected.T + _PRIOR_CUSTOMERS).astype(np.float32, order="C"),
            per_agent=(2.0 / np.maximum(now[:, pools].T, 1.0)).astype(np.float32, order="C"),
            seen=seen,
        )

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
