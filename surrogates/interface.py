"""What a surrogate is: a cheap, stochastic answer to the simulator's question, in batches.

A surrogate is reward-free and conditioned on parameters: it samples the next state and the
outputs of an epoch from the state, the decision and the parameters. One Protocol per capability.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.dataset import Transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Epochs:
    """A batch of answers, in the order of the description's names."""

    state: Float[np.ndarray, "batch state"]
    outputs: Float[np.ndarray, "batch output"]
    duration: Float[np.ndarray, "batch"]
    """Minutes."""


@runtime_checkable
class Surrogate(Protocol):
    """A fitted one-epoch model that can be sampled in batches."""

    @property
    def name(self) -> str:
        """The family's name."""
        ...

    @property
    def description(self) -> Description:
        """The system it stands in for."""
        ...

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin, each as likely as another."""
        ...

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""
        ...


@runtime_checkable
class SupportsLikelihood(Protocol):
    """A surrogate that can say how likely an observed epoch was."""

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        ...
