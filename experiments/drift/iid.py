"""Values that do not depend on each other, foretold exactly: where detectors are at home."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Description, Lever
from sim.epoch import Quantity
from surrogates.dataset import Transitions
from surrogates.interface import Epochs

SAMPLES = 28
"""In a day, as many as the bank has epochs."""
DESCRIPTION = Description(
    name="iid",
    components=(Quantity(name="nothing", unit="none"),),
    outputs=(Quantity(name="value", unit="deviations", is_count=False),),
    levers=(Lever(name="none", levels=(0.0,)),),
    epochs=SAMPLES,
    boundaries=tuple(float(minute) for minute in range(SAMPLES + 1)),
)


@dataclass(frozen=True)
class StandardNormal:
    """Foretells a standard normal value in each epoch."""

    name: str = "standard normal"
    description: Description = DESCRIPTION

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The only state."""
        return np.zeros((1, 1))

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Whatever the question."""
        rows = len(states)
        return Epochs(
            state=np.zeros((rows, 1)),
            outputs=random.standard_normal((rows, 1)),
            duration=np.ones(rows),
        )


def normal_day(number: int, shift: float, random: np.random.Generator) -> Transitions:
    """One day of values about `shift`."""
    none = np.zeros((SAMPLES, 1))
    return Transitions(
        state=none,
        decision=none,
        parameters=np.zeros((SAMPLES, 0)),
        next_state=none,
        outputs=shift + random.standard_normal((SAMPLES, 1)),
        duration=np.ones(SAMPLES),
        episode=np.full(SAMPLES, number),
        policy=np.full(SAMPLES, "none"),
    )
