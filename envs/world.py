"""The two worlds behind one environment: the true simulator and any surrogate, in batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float, Int

from envs.randomisation import (
    FixedParameters,
    ParameterDraws,
    WithinBox,
    refuse_misfit,
    refuse_outside,
)
from sim.description import Description
from sim.epoch import parameter_vector
from sim.simulator import Simulator
from surrogates.interface import Epochs, FunctionDraws, Surrogate


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the copies of a world answered to their decisions."""

    state: Float[np.ndarray, "batch state"]
    outputs: Float[np.ndarray, "batch output"]
    duration: Float[np.ndarray, "batch"]
    """Minutes."""
    is_last: Bool[np.ndarray, "batch"]
    """Whether the episode ended; such a row must be begun again before it can go on."""


class World(Protocol):
    """Several copies of one system, stepped together."""

    @property
    def description(self) -> Description:
        """The system."""
        ...

    @property
    def parameters(self) -> Float[np.ndarray, "batch parameter"]:
        """The parameters of the episode in progress in each row."""
        ...

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Start a new episode in the given rows; returns their first states."""
        ...

    def advance(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Answers:
        """Step the given rows by one epoch, every row by default; one answer for each."""
        ...


class SurrogateWorld:
    """Copies of a system answered by a surrogate in one batched call.

    Episodes have as many epochs as the description says: a surrogate does not foretell that one
    ends earlier. Parameters are nominal, fixed, or drawn for each episode. Raises InvalidParameters
    where they leave the box of the surrogate's description, which is all that it has learnt.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        copies: int,
        parameters: Float[np.ndarray, "parameter"] | ParameterDraws | None = None,
    ) -> None:
        self._surrogate = surrogate
        self.description = surrogate.description
        self._draws = _draws(self.description, parameters)
        # A column in one piece of memory, as surrogates work on them.
        self.parameters = np.asfortranarray(np.tile(self.description.nominal, (copies, 1)))
        self._states = np.zeros((copies, len(self.description.state_names)), order="F")
        self._passed = np.zeros(copies, dtype=int)
        self._openings = surrogate.openings

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Open the given rows in random opening states."""
        self._passed[rows] = 0
        # Whoever was answered keeps the states as they were.
        self._states = self._states.copy(order="K")
        self._states[rows] = self._openings[random.integers(len(self._openings), size=len(rows))]
        self.parameters[rows] = self._draws(len(rows), random)
        opened: Float[np.ndarray, "rows state"] = self._states[rows]
        return opened

    def advance(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Answers:
        """Sample the next epoch of the rows."""
        chosen = slice(None) if rows is None else rows
        epochs = self._answer(decisions, random, chosen)
        if rows is None:
            self._states = epochs.state
        else:
            self._states = self._states.copy(order="K")
            self._states[rows] = epochs.state
        self._passed[chosen] += 1
        return Answers(
            state=epochs.state,
            outputs=epochs.outputs,
            duration=epochs.duration,
            is_last=self._passed[chosen] >= self.description.epochs,
        )

    def _answer(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        chosen: slice | Int[np.ndarray, "rows"],
    ) -> Epochs:
        return self._surrogate.sample(
            self._states[chosen], decisions, self.parameters[chosen], random
        )


class ImaginedWorld(SurrogateWorld):
    """A surrogate world in which every episode stays in one of the worlds held possible.

    Which one is drawn anew for each episode, so that a policy meets what the surrogate does not
    know as a fact of the day, not as noise that averages out within it.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        functions: FunctionDraws,
        copies: int,
        parameters: Float[np.ndarray, "parameter"] | ParameterDraws | None = None,
    ) -> None:
        super().__init__(surrogate, copies, parameters)
        self._functions = functions
        self.which = np.zeros(copies, dtype=int)

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Open the given rows, each in a possible world of its own."""
        self.which[rows] = random.integers(self._functions.count, size=len(rows))
        return super().begin(rows, random)

    def _answer(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        chosen: slice | Int[np.ndarray, "rows"],
    ) -> Epochs:
        return self._functions.sample(
            self._states[chosen], decisions, self.parameters[chosen], self.which[chosen], random
        )


class SimulatedWorld:
    """Copies of a true simulator, one object a row.

    Parameters are nominal where not given, or drawn for each episode.
    """

    def __init__(
        self,
        build: Callable[[], Simulator],
        copies: int,
        parameters: dict[str, float] | ParameterDraws | None = None,
    ) -> None:
        self._simulators = [build() for _ in range(copies)]
        self.description = self._simulators[0].describe()
        # A simulator may do as it likes where nothing is given, such as drift: so None stays None.
        self._given = parameters if isinstance(parameters, dict) else None
        self._draws = None if isinstance(parameters, dict) else parameters
        first = parameter_vector(self.description.parameters, self._given)
        self.parameters = np.tile(first, (copies, 1))

    def begin(
        self, rows: Int[np.ndarray, "rows"], random: np.random.Generator
    ) -> Float[np.ndarray, "rows state"]:
        """Reset the simulators of the given rows with fresh seeds."""
        seeds = random.integers(2**31, size=len(rows))
        if self._draws is not None:
            drawn = self._draws(len(rows), random)
            refuse_misfit(self.description, drawn)
            self.parameters[rows] = drawn
        return np.array(
            [
                self._simulators[row].reset(int(seed), self._values(row))
                for row, seed in zip(rows.tolist(), seeds, strict=True)
            ]
        )

    def _values(self, row: int) -> dict[str, float] | None:
        if self._draws is None:
            return self._given
        return self.description.parameter_values(self.parameters[row])

    def advance(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Answers:
        """Advance the simulators; the generator is not used, seeds decide."""
        del random
        chosen = range(len(self._simulators)) if rows is None else rows.tolist()
        pairs = zip(chosen, decisions, strict=True)
        epochs = [self._simulators[row].advance(decision) for row, decision in pairs]
        return Answers(
            state=np.array([epoch.state for epoch in epochs]),
            outputs=np.array([epoch.outputs for epoch in epochs]),
            duration=np.array([epoch.duration for epoch in epochs], dtype=float),
            is_last=np.array([epoch.is_last for epoch in epochs]),
        )


def _draws(
    description: Description, parameters: Float[np.ndarray, "parameter"] | ParameterDraws | None
) -> ParameterDraws:
    if parameters is None:
        return FixedParameters(values=description.nominal)
    if isinstance(parameters, np.ndarray):
        refuse_outside(description, parameters[None])
        return FixedParameters(values=parameters)
    return WithinBox(draws=parameters, description=description)
