"""Coordinates of any simulator: every number of its next state and of its outputs.

Nothing is conserved, because nothing is known of what the numbers mean. What can be kept is kept:
counts are whole and never negative, a number that was never negative in the data stays so, and
what follows by itself (see `ledger`) is filled in rather than modelled. Outputs come before the
state, so that a queue can be told from those who came and went.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description
from sim.epoch import Quantity
from surrogates.coordinates.balance import FlowBalance, obstacle_to_balance
from surrogates.coordinates.coordinate import Coordinate, Coordinates, Draw, Kind
from surrogates.coordinates.ledger import Ledger, ledger_of
from surrogates.dataset import Transitions
from surrogates.interface import Epochs
from surrogates.questions import Questions

DURATION = Quantity(name="duration", unit="minutes", is_count=False)
"""Modelled as one more output where nobody knows beforehand how long an epoch lasts."""


class PlainCoordinates:
    """Every number that does not follow by itself, in order: outputs, duration, components."""

    def __init__(
        self,
        description: Description,
        is_signed: Bool[np.ndarray, "coordinate"],
        openings: Float[np.ndarray, "opening state"],
    ) -> None:
        self.description, self.openings = description, openings
        self._is_signed, self._ledger = is_signed, ledger_of(description)
        self._questions = Questions(description)
        quantities = _modelled(description, self._ledger)
        self.coordinates = tuple(
            Coordinate(name=q.name, kind=_kind(q, is_signed=bool(signed)))
            for q, signed in zip(quantities, is_signed, strict=True)
        )
        known = self._ledger.names
        self._outputs = [i for i, q in enumerate(description.outputs) if q.name not in known]
        self._components = [i for i, q in enumerate(description.components) if q.name not in known]

    @classmethod
    def learn(cls, description: Description, transitions: Transitions) -> PlainCoordinates:
        """Learn what is never negative, and how episodes begin."""
        signed = np.ones(len(_modelled(description, ledger_of(description))), dtype=bool)
        free = cls(description, signed, transitions.openings)._columns(transitions)
        return cls(description, np.any(free < 0, axis=0), transitions.openings)

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> PlainCoordinates:
        """The coordinates that `to_tensors` was asked of."""
        return cls(description, tensors["coordinates.is_signed"], tensors["coordinates.openings"])

    def to_tensors(self) -> dict[str, np.ndarray]:
        """What was learnt from data."""
        return {"coordinates.is_signed": self._is_signed, "coordinates.openings": self.openings}

    def encode(
        self, transitions: Transitions
    ) -> tuple[
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
    ]:
        """Free numbers of observed epochs and their lower and upper bounds, natural scale."""
        self._questions.check(transitions.state, transitions.decision, transitions.parameters)
        values = self._columns(transitions)
        low = np.broadcast_to(self._lowest, values.shape)
        return values, low, np.full(values.shape, np.inf)

    @property
    def _lowest(self) -> Float[np.ndarray, "coordinate"]:
        return np.array([-np.inf if c.kind == "real" else 0.0 for c in self.coordinates])

    def _columns(self, transitions: Transitions) -> Float[np.ndarray, "row coordinate"]:
        durations = transitions.duration[:, None][:, : int(not self._ledger.knows_durations)]
        return np.concatenate(
            [
                transitions.outputs[:, self._outputs],
                durations,
                transitions.next_state[:, self._components],
            ],
            axis=1,
        )

    def complete(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        draw: Draw,
    ) -> Epochs:
        """The epochs that the drawn numbers make, with what follows filled in."""
        self._questions.check(states, decisions, parameters)
        count = len(states)
        endless = np.full(count, np.inf)
        drawn = np.stack(
            [draw(i, np.full(count, low), endless) for i, low in enumerate(self._lowest)], axis=1
        )
        outputs = np.zeros((count, len(self.description.outputs)))
        next_states = np.zeros((count, len(self.description.components)))
        outputs[:, self._outputs] = drawn[:, : len(self._outputs)]
        next_states[:, self._components] = drawn[:, len(drawn.T) - len(self._components) :]
        durations = (
            self._ledger.durations(states)
            if self._ledger.knows_durations
            else drawn[:, len(self._outputs)]
        )
        self._ledger.fill(states, decisions, parameters, next_states, outputs)
        return Epochs(state=next_states, outputs=outputs, duration=durations)


def _modelled(description: Description, ledger: Ledger) -> list[Quantity]:
    durations = [] if ledger.knows_durations else [DURATION]
    everything = [*description.outputs, *durations, *description.components]
    return [quantity for quantity in everything if quantity.name not in ledger.names]


def _kind(quantity: Quantity, *, is_signed: bool) -> Kind:
    if quantity.is_count:
        return "count"
    return "real" if is_signed else "measure"


def learn_coordinates(description: Description, transitions: Transitions) -> Coordinates:
    """The flow balance where it can represent the simulator, else plain coordinates."""
    if obstacle_to_balance(description) is None:
        return FlowBalance.learn(description, transitions)
    return PlainCoordinates.learn(description, transitions)


def relearn_coordinates(known: Coordinates, transitions: Transitions) -> Coordinates:
    """What these transitions say of the same simulator, in numbers on the scales of those known.

    Where the same numbers are free, what was learnt in those can be taught more in these.
    """
    if isinstance(known, FlowBalance):
        return known.learnt_on(transitions)
    return PlainCoordinates.learn(known.description, transitions)


def restore_coordinates(description: Description, tensors: dict[str, np.ndarray]) -> Coordinates:
    """The coordinates whose `to_tensors` are among these arrays."""
    if obstacle_to_balance(description) is None:
        return FlowBalance.from_tensors(tensors, description)
    return PlainCoordinates.from_tensors(tensors, description)
