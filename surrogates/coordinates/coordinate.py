"""The free numbers of an epoch: what a family models, and the way to and from transitions.

A family learns a law of these numbers and need not know what they mean. `FlowBalance` knows which
of a system's numbers follow from the others; `PlainCoordinates` takes every number of any
simulator as free.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.coordinates.idling import UNBENT, evened, unevened
from surrogates.dataset import Transitions
from surrogates.interface import Epochs

Kind = Literal["exogenous", "flow", "waiting", "idle", "count", "measure", "real"]
Draw = Callable[
    [int, Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]], Float[np.ndarray, "batch"]
]
"""Given a coordinate's position and its bounds in each row, values on the natural scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordinate:
    """One free number of an epoch, modelled on a scale where its spread is about constant.

    Square roots for counts and for measures, which are never negative; for idle agents see
    `idling`; real numbers of either sign as they are.
    """

    name: str
    kind: Kind
    bend: float = UNBENT
    """Idle agents at which the scale passes from even ratios to even steps."""

    @property
    def is_whole(self) -> bool:
        """Whether it counts customers or agents."""
        return self.kind not in ("measure", "real")

    def scale(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """From the natural unit to the scale on which it is modelled."""
        if self.kind == "idle":
            return evened(values, self.bend)
        if self.kind == "real":
            return values
        return np.asarray(np.sqrt(np.maximum(values, 0.0)))

    def unscale(self, values: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
        """Back from the scale on which it is modelled."""
        if self.kind == "idle":
            return unevened(values, self.bend)
        if self.kind == "real":
            return values
        return np.asarray(np.square(np.maximum(values, 0.0)))

    def settle(
        self,
        latent: Float[np.ndarray, "batch"],
        low: Float[np.ndarray, "batch"],
        high: Float[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """The value a latent number stands for: unscaled, whole where it counts, within bounds."""
        values = self.unscale(latent)
        values = np.rint(values) if self.is_whole else values
        return np.asarray(np.minimum(np.maximum(values, low), high))


@runtime_checkable
class Coordinates(Protocol):
    """A way between epochs and their free numbers."""

    @property
    def description(self) -> Description:
        """The simulator whose epochs these are."""
        ...

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        """The free numbers, in the order in which they are drawn."""
        ...

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin, each as likely as another."""
        ...

    def encode(
        self, transitions: Transitions
    ) -> tuple[
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
        Float[np.ndarray, "row coordinate"],
    ]:
        """Free numbers of observed epochs and their lower and upper bounds, natural scale."""
        ...

    def complete(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        draw: Draw,
    ) -> Epochs:
        """The epochs that follow from the drawn free numbers.

        `draw` is called once per coordinate, in order, and returns what `Coordinate.settle` gives.
        """
        ...

    def to_tensors(self) -> dict[str, np.ndarray]:
        """What was learnt from data, to be saved beside a family's own arrays."""
        ...
