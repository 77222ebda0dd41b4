"""Surrogates of the tiny queue whose law is the simulator's own, or differs from it as told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.description import Description
from surrogates.clock import with_clock
from surrogates.dataset import Transitions
from surrogates.interface import Epochs
from tests.fakes import TinyQueue


@dataclass(frozen=True)
class ExactQueue:
    """Draws what `TinyQueue` with a clock draws, for many rows at once."""

    crowding: float = 1.0
    """Factor on the arrivals: 1 is the simulator."""
    narrowing: float = 1.0
    """Factor on the spread of the mood: 1 is the simulator."""
    name: str = "exact"

    @property
    def description(self) -> Description:
        return with_clock(TinyQueue()).describe()

    @property
    def openings(self) -> np.ndarray:
        return np.array([[waiting, 0.0, 0.0] for waiting in range(5)])

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        came = random.poisson(6.0 * self.crowding * parameters[:, 0]).astype(float)
        return self.follow(states, decisions, came, random)

    def follow(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        came: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        """The epochs in which so many came."""
        before, mood, clock = states.T
        served = np.minimum(before + came, random.poisson(3.0 * decisions[:, 0]))
        waiting = before + came - served
        noise = self.narrowing * random.standard_normal(len(states))
        mood = 0.8 * mood + 0.1 * (served - came) + 0.1 * noise
        waited = 5.0 * (before + waiting) * random.uniform(0.9, 1.1, len(states))
        profit = mood + served / 6 - 1
        return Epochs(
            state=np.column_stack([waiting, mood, clock + 1]),
            outputs=np.column_stack([came, served, waited, profit, decisions[:, 0]]),
            duration=np.full(len(states), 10.0),
        )


@dataclass(frozen=True)
class ToldQueue(ExactQueue):
    """The same, and it can be told who comes."""

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        return ("arrivals",)

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        t = transitions
        return self.follow(t.state, t.decision, t.outputs[:, 0], random)
