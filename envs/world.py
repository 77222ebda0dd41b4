"""The two worlds behind one environment: the true simulator and any surrogate, in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.description import Description
from sim.simulator import Simulator
from surrogates.interface import Surrogate


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the copies of a world answered to their decisions."""

    state: Float[np.ndarray, "batch state"]
    outputs: Float[np.ndarray, "batch output"]
    is_last: Bool[np.ndarray, "batch"]
    """Whether the episode ended; such a row must be begun again before it can go on."""


class World(Protocol):
    """Several copies of one system, stepped together."""

    @property
    def description(self) -> Description:
        """The system."""
        ...

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Start a new episode in the given rows; returns their first states."""
        ...

    def advance(
        self, decisions: Float[np.ndarray, "batch lever"], random: np.random.Generator
    ) -> Answers:
        """Step every row by one epoch."""
        ...


class SurrogateWorld:
    """Copies of a system answered by a surrogate in one batched call.

    Episodes have as many epochs as the description says: a surrogate does not foretell that one
    ends earlier.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        copies: int,
        parameters: Float[np.ndarray, "parameter"] | None = None,
    ) -> None:
        self._surrogate = surrogate
        self.description = surrogate.description
        nominal = self.description.nominal if parameters is None else parameters
        self._parameters = np.tile(nominal, (copies, 1))
        self._states = np.zeros((copies, len(self.description.state_names)))
        self._passed = np.zeros(copies, dtype=int)
        self._openings = surrogate.openings

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Open the given rows in random opening states."""
        self._passed[rows] = 0
        self._states[rows] = self._openings[random.integers(len(self._openings), size=len(rows))]
        opened: Float[np.ndarray, "rows state"] = self._states[rows]
        return opened

    def advance(
        self, decisions: Float[np.ndarray, "batch lever"], random: np.random.Generator
    ) -> Answers:
        """Sample the next epoch of every row."""
        epochs = self._surrogate.sample(self._states, decisions, self._parameters, random)
        self._states = epochs.state.copy()
        self._passed += 1
        return Answers(
            state=epochs.state,
            outputs=epochs.outputs,
            is_last=self._passed >= self.description.epochs,
        )


class SimulatedWorld:
    """Copies of a true simulator, one object a row."""

    def __init__(
        self,
        build: Callable[[], Simulator],
        copies: int,
        parameters: dict[str, float] | None = None,
    ) -> None:
        self._simulators = [build() for _ in range(copies)]
        self.description = self._simulators[0].describe()
        self._parameters = parameters

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Reset the simulators of the given rows with fresh seeds."""
        seeds = random.integers(2**31, size=len(rows))
        return np.array(
            [
                self._simulators[row].reset(int(seed), self._parameters)
                for row, seed in zip(rows, seeds, strict=True)
            ]
        )

    def advance(
        self, decisions: Float[np.ndarray, "batch lever"], random: np.random.Generator
    ) -> Answers:
        """Advance every simulator; the generator is not used, seeds decide."""
        del random
        epochs = [s.advance(d) for s, d in zip(self._simulators, decisions, strict=True)]
        return Answers(
            state=np.array([epoch.state for epoch in epochs]),
            outputs=np.array([epoch.outputs for epoch in epochs]),
            is_last=np.array([epoch.is_last for epoch in epochs]),
        )
