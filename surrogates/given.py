"""Answers with the arrivals from outside held at what was seen.

What a model makes of an epoch beyond the luck of who came is visible only when both worlds meet
the same customers. Where a family draws its free numbers one after another and each looks at those
before it, holding some of them is asking for their conditional law. Where arrivals of a later class
are drawn after other numbers, these are not told of them.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.coordinates.coordinate import Coordinate, Coordinates, Draw
from surrogates.dataset import Transitions
from surrogates.interface import Epochs


@runtime_checkable
class SupportsGivenArrivals(Protocol):
    """A surrogate that can be told who comes."""

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count them; none where the model does not know them apart."""
        ...

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        ...


class GivenArrivals:
    """Coordinates of which those from outside are those of known transitions, row by row."""

    def __init__(self, inner: Coordinates, transitions: Transitions) -> None:
        self._inner = inner
        self._seen, _, _ = inner.encode(transitions)

    @property
    def description(self) -> Description:
        """The simulator whose epochs these are."""
        return self._inner.description

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The free numbers, in the order in which they are drawn."""
        return self._inner.coordinates

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin, each as likely as another."""
        return self._inner.openings

    def encode(
        self, transitions: Transitions
    ) -> tuple[
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
    ]:
        """Free numbers of observed epochs and their bounds, as without anything held."""
        return self._inner.encode(transitions)

    def complete(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        draw: Draw,
    ) -> Epochs:
        """The epochs that follow; arrivals are left no choice, so they settle at what was seen."""
        held = {i for i, c in enumerate(self.coordinates) if c.kind == "exogenous"}

        def settle(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            if position not in held:
                return draw(position, low, high)
            return draw(position, self._seen[:, position], self._seen[:, position])

        return self._inner.complete(states, decisions, parameters, settle)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """What was learnt from data, as without anything held."""
        return self._inner.to_tensors()


def names_of_arrivals(coordinates: Coordinates) -> tuple[str, ...]:
    """Names of the free numbers that come from outside, whatever is decided."""
    return tuple(c.name for c in coordinates.coordinates if c.kind == "exogenous")
