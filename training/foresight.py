"""What a race of events is expected to bring: exact means of the next epoch, in place of draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from envs.presence import presence_of
from sim.description import SystemDescription
from sim.errors import InvalidSystem
from surrogates.flow.jumps import JumpLaw
from surrogates.flow.patterns import TABLE, incidence
from surrogates.interface import Surrogate

Features = Callable[[Float[np.ndarray, "batch kind"]], Float[np.ndarray, "batch feature"]]
"""Functions of the numbers of customers present by class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the coming epoch is like in the mean."""

    present: Float[np.ndarray, "batch kind"]
    """Customers of each class now."""
    minutes: Float[np.ndarray, "batch"]
    """Mean duration."""
    after: Float[np.ndarray, "batch feature"]
    """Mean features when it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """Looks one event ahead in a fitted race; draws nothing."""

    law: JumpLaw
    _present: Float[np.ndarray, "kind state"] = field(init=False, repr=False)
    _moves: Float[np.ndarray, "move kind"] = field(init=False, repr=False)
    _which: Float[np.ndarray, "pattern move"] = field(init=False, repr=False)
    """1 where a pattern makes a move."""

    def __post_init__(self) -> None:
        patterns = self.law.patterns
        description = patterns.description
        present = presence_of(description)
        table = patterns.to_tensors()[TABLE][: len(description.flows)]
        changes = (present[:, : len(description.stocks)] @ incidence(description) @ table).T
        # Most patterns differ in who starts or is interrupted, not in who is there.
        moves, which = np.unique(changes, axis=0, return_inverse=True)
        object.__setattr__(self, "_present", present)
        object.__setattr__(self, "_moves", moves)
        object.__setattr__(self, "_which", np.eye(len(moves))[which.reshape(-1)])

    @classmethod
    def of(cls, surrogate: Surrogate) -> Foresight:
        """Into a flow surrogate of a system whose epochs end with events; refuses others."""
        law = getattr(surrogate, "law", None)
        if not isinstance(law, JumpLaw):
            raise InvalidSystem(
                f"{surrogate.name!r} is no race of events: only a flow surrogate of a system that "
                "is decided at every event knows what may come next"
            )
        return cls(law=law)

    @property
    def description(self) -> SystemDescription:
        """The system."""
        return self.law.patterns.description

    def present(self, states: Float[np.ndarray, "batch state"]) -> Float[np.ndarray, "batch kind"]:
        """Customers of each class."""
        return np.asarray(states @ self._present.T)

    def minutes(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """Mean duration of the coming epoch."""
        return np.asarray(1.0 / self.law.rates(states, decisions, parameters).sum(axis=1))

    def look(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        features: Features,
    ) -> Outlook:
        """Mean duration, and mean features after the event."""
        rates = self.law.pattern_rates(states, decisions, parameters)
        total, present = rates.sum(axis=1), self.present(states)
        chances = (rates / total[:, None]) @ self._which
        after = [
            chance[:, None] * features(np.maximum(present + move, 0.0))
            for chance, move in zip(chances.T, self._moves, strict=True)
        ]
        return Outlook(present=present, minutes=1.0 / total, after=np.sum(after, axis=0))
