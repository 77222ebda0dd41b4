"""What a policy remembers of an episode: a gated recurrent unit, in numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.errors import SurrogymError

INPUT_WEIGHT, STATE_WEIGHT = "memory.input.weight", "memory.state.weight"
INPUT_BIAS, STATE_BIAS = "memory.input.bias", "memory.state.bias"
"""Names of stored tensors; a policy without memory has none of them."""


class InconsistentMemory(SurrogymError):
    """The weights of a memory do not fit each other; the message shows their shapes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GatedMemory:
    """A gated recurrent unit (Cho et al. 2014, arXiv:1406.1078) with torch's order of gates.

    Rows of the weights are those of the reset gate, then of the update gate, then of what is new.
    """

    input_weight: Float[np.ndarray, "gates inputs"]
    state_weight: Float[np.ndarray, "gates units"]
    input_bias: Float[np.ndarray, " gates"]
    state_bias: Float[np.ndarray, " gates"]

    def __post_init__(self) -> None:
        """Raise InconsistentMemory unless there are three gates for each unit."""
        gates = 3 * self.units
        shapes = [
            array.shape for array in (self.input_weight[:, 0], self.input_bias, self.state_bias)
        ]
        if self.state_weight.shape[0] != gates or set(shapes) != {(gates,)}:
            raise InconsistentMemory(
                f"weights {self.input_weight.shape} and {self.state_weight.shape} with biases "
                f"{self.input_bias.shape} and {self.state_bias.shape}: give three rows for each "
                f"of {self.units} units"
            )

    @property
    def inputs(self) -> int:
        """Numbers that come in at each epoch."""
        return int(self.input_weight.shape[1])

    @property
    def units(self) -> int:
        """Numbers that are remembered."""
        return int(self.state_weight.shape[1])

    def advance(
        self, inputs: Float[np.ndarray, "rows inputs"], state: Float[np.ndarray, "rows units"]
    ) -> Float[np.ndarray, "rows units"]:
        """What is remembered after the next epoch."""
        told = inputs @ self.input_weight.T + self.input_bias
        known = state @ self.state_weight.T + self.state_bias
        reset, update, new = np.split(told, 3, axis=1)
        old_reset, old_update, old = np.split(known, 3, axis=1)
        kept = _sigmoid(update + old_update)
        candidate = np.tanh(new + _sigmoid(reset + old_reset) * old)
        following: np.ndarray = (1.0 - kept) * candidate + kept * state
        return following.astype(state.dtype)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """By name, ready for safetensors."""
        return {
            INPUT_WEIGHT: self.input_weight,
            STATE_WEIGHT: self.state_weight,
            INPUT_BIAS: self.input_bias,
            STATE_BIAS: self.state_bias,
        }


def memory_of(tensors: Mapping[str, np.ndarray]) -> GatedMemory | None:
    """The memory that `to_tensors` was asked of, None where there is none.

    Raises InconsistentMemory for part of one.
    """
    names = {name for name in tensors if name.startswith("memory.")}
    if not names:
        return None
    if names != {INPUT_WEIGHT, STATE_WEIGHT, INPUT_BIAS, STATE_BIAS}:
        raise InconsistentMemory(f"{sorted(names)} are not what a memory stores")
    return GatedMemory(
        input_weight=tensors[INPUT_WEIGHT],
        state_weight=tensors[STATE_WEIGHT],
        input_bias=tensors[INPUT_BIAS],
        state_bias=tensors[STATE_BIAS],
    )


def _sigmoid(numbers: np.ndarray) -> np.ndarray:
    # By the hyperbolic tangent, which does not overflow.
    return np.asarray(0.5 * (np.tanh(0.5 * numbers) + 1.0))
