"""One episode of a simulator that may be faulty, with every answer kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.contract.faults import epoch_fault, state_fault
from sim.description import Description
from sim.plugins import told

Call = Callable[[], Any]


class Run:
    """One episode, step by step.

    What the simulator gave is kept twice: as it came, and as a copy of what it then was. A fault
    ends the run: an exception, or an answer that is not of the declared form.
    """

    def __init__(
        self,
        simulator: Any,
        description: Description,
        seed: int,
        parameters: dict[str, float] | None = None,
        *,
        spoils: bool = False,
    ) -> None:
        self._simulator, self.description = simulator, description
        self.seed, self.parameters = seed, parameters
        self._offered = description.decisions
        self._spoils = spoils
        """Whether every array is written over once it has been looked at."""
        self.fault = ""
        self.is_over = False
        self.decisions: list[Float[np.ndarray, "lever"]] = []
        self.given: list[tuple[str, Any]] = []
        """(what it was, the very array)."""
        self.states: list[Any] = []
        self.outputs: list[Any] = []
        self.durations: list[float] = []

    def play(self, epochs: int) -> Run:
        """Reset, then run so many epochs or to the end."""
        self.reset()
        while self.epochs < epochs and self.step():
            pass
        return self

    @property
    def epochs(self) -> int:
        """Epochs run so far."""
        return len(self.durations)

    def reset(self) -> None:
        """Begin the episode."""
        where = f"reset(seed={self.seed}{self._with_parameters})"
        state, self.fault = attempt(lambda: self._simulator.reset(self.seed, self.parameters))
        self.fault = self.fault and f"{where} raised {self.fault}"
        self.fault = self.fault or state_fault(state, self.description, where) or ""
        if not self.fault:
            self._keep(f"the state that {where} returned", state, self.states)

    @property
    def _with_parameters(self) -> str:
        return f", parameters={self.parameters}" if self.parameters else ""

    def step(self) -> bool:
        """Run one epoch; False when there is none, or it went wrong."""
        if self.fault or self.is_over:
            return False
        decision = self._decide()
        self.decisions.append(decision.copy())
        where = f"advance({decision.tolist()}) in epoch {self.epochs + 1}"
        epoch, fault = attempt(lambda: self._simulator.advance(decision))
        self.fault = fault and f"{where}{self._under_parameters} raised {fault}"
        self.fault = self.fault or epoch_fault(epoch, self.description, where) or ""
        if self.fault:
            return False
        ordinal = self.epochs + 1
        self._keep(f"the state that epoch {ordinal} returned", epoch.state, self.states)
        self._keep(f"the outputs that epoch {ordinal} returned", epoch.outputs, self.outputs)
        self.durations.append(float(epoch.duration))
        self.is_over = bool(epoch.is_last)
        if self._spoils:
            decision.fill(np.nan)
        return True

    @property
    def _under_parameters(self) -> str:
        return f" under {self.parameters}" if self.parameters else ""

    def _keep(self, what: str, array: Any, copies: list[Any]) -> None:
        copies.append(array.copy())
        if self._spoils and array.flags.writeable:
            array.fill(np.nan)
        else:
            self.given.append((what, array))

    def _decide(self) -> Float[np.ndarray, "lever"]:
        """The next level of every lever in turn, each beginning at another; feasible ones only."""
        turn = self.epochs
        levels = [
            lever.levels[(turn + start) % len(lever.levels)]
            for start, lever in enumerate(self.description.levers)
        ]
        wanted = np.array(levels, dtype=float)
        allowed, fault = attempt(lambda: self.description.feasible(self.states[-1][None, :])[0])
        if fault or np.shape(allowed) != (len(self._offered),) or not np.any(allowed):
            return wanted
        offered = self._offered[np.asarray(allowed, dtype=bool)]
        # The feasible choice that shares the most levels with the one wanted.
        return np.array(offered[int((offered == wanted).sum(axis=1).argmax())], dtype=float)

    def difference(self, other: Run) -> str | None:
        """In words, where another run first differs from this one."""
        for epoch in range(min(len(self.states), len(other.states))):
            where = f"epoch {epoch}" if epoch else "the first state"
            found = _first_difference(
                self.states[epoch], other.states[epoch], self.description.state_names
            )
            if found:
                return f"{where}, state {found}"
            if epoch and (found := self._difference_within(other, epoch - 1)):
                return f"{where}, {found}"
        return self._difference_at_end(other)

    def _difference_within(self, other: Run, epoch: int) -> str | None:
        found = _first_difference(
            self.outputs[epoch], other.outputs[epoch], self.description.output_names
        )
        if found:
            return f"output {found}"
        if self.durations[epoch] != other.durations[epoch]:
            return f"duration: {self.durations[epoch]:g} and {other.durations[epoch]:g}"
        return None

    def _difference_at_end(self, other: Run) -> str | None:
        if self.fault != other.fault:
            return f"a fault: {self.fault or other.fault}"
        shared = min(self.epochs, other.epochs)
        ended = [run.is_over and run.epochs == shared for run in (self, other)]
        return (
            f"the end: only one of them ended with epoch {shared}"
            if any(ended) != all(ended)
            else None
        )

    def without_simulator(self) -> Run:
        """The same record, which can be sent to another process."""
        self._simulator = None
        return self


def _first_difference(one: Any, other: Any, names: tuple[str, ...]) -> str | None:
    differ = ~((one == other) | (np.isnan(one) & np.isnan(other)))
    if not differ.any():
        return None
    at = int(differ.argmax())
    return f"{names[at]!r}: {one[at]:g} and {other[at]:g}"


def attempt(call: Call) -> tuple[Any, str]:
    """What a call gives, and how it failed; a user's code may raise anything."""
    try:
        return call(), ""
    except Exception as error:
        return None, told(error)
