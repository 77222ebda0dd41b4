"""The flow surrogate: one epoch's customers, conserved exactly, by a law that fits its epochs.

Where epochs last a known time, the law is of the counts in the coordinates of the flow balance
(`interval`); where they end with events, of which event comes first and when (`jumps`). Either way
stocks follow from flows, so customers are never lost or made. What the description does not say is
learnt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description, SystemDescription
from sim.errors import InvalidSystem
from surrogates.coordinates.balance import obstacle_to_balance
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.flow.ascent import unheard
from surrogates.flow.interval import IntervalLaw, fit_intervals
from surrogates.flow.jumps import JumpLaw, fit_jumps
from surrogates.flow.settings import FlowSettings
from surrogates.interface import Epochs
from surrogates.recorded import settings_from_tensors, settings_to_tensors

__all__ = ["FlowSettings", "FlowSurrogate", "fit_flow", "obstacle_to_flow"]


@runtime_checkable
class Law(Protocol):
    """How the epochs of one system go."""

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """States in which episodes begin."""
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

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, where the law knows them apart."""
        ...

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, those arrivals as they were seen."""
        ...

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        ...

    def updated(
        self,
        transitions: Transitions,
        settings: FlowSettings,
        random: np.random.Generator,
        on_progress: Callable[[float], None],
    ) -> Law:
        """Learn on from here on all these transitions."""
        ...

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        ...


def obstacle_to_flow(description: Description) -> str | None:
    """Why no law of this family can stand in for a simulator; None when one can."""
    if isinstance(description, SystemDescription) and description.is_event_driven:
        return None
    return obstacle_to_balance(description)


def _refuse_unknown(description: Description) -> SystemDescription:
    obstacle = obstacle_to_flow(description)
    if obstacle is None and isinstance(description, SystemDescription):
        return description
    raise InvalidSystem(
        f"flow cannot represent {description.name!r}: {obstacle}; the families mean, bootstrap and "
        "gp do without it"
    )


class FlowSurrogate:
    """A fitted flow surrogate."""

    name = "flow"

    def __init__(
        self, description: SystemDescription, law: Law, settings: FlowSettings | None = None
    ) -> None:
        self.description, self.law = description, law
        self.settings = settings or FlowSettings()
        self.openings = law.openings

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, customers conserved exactly."""
        return self.law.sample(states, decisions, parameters, random)

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, whatever is decided."""
        return self.law.arrivals_from_outside

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        return self.law.sample_given_arrivals(transitions, random)

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        return self.law.log_prob(transitions)

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Callable[[float], None] | None = None,
    ) -> FlowSurrogate:
        """Learn on from the present weights with a share of the passes of a fit."""
        refuse_unusable(transitions, self.description)
        hear = on_progress or unheard
        law = self.law.updated(transitions, self.settings, random, hear)
        return FlowSurrogate(self.description, law, self.settings)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to rebuild it with `from_tensors`, and to learn on as it was fitted."""
        return {**self.law.to_tensors(), **settings_to_tensors(self.settings)}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> FlowSurrogate:
        """Rebuild a saved surrogate for the system it was fitted on."""
        system = _refuse_unknown(description)
        kind: type[JumpLaw] | type[IntervalLaw] = JumpLaw if system.is_event_driven else IntervalLaw
        settings = settings_from_tensors(FlowSettings, tensors)
        return cls(system, kind.from_tensors(tensors, system), settings)


def fit_flow(
    transitions: Transitions,
    description: Description,
    settings: FlowSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None] | None = None,
) -> FlowSurrogate:
    """Fit the law that suits the description's epochs by maximum likelihood.

    Raises InvalidSystem for a simulator without stocks and flows.
    """
    system = _refuse_unknown(description)
    refuse_unusable(transitions, system)
    hear = on_progress or unheard
    fit: Callable[..., Law] = fit_jumps if system.is_event_driven else fit_intervals
    return FlowSurrogate(system, fit(transitions, system, settings, random, hear), settings)
