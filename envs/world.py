"""The two worlds behind one environment: the true simulator and any surrogate, in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from sim.simulator import Simulator
from surrogates.interface import Epochs, Surrogate


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
    ) -> Epochs:
        """Step every row by one epoch."""
        ...


class SurrogateWorld:
    """Copies of a system answered by a surrogate in one batched call."""

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
        days = self.description.calendar.values.shape[0]
        self._openings = np.array([self.description.initial_state(day) for day in range(days)])

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Open the given rows on random kinds of day."""
        self._states[rows] = self._openings[random.integers(len(self._openings), size=len(rows))]
        opened: Float[np.ndarray, "rows state"] = self._states[rows]
        return opened

    def advance(
        self, decisions: Float[np.ndarray, "batch lever"], random: np.random.Generator
    ) -> Epochs:
        """Sample the next epoch of every row."""
        epochs = self._surrogate.sample(self._states, decisions, self._parameters, random)
        self._states = epochs.state.copy()
        return epochs


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
    ) -> Epochs:
        """Advance every simulator; the generator is not used, seeds decide."""
        del random
        answers = [s.advance(d) for s, d in zip(self._simulators, decisions, strict=True)]
        return Epochs(
            state=np.array([a.state for a in answers]),
            outputs=np.array([a.outputs for a in answers]),
        )
