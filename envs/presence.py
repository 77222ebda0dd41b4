"""What matters of a network that is decided at every event: how many customers of each class."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Float32

from sim.description import SystemDescription
from sim.errors import InvalidSystem

_FEW = 3
"""Numbers below this are told apart one by one."""


def presence_of(description: SystemDescription) -> Float[np.ndarray, "kind state"]:
    """By class the components of the state that count its customers, waiting and in service."""
    queues = [stock.name for stock in description.stocks if stock.team is None]
    names = list(description.state_names)
    counted = np.zeros((len(queues), len(names)))
    for row, queue in enumerate(queues):
        busy = [f"{team.name}_busy" for team in description.teams if team.queue == queue]
        counted[row, [names.index(name) for name in (queue, *busy)]] = 1.0
    return counted


@dataclass(frozen=True, slots=True, kw_only=True)
class PresenceView:
    """The number of customers of each class on several scales, and no clock.

    Where times are exponential and services may be interrupted, these numbers are the state of a
    Markov chain, and the best decision depends on nothing else. Square roots and logarithms keep
    long queues within a network's range; small numbers are told apart one by one, because policies
    change most sharply where a server would run dry.
    """

    description: SystemDescription
    usual: Float[np.ndarray, "kind"]
    """A usual number of each class: logarithms are of how many times as many there are."""
    _counted: Float[np.ndarray, "kind state"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.description.is_event_driven:
            raise InvalidSystem(
                f"the epochs of {self.description.name!r} have a calendar: use Observation"
            )
        object.__setattr__(self, "_counted", presence_of(self.description))

    @classmethod
    def of(
        cls, description: SystemDescription, states: Float[np.ndarray, "row state"]
    ) -> PresenceView:
        """On scales that suit these states, such as those that were collected."""
        present = states @ presence_of(description).T
        return cls(description=description, usual=np.maximum(present.mean(axis=0), 1.0))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        d = self.description
        kinds = [s.name.removesuffix("_waiting") for s in d.stocks if s.team is None]
        parts = ("root", "logarithm", *(f"at_least_{few}" for few in range(1, _FEW + 1)))
        return tuple(f"{kind}_{part}" for part in parts for kind in kinds)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        present = states @ self._counted.T
        share = present / self.usual
        few = [present >= number for number in range(1, _FEW + 1)]
        parts = [np.sqrt(share) - 1.0, np.log1p(share) - 0.7, *few]
        return np.concatenate(parts, axis=1).astype(np.float32)
