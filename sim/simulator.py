"""The question every simulator answers: (state, decision, parameters) -> the next epoch."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description
from sim.engine import Engine, as_counts
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
        self._description = system.describe()
        self._engine: Engine | None = None

    def describe(self) -> Description:
        """Names, units, structure, choices and horizon."""
        return self._description

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin a day; the seed decides who comes, whatever is decided later."""
        vector = parameter_vector(self._system.parameters, parameters)
        scales = {p.name: float(v) for p, v in zip(self._system.parameters, vector, strict=True)}
        self._parameters = vector[None, :]
        self._engine = Engine(self._system, self._description, seed, scales)
        self._epoch = 0
        self._tallies = np.zeros(len(self._description.tallies))
        self._assigned = np.zeros(len(self._description.moved_teams))
        return self._state()

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Run one epoch under the shares given to each lever.

        Any share from 0 to 1 will do, offered or not. Raises InvalidDecision for others and for
        a call out of turn.
        """
        engine = self._check_turn(decision)
        description = self._description
        known = description.known_ahead(
            np.array([engine.day]), np.array([self._epoch]), self._parameters
        )
        sizes = description.team_sizes(known, np.asarray(decision, dtype=float)[None, :])
        on_duty = [known[0, description.calendar.columns.index(p)] for p in self._system.rosters]
        moves = description.moves(self._state()[None, :], sizes)[0]
        engine.begin_epoch(as_counts(np.array(on_duty)), as_counts(sizes[0]))
        flows, waits = engine.end_epoch(description.boundaries[self._epoch + 1])
        self._count(flows)
        self._assigned = sizes[0, list(description.moved_teams)]
        duration = float(description.durations[self._epoch])
        self._epoch += 1
        return Epoch(
            state=self._state(),
            outputs=np.array([*flows, *waits, moves], dtype=float),
            duration=duration,
            is_last=self._epoch == description.epochs,
        )

    def _check_turn(self, decision: Float[np.ndarray, "lever"]) -> Engine:
        if self._engine is None:
            raise InvalidDecision("advance before reset: call reset(seed) first")
        if self._epoch == self._description.epochs:
            raise InvalidDecision("the episode is over: call reset(seed)")
        if np.shape(decision) != (len(self._description.levers),):
            raise InvalidDecision(
                f"decision of shape {np.shape(decision)}: one share for each of "
                f"{', '.join(self._description.lever_names)}"
            )
        for lever, share in zip(self._description.levers, decision, strict=True):
            if not 0.0 <= share <= 1.0:
                raise InvalidDecision(f"lever {lever.name!r} at {share}: a share from 0 to 1")
        return self._engine

    def _count(self, flows: list[int]) -> None:
        names = [flow.name for flow in self._description.flows]
        for position, tally in enumerate(self._description.tallies):
            counted = flows[names.index(tally.flow)]
            self._tallies[position] = counted + (0 if tally.resets else self._tallies[position])

    def _state(self) -> Float[np.ndarray, "state"]:
        assert self._engine is not None
        stocks, day = self._engine.stocks(), self._engine.day
        return np.array([*stocks, *self._tallies, *self._assigned, day, self._epoch], dtype=float)
