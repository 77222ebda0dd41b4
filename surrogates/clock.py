"""A clock beside a simulator's state, so that whoever looks at the state knows the time of day.

A simulator need not tell the number of the epoch, and ours does. Where epochs begin at known
minutes, the number is added as the last component: then surrogates, rules and networks can look
at states alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from sim.description import Description, SystemDescription
from sim.epoch import Epoch, Quantity
from sim.simulator import Simulator

CLOCK = "epochs_passed"
"""The component that a clock adds."""


def has_clock(description: Description) -> bool:
    """Whether the last component of the state is the number of the epoch."""
    return isinstance(description, SystemDescription) or description.state_names[-1:] == (CLOCK,)


def with_clock(simulator: Simulator) -> Simulator:
    """The simulator itself where its state tells the time or only events do, else with a clock."""
    description = simulator.describe()
    if has_clock(description) or description.is_event_driven:
        return simulator
    return Clocked(simulator)


@dataclass(frozen=True, slots=True, kw_only=True)
class WithClock:
    """Builds simulators that tell the time, in whatever process calls it."""

    build: Callable[[], Simulator]

    def __call__(self) -> Simulator:
        """A fresh simulator."""
        return with_clock(self.build())


class Clocked:
    """Any simulator, with the number of the epoch as the last component of its state."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        description = simulator.describe()
        clock = Quantity(name=CLOCK, unit="epochs")
        self._description = replace(description, components=(*description.components, clock))
        self._passed = 0

    def describe(self) -> Description:
        """What the simulator says of itself, and the clock."""
        return self._description

    def reset(
        self, seed: int, parameters: dict[str, float] | None = None
    ) -> Float[np.ndarray, "state"]:
        """Begin an episode at epoch 0."""
        self._passed = 0
        return self._told(self._simulator.reset(seed, parameters))

    def advance(self, decision: Float[np.ndarray, "lever"]) -> Epoch:
        """Apply a decision until the next epoch."""
        epoch = self._simulator.advance(decision)
        self._passed += 1
        return replace(epoch, state=self._told(epoch.state))

    def _told(self, state: Float[np.ndarray, "inner"]) -> Float[np.ndarray, "state"]:
        return np.append(state, float(self._passed))
