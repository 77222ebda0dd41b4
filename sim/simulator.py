"""The question every simulator answers: (state, decision, parameters) -> the next epoch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description, SystemDescription
from sim.engine import Engine
from sim.epoch import Epoch, parameter_vector
from sim.errors import InvalidDecision
from sim.system import System


@runtime_checkable
class Simulator(Protocol):
    """A system that can be run epoch by epoch.

    The same seed, parameters and decisions give the same epochs, in any process. A branch is a
    replay: a simulator's inner state need not be copyable.
    """

    def describe(self) -> Description:
        """Names, units, structure, choices and horizon."""
        ...

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin an episode; parameters not given are nominal."""
        ...

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Apply a decision until the next epoch."""
        ...


class ServiceSystem:
    """The built-in simulator of a `System`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._description = description = system.describe()
        self._engine: Engine | None = None
        # Looked up at every epoch, and an event may be one.
        flows = [flow.name for flow in description.flows]
        self._tallied = [(flows.index(tally.flow), tally.resets) for tally in description.tallies]
        self._offered = [(lever, frozenset(lever.levels)) for lever in description.levers]
        self._moved, self._has_moves = len(description.moved_teams), description.has_moves

    def describe(self) -> SystemDescription:
        """Names, units, structure, choices and horizon."""
        return self._description

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin an episode; the seed decides who comes, whatever is decided later."""
        vector = parameter_vector(self._system.parameters, parameters)
        values = self._description.parameter_values(vector)
        self._engine = Engine(self._system, self._description, seed, values)
        self._epoch, self._is_over = 0, False
        self._tallies = [0] * len(self._tallied)
        self._assigned = [0.0] * self._moved
        return self._state(self._engine)

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Run one epoch under a level for each lever.

        Any level that the lever allows will do, offered or not. Raises InvalidDecision for others
        and for a call out of turn.
        """
        engine = self._check_turn(decision)
        began = engine.now
        engine.begin_epoch(np.asarray(decision, dtype=float))
        before, self._assigned = self._assigned, engine.assigned()
        has_more = self._run(engine)
        self._count(engine.flows)
        self._epoch += 1
        self._is_over = self._epoch == self._description.epochs or not has_more
        outputs = [*engine.flows, *engine.measures()]
        if self._has_moves:
            pairs = zip(self._assigned, before, strict=True)
            outputs.append(sum(abs(now - then) for now, then in pairs))
        return Epoch(
            state=self._state(engine),
            outputs=np.array(outputs, float),
            duration=engine.now - began,
            is_last=self._is_over,
        )

    def _run(self, engine: Engine) -> bool:
        if self._description.is_event_driven:
            return engine.end_with_event()
        engine.end_epoch(self._description.boundaries[self._epoch + 1])
        return True

    def _check_turn(self, decision: Float[np.ndarray, "lever"]) -> Engine:
        if self._engine is None:
            raise InvalidDecision("advance before reset: call reset(seed) first")
        if self._is_over:
            raise InvalidDecision("the episode is over: call reset(seed)")
        if np.shape(decision) != (len(self._offered),):
            raise InvalidDecision(
                f"decision of shape {np.shape(decision)}: one level for each of "
                f"{', '.join(self._description.lever_names) or 'no levers'}"
            )
        for (lever, offered), level in zip(self._offered, decision, strict=True):
            if level not in offered and not lever.allows(level):
                raise InvalidDecision(f"lever {lever.name!r} at {level}: {lever.bounds}")
        return self._engine

    def _count(self, flows: list[int]) -> None:
        for position, (flow, resets) in enumerate(self._tallied):
            self._tallies[position] = flows[flow] + (0 if resets else self._tallies[position])

    def _state(self, engine: Engine) -> Float[np.ndarray, "state"]:
        known = (*self._tallies, *self._assigned, *engine.servers(), engine.day, self._epoch)
        return np.array([*engine.stocks(), *known], dtype=float)
