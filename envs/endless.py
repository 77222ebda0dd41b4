"""A surrogate world for long-run averages: it begins where systems are found, and never closes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from envs.world import Answers, SurrogateWorld
from sim.description import Description
from surrogates.interface import Surrogate

MeanDurations = Callable[
    [
        Float[np.ndarray, "batch state"],
        Float[np.ndarray, "batch lever"],
        Float[np.ndarray, "batch parameter"],
    ],
    Float[np.ndarray, "batch"],
]
"""Mean minutes of the epoch that states, decisions and parameters begin."""


class EndlessWorld(SurrogateWorld):
    """Copies of a surrogate that begin in given states and go on for ever.

    A surrogate may begin anywhere, which a simulator may not. Where epochs end with events the
    time until the next one is independent of which it is, so that the mean time may stand for it:
    what an epoch costs keeps its mean and loses its noise (conditional Monte Carlo). Times spent,
    which are numbers of customers times the duration, go with it.
    """

    def __init__(
        self,
        surrogate: Surrogate,
        copies: int,
        openings: Float[np.ndarray, "opening state"],
        mean_durations: MeanDurations | None = None,
    ) -> None:
        super().__init__(surrogate, copies)
        self._openings, self._mean_durations = openings, mean_durations

    def advance(
        self,
        decisions: Float[np.ndarray, "rows lever"],
        random: np.random.Generator,
        rows: Int[np.ndarray, "rows"] | None = None,
    ) -> Answers:
        """Sample the next epoch of the rows; none is the last one."""
        chosen = slice(None) if rows is None else rows
        before, parameters = self._states[chosen], self.parameters[chosen]
        answers = super().advance(decisions, random, rows)
        duration, outputs = answers.duration, answers.outputs
        if self._mean_durations is not None:
            duration = self._mean_durations(before, decisions, parameters)
            outputs = lasting(self.description, outputs, answers.duration, duration)
        return Answers(
            state=answers.state,
            outputs=outputs,
            duration=duration,
            is_last=np.zeros(len(duration), dtype=bool),
        )


def lasting(
    description: Description,
    outputs: Float[np.ndarray, "batch output"],
    drawn: Float[np.ndarray, "batch"],
    minutes: Float[np.ndarray, "batch"],
) -> Float[np.ndarray, "batch output"]:
    """Outputs of epochs that were drawn to last `drawn` minutes, had they lasted `minutes`.

    Times spent go with the duration; what is counted is the event, which stays.
    """
    times = np.array([not quantity.is_count for quantity in description.outputs])
    share = minutes / np.maximum(drawn, np.finfo(float).tiny)
    return np.where(times, outputs * share[:, None], outputs)
