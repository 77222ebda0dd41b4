"""Whoever decides in a planned episode, on the simulator or in a rehearsal on a surrogate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from sim.errors import suggestion
from sim.streams import stream
from surrogates.design import BEHAVIOURS, BehaviourPolicy, PlannedEpisode
from surrogates.errors import InvalidDataset

Seat = Callable[[Float[np.ndarray, "state"]], Float[np.ndarray, "lever"]]
"""Decides the levels in one state."""


@runtime_checkable
class Decides(Protocol):
    """A policy as plans know it: a rule, a trained network, anything that decides in batches."""

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The number of the joint choice for each state."""
        ...


@runtime_checkable
class Remembers(Protocol):
    """A policy that may look back, and so is told where episodes begin."""

    def begin(self, rows: int) -> Decides:
        """Who is to be asked in so many episodes that begin now and go on in step."""
        ...


def seated(policy: Decides, rows: int) -> Decides:
    """Who decides in so many episodes that begin now: the policy itself unless it remembers."""
    return policy.begin(rows) if isinstance(policy, Remembers) else policy


Policies = Mapping[str, Decides]
"""Policies by the names that plans give them."""
NO_POLICIES: dict[str, Decides] = {}
"""For plans whose behaviours need none."""


class Pilot:
    """Decides in one planned episode; the same plan decides alike in either world."""

    def __init__(
        self, plan: PlannedEpisode, description: Description, policies: Policies = NO_POLICIES
    ) -> None:
        self._plan, self._epoch = plan, 0
        self._levers = description.levers
        self._random = stream(plan.seed, "slips")
        self._behaviour = _seat(plan.behaviour, plan.seed, description, policies)
        self._lead = self._behaviour
        if plan.start:
            self._lead = _seat(plan.lead, plan.seed, description, policies)

    def decide(self, state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "lever"]:
        """The levels to apply in the coming epoch."""
        decides = self._lead if self._epoch < self._plan.start else self._behaviour
        self._epoch += 1
        # Asked also where it is overruled: a behaviour's own random numbers must not depend on it.
        levels = decides(state)
        return self._slip() if self._random.random() < self._plan.slips else levels

    def _slip(self) -> Float[np.ndarray, "lever"]:
        levers = self._levers
        return np.array(
            [lever.levels[self._random.integers(len(lever.levels))] for lever in levers]
        )


def _seat(name: str, seed: int, description: Description, policies: Policies) -> Seat:
    """Raises InvalidDataset for a name that is neither a behaviour nor a policy."""
    if name in policies:
        policy = seated(policies[name], 1)
        return lambda state: description.levels_of(policy.decide(state[None, :]))[0]
    if name not in BEHAVIOURS:
        known = (*BEHAVIOURS, *policies)
        raise InvalidDataset(f"no behaviour or policy {name!r}{suggestion(name, known)}")
    return BehaviourPolicy(name, description, seed).decide
