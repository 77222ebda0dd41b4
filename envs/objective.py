"""What is wanted, in money: a pure function of an epoch's outputs, outside every model of dynamics.

Because no model has seen it, an objective can change without new data.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description
from sim.errors import InvalidSystem, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Cost per unit of each output, and per unit of each state component at the last epoch."""

    output_weights: Float[np.ndarray, "output"]
    closing_weights: Float[np.ndarray, "state"]

    @classmethod
    def from_costs(
        cls, description: Description, outputs: dict[str, float], at_close: dict[str, float]
    ) -> Objective:
        """Weights by name; what is not named costs nothing. Refuses unknown names."""
        return cls(
            output_weights=_weights("output", outputs, description.output_names),
            closing_weights=_weights("state component", at_close, description.state_names),
        )

    def cost(
        self,
        outputs: Float[np.ndarray, "batch output"],
        next_states: Float[np.ndarray, "batch state"],
        is_last: Bool[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """Money lost in each epoch."""
        left = next_states @ self.closing_weights
        total: Float[np.ndarray, "batch"] = outputs @ self.output_weights + is_last * left
        return total


def _weights(
    kind: str, given: dict[str, float], names: tuple[str, ...]
) -> Float[np.ndarray, "name"]:
    for name in given:
        if name not in names:
            raise InvalidSystem(f"no {kind} {name!r} to put a cost on{suggestion(name, names)}")
    return np.array([given.get(name, 0.0) for name in names], dtype=float)
